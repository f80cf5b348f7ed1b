"""The page: results of suites as one HTML file without scripts or outside files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vla_rl_bench import __version__
from vla_rl_bench.analysis.plots.curves import learning_curves, panel_svg
from vla_rl_bench.analysis.plots.style import css_color, css_colors
from vla_rl_bench.analysis.report.embed import ImageEmbedder, documents, images, render_markdown
from vla_rl_bench.analysis.report.episodes import FilmedEpisode, film_episodes
from vla_rl_bench.analysis.report.key_numbers import key_numbers, scope_text, summary_text
from vla_rl_bench.analysis.report.provenance import resolved_suite, run_records, shared_facts
from vla_rl_bench.analysis.report.start_maps import start_maps
from vla_rl_bench.analysis.select_runs import SuiteRuns, select_all
from vla_rl_bench.analysis.tables.cells import with_detail_tables
from vla_rl_bench.analysis.tables.html import html
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.report import suite_tables
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_text

if TYPE_CHECKING:
    from markupsafe import Markup

NAME = "report.html"
MAX_BYTES = 20_000_000  # of the page, for mail and browsers
TOOLTIPS = 20_000  # cells of start maps at most that have tooltips


def write_page(
    names: Sequence[str], out: Path | None, *, count: int = 1, report: Callable[[str], None] = print
) -> tuple[Path, list[SuiteRuns]]:
    """Write the page of some suites -> its path, and the suites.

    Args:
        names: Suites, as `select_all` takes them.
        out: Path of the page; None: ``report.html`` in the suite's folder, or in the working directory for several.
        count: Successes, and failures, to film of each arm in each column.
        report: Takes a line per run that is filmed.
    """
    for name in names:
        if (Path(name) / "run.json").is_file():
            raise UserError(f"{name}: a single run; name its suite's folder: {Path(name).resolve().parents[1]}")
    suites = select_all(names, Path("runs"))
    for suite in suites:
        if not suite.complete:
            raise UserError(f"{suite.outputs}: no complete run yet; run the suite again to resume it")
    target = out or (suites[0].outputs if len(suites) == 1 else Path()) / NAME
    if target.is_dir():
        raise UserError(f"{target}: a folder; name a file, as --out {target / NAME}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target.with_name(f".{target.name}.probe"), "")  # before anything is filmed
        target.with_name(f".{target.name}.probe").unlink()
        write_text(target, render(suites, [film_episodes(suite, count, report) if count else [] for suite in suites]))
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); name another --out") from None
    return target, suites


def render(suites: Sequence[SuiteRuns], films: Sequence[Sequence[FilmedEpisode]]) -> str:
    """Render the page.  films: of each suite, in the suites' order."""
    import jinja2

    embedder = ImageEmbedder()
    views = [
        _view(f"s{number}", results, episodes, embedder)
        for number, (results, episodes) in enumerate(zip(suites, films, strict=True))
    ]
    titles = [view["title"] for view in views]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vla_rl_bench.analysis.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    page = environment.get_template("page.html.j2").render(
        title=titles[0] if len(titles) == 1 else f"{len(titles)} suites: {'; '.join(titles)}",
        views=views,
        version=__version__,
        light=css_colors(dark=False),
        dark=css_colors(dark=True),
        left_out=embedder.left_out,
        css=css_color,
    )
    size = len(page.encode())
    if size > MAX_BYTES:
        limit = f"{MAX_BYTES / 1e6:.0f}"
        raise UserError(f"the page would have {size / 1e6:.0f} MB, more than {limit}; name fewer suites at a time")
    return page


def _view(
    prefix: str, results: SuiteRuns, episodes: Sequence[FilmedEpisode], embedder: ImageEmbedder
) -> dict[str, Any]:
    """Collect a suite's part of the page.  prefix: of its anchors."""
    suite, maps = results.suite, start_maps(results)
    main, *others = suite_tables(results)
    own, *details = with_detail_tables(main)
    panels = learning_curves(results.episodes, results.metrics, suite)
    curves = [
        (panel, panel_svg(panel, f"{prefix}-{panel.title}") if panel.lines else "", "; ".join(column.notes))
        for panel, column in zip(panels, maps, strict=True)
    ]
    texts = documents(results.outputs)
    rendered = [render_markdown(path, embedder) for path in texts]
    embedded = [(embedder.embed(path, title), title) for path, title in images(results.outputs, texts)]
    further_images = [(image, title) for image, title in embedded if image]
    films = [[(e, _embed_film(e, embedder)) for e in episodes if e.column == column] for column in suite.columns]
    sections = {
        "results": ("Results", True),
        "curves": ("Learning curves", any(panel.lines for panel in panels)),
        "more": ("Further results", rendered or further_images),
        "starts": ("Success by start", True),
        "films": ("Films", any(films)),
        "provenance": ("Provenance", True),
    }
    return {
        "prefix": prefix,
        "suite": suite,
        "title": suite.title or suite.name,
        "summary": summary_text(results),
        "planned": results.planned,
        "missing": results.missing,
        "numbers": key_numbers(results, main),
        "scope": scope_text(main),
        "sections": {anchor: title for anchor, (title, content) in sections.items() if content},
        "table": _table_html(own, prefix),
        "details": [_table_html(table, prefix) for table in details],
        "others": [_table_html(part, prefix) for table in others for part in with_detail_tables(table)],
        "curves": curves,
        "legend": {
            line.label: line.color
            for panel in panels
            for line in sorted(panel.lines, key=lambda line: line.kind)
            if line.label
        },
        "documents": rendered,
        "images": further_images,
        "maps": maps,
        "tooltips": sum(column.evaluated(arm) for column in maps for arm in range(len(column.arms))) <= TOOLTIPS,
        "films": [column for column in films if column],
        "facts": shared_facts(results),
        "runs": run_records(results),
        "resolved": resolved_suite(results),
    }


def _table_html(table: Table, prefix: str) -> str:
    return html(replace(table, label=f"{prefix}-{table.label}"), styled=False)


def _embed_film(episode: FilmedEpisode, embedder: ImageEmbedder) -> Markup | None:
    if episode.film is None:
        return None
    return embedder.embed(episode.film, f"{episode.arm.title}, {episode.kind}: {episode.instruction}")
