"""One colour an arm, the same in every chart and as in ``curves.png``; a lighter one on dark pages."""

from __future__ import annotations

from dataclasses import dataclass

from vla_rl_bench.analysis.plots.curves import ROLLOUTS
from vla_rl_bench.analysis.plots.style import COLOURS
from vla_rl_bench.config.schema import Suite

ACTIVITIES = {
    "stepping": "#0b6e99",
    "rendering": "#5b8c3a",
    "reset": "#b8860b",
    "policy": "#c8553d",
    "update": "#7d5ba6",
    "transfer": "#3d3d3d",
}
OTHER = "#9a9a9a"
STAGES = {
    "demonstrations": "#b8860b",
    "SFT": "#3d3d3d",
    "RL": "#0b6e99",
    "evaluation": "#5b8c3a",
    "start and end": "#9a9a9a",
}
TOWARDS_WHITE = 0.42  # how far colours go on dark pages


@dataclass(frozen=True)
class Arm:
    """An arm as pages name it.  colour: a CSS value."""

    name: str
    title: str
    colour: str


def arms(suite: Suite) -> list[Arm]:
    """Arms with RL have the curves' colours in order; the others begin at the end of the palette."""
    trained = [arm.name for arm in suite.arms if arm.rl]
    others = [arm.name for arm in suite.arms if not arm.rl]
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(trained)}
    colours |= {name: COLOURS[-1 - index % len(COLOURS)] for index, name in enumerate(others)}
    return [Arm(arm.name, arm.title or arm.name, css(colours[arm.name])) for arm in titled(suite).arms]


def titled(suite: Suite) -> Suite:
    """The suite with titles that stand alone: ``+ RL`` below ``SFT`` in a table is ``SFT + RL`` elsewhere.

    Arms that still have one title have their names behind it.
    """
    titles: dict[str, str] = {}
    for arm in suite.arms:
        title = (arm.title or arm.name).strip()
        begun = titles.get(arm.from_ or "", "")
        titles[arm.name] = f"{begun} {title}" if title.startswith("+") and begun else title
    shared = [title for title in titles.values() if list(titles.values()).count(title) > 1]
    unique = {name: f"{title} ({name})" if title in shared else title for name, title in titles.items()}
    return suite.model_copy(
        update={"arms": tuple(arm.model_copy(update={"title": unique[arm.name]}) for arm in suite.arms)}
    )


def css(colour: str) -> str:
    """``#0b6e99`` -> ``var(--c-0b6e99)``, which the page's two schemes define."""
    return f"var(--c-{colour.lstrip('#')})"


def activity(name: str) -> str:
    """The colour of what a worker or the trainer does."""
    return css(ACTIVITIES.get(name, OTHER))


def stage(name: str) -> str:
    return css(STAGES[name])


def definitions(*, dark: bool) -> str:
    """CSS declarations of every colour that `css` may name."""
    known = dict.fromkeys([*COLOURS, ROLLOUTS, *ACTIVITIES.values(), OTHER, *STAGES.values()])
    return " ".join(f"--c-{one.lstrip('#')}: {_lighter(one) if dark else one};" for one in known)


def _lighter(colour: str) -> str:
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(part + TOWARDS_WHITE * (255 - part)):02x}" for part in parts)
