"""The changelog: a file a change in docs/changelog.d/, which a release gathers into CHANGELOG.md.

python docs/changelog.py            what the next release brings
python docs/changelog.py 0.2.0      make that release's section, and remove the files
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TITLE = "# Changelog\n"


def fragments(folder: Path) -> list[Path]:
    """One a change, by name."""
    return sorted(path for path in folder.glob("*.md") if path.name != "README.md")


def pending(folder: Path, docs: str) -> str:
    """A list item a change.  docs: where docs/ lies as seen from the text, ``docs/`` or nothing."""
    return "".join(f"- {_one_line(path, docs)}\n" for path in fragments(folder))


def _one_line(path: Path, docs: str) -> str:
    return re.sub(r"\]\(\.\./", f"]({docs}", " ".join(path.read_text("utf-8").split()))


def released(before: str, version: str, items: str) -> str:
    """CHANGELOG.md with a section on top of the others."""
    if f"\n## {version}\n" in before:
        raise ValueError(f"CHANGELOG.md has a section {version} already; name another version")
    older = before.removeprefix(TITLE).lstrip("\n")
    return f"{TITLE}\n## {version}\n\n{items}" + (f"\n{older}" if older else "")


def main(arguments: list[str], root: Path = ROOT) -> int:
    folder, file = root / "docs" / "changelog.d", root / "CHANGELOG.md"
    items = pending(folder, "docs/")
    if not arguments:
        print(items, end="")
        return 0
    if len(arguments) > 1 or not re.fullmatch(r"\d+(\.\d+)+\w*", arguments[0]) or not items:
        print("Usage: python docs/changelog.py [VERSION], with changes in docs/changelog.d/", file=sys.stderr)
        return 2
    try:
        text = released(file.read_text("utf-8") if file.is_file() else TITLE, arguments[0], items)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    file.write_text(text, "utf-8")
    for path in fragments(folder):
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
