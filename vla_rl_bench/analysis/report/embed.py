"""Files of a suite's folder as parts of the page: images as data URIs, as many as fit, and Markdown as HTML."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vla_rl_bench.analysis.plots.video import last_picture

if TYPE_CHECKING:
    from markupsafe import Markup

BUDGET = 18_000_000  # bytes of images in the page
TYPES = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
MOVING = (".gif", ".webp")
TITLES = {
    "before_after": "The same start, before and after RL",
    "generalisation": "Unseen tasks against seen tasks",
    "ablation_curves": "Ablation: learning curves",
}
DRAWN_ANEW = ("curves", "table")  # stems of files whose content the page makes from the records
ABLATION = "ablation"


@dataclass
class ImageEmbedder:
    """Embeds images while there is room."""

    room: int = field(default_factory=lambda: BUDGET)  # bytes that may still be embedded
    left_out: list[str] = field(default_factory=list)  # names of images that were too large

    def embed(self, path: Path, title: str) -> Markup | None:
        """Encode an image as an ``img``; None if there is no room.  A film also gets its last picture as a still."""
        from markupsafe import Markup

        parts = [("moving" if path.suffix in MOVING else "", title, TYPES[path.suffix], path.read_bytes())]
        if path.suffix in MOVING:
            parts.append(("still", f"{title}, the end", "image/webp", last_picture(path)))
        html = Markup("").join(
            Markup('<img class="{}" alt="{}" src="data:{};base64,{}">').format(
                kind, text, media_type, base64.b64encode(image).decode()
            )
            for kind, text, media_type, image in parts
        )
        if len(html) > self.room:
            self.left_out.append(path.name)
            return None
        self.room -= len(html)
        return html


def documents(folder: Path) -> list[Path]:
    """List Markdown files to show: ``ablation.md``, and every text beside an image of its name."""
    texts = [path for path in sorted(folder.glob("*.md")) if path.stem not in DRAWN_ANEW]
    return [path for path in texts if path.stem == ABLATION or path.with_suffix(".png").is_file()]


def images(folder: Path, texts: Sequence[Path]) -> list[tuple[Path, str]]:
    """List images to show, with their titles: those that no text in `texts` contains."""
    contained = {name for text in texts for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text.read_text())}
    return [
        (path, TITLES.get(path.stem, re.sub("[-_]+", " ", path.stem)))
        for path in sorted(folder.iterdir())
        if path.suffix in TYPES and path.stem not in DRAWN_ANEW and path.name not in contained and path.is_file()
    ]


def render_markdown(path: Path, embedder: ImageEmbedder) -> Markup:
    """Render a Markdown file; its HTML is escaped, its images are embedded, its links keep only their text."""
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markupsafe import Markup

    def render_image(_: object, tokens: Sequence[Token], index: int, *options: object) -> str:
        name, title = str(tokens[index].attrs["src"]), tokens[index].content
        file = path.parent / name
        html = embedder.embed(file, title) if file.suffix in TYPES and file.is_file() else None
        return f'<span class="image">{html}<small>{Markup.escape(title)}</small></span>' if html else ""

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules: dict[str, Any] = {
        "image": render_image,
        "link_open": lambda *_: "",
        "link_close": lambda *_: "",
        "table_open": lambda *_: '<div class="scroll"><table class="plain">',
        "table_close": lambda *_: "</table></div>",
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    tokens = parser.parse(path.read_text())
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = "h3"
        if token.type == "th_open":
            token.attrSet("scope", "col")
    return Markup(parser.renderer.render(tokens, parser.options, {}))
