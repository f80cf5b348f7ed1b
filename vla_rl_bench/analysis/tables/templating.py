"""The jinja templates of the formats."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@lru_cache(maxsize=8)
def template(name: str) -> Template:
    """LaTeX templates have ``<% %>`` and ``<< >>`` for jinja's marks, since braces and percent signs are LaTeX's.

    In HTML templates values are escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vla_rl_bench.analysis.tables"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=name.endswith(".html.j2"),
    )
    if name.endswith(".tex.j2"):
        environment = environment.overlay(
            block_start_string="<%",
            block_end_string="%>",
            variable_start_string="<<",
            variable_end_string=">>",
            comment_start_string="<#",
            comment_end_string="#>",
        )
    return environment.get_template(name)
