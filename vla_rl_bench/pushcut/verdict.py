"""In words: did a behaviour appear that no demonstration has, and did RL make it more frequent?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean
from typing import Literal

from vla_rl_bench.analysis.statistics.intervals import Interval, newcombe, over_seeds, percent, wilson
from vla_rl_bench.analysis.statistics.verdict import points, signed
from vla_rl_bench.pushcut.counts import Section, Stage

Word = Literal["not seen", "in rollouts only", "discovered", "too rare to tell", "amplified", "faded", "unchanged"]


@dataclass(frozen=True)
class Change:
    """A behaviour's share of the successes after RL minus before, as a rate.

    seeds: how many it is the mean of; with one the interval is that of these two policies alone (Newcombe's), with
    several that of other seeds as well (Student's t, paired by seed).
    """

    difference: float
    interval: Interval
    seeds: int


@dataclass(frozen=True)
class Verdict:
    behaviour: str
    word: Word
    sentence: str
    change: Change | None


def verdicts(section: Section) -> list[Verdict]:
    """One for each behaviour of a success that no demonstration has."""
    return [_verdict(section, behaviour) for behaviour in section.new]


def change(section: Section, behaviour: str) -> Change | None:
    """None where no seed had successes both before and after."""
    if section.before is None:
        return None
    pairs = [
        (seed, seen.share(behaviour), section.after.by_seed[seed].share(behaviour))
        for seed, seen in section.before.by_seed.items()
    ]
    usable = [(seed, after - before) for seed, before, after in pairs if before is not None and after is not None]
    if not usable:
        return None
    if len(usable) == 1:
        seed, difference = usable[0]
        sides = [stage.by_seed[seed] for stage in (section.after, section.before)]
        first, second = ((one.successes.get(behaviour, 0), one.total) for one in sides)
        return Change(difference, newcombe(first, second), 1)
    summary = over_seeds([difference for _, difference in usable])
    assert summary.interval is not None
    return Change(summary.mean, summary.interval, summary.seeds)


def _verdict(section: Section, behaviour: str) -> Verdict:
    found = change(section, behaviour)
    word = _word(section, behaviour, found)
    return Verdict(behaviour, word, f"`{behaviour}`: **{word}**. {_sentence(section, behaviour, word, found)}", found)


def _word(section: Section, behaviour: str, found: Change | None) -> Word:
    after = section.after.count(behaviour)[0]
    if not _count(_without_update(section), behaviour)[0]:
        if not after:
            return "in rollouts only" if _count(section.rollouts.values(), behaviour)[0] else "not seen"
        return "discovered" if found and found.interval.low > 0 else "too rare to tell"
    if found and found.interval.low > 0:
        return "amplified"
    return "faded" if found and found.interval.high < 0 else "unchanged"


def _without_update(section: Section) -> list[Stage]:
    """What shows the policy that RL began with: its evaluation, and the rollouts of the first iteration."""
    first = [section.rollouts[1]] if 1 in section.rollouts else []
    return [*([section.before] if section.before else []), *first]


def _sentence(section: Section, behaviour: str, word: Word, found: Change | None) -> str:
    assert section.demonstrations is not None
    said = [f"None of {section.demonstrations.episodes} demonstrations has it."]
    before = _count(_without_update(section), behaviour)
    if word == "not seen":
        return " ".join([*said, "No success has it either."])
    if before[0]:
        said.append(f"The policy that RL began with had it already: {_shares(_without_update(section), behaviour)}.")
    elif before[1]:
        said.append(
            f"Nor has any of {before[1]} successes of the policy that RL began with (at most "
            f"{points(wilson(0, before[1]).high)}% of them would)."
        )
    else:
        said.append("The policy that RL began with had no success at all.")
    said.append(f"After RL: {_shares([section.after], behaviour)}.")
    if found:
        said.append(_difference(found, section))
    return " ".join([*said, *_meaning(word)])


def _difference(found: Change, section: Section) -> str:
    scope = f"mean of {found.seeds} seeds, paired" if found.seeds > 1 else "one seed, so these policies alone"
    left_out = len(section.after.by_seed) - found.seeds
    less = f"; {left_out} without successes to compare left out" if left_out else ""
    return f"Its share of the evaluation's successes changed by {_signed(found)} points ({scope}{less})."


def _signed(found: Change) -> str:
    shown = points(found.difference)
    plus = "" if shown.startswith("-") or shown == "0.0" else "+"
    return f"{plus}{shown} {signed(found.interval)}"


def _meaning(word: Word) -> list[str]:
    return {
        "amplified": ["So RL made more of what was there; it did not find it."],
        "faded": ["So RL made less of it."],
        "unchanged": ["So a change of its share cannot be told from noise."],
        "too rare to tell": ["So whether RL brought it cannot be told from chance."],
        "in rollouts only": ["So it came up while exploring, and the trained policy does not choose it."],
    }.get(word, [])


def _shares(stages: Iterable[Stage], behaviour: str) -> str:
    """``42 of 61 successes (68.9%; SFT, evaluated)``."""
    counted = [(stage, *stage.count(behaviour)) for stage in stages]
    return ", ".join(f"{k} of {n} successes ({percent(k, n)}%; {stage.title})" for stage, k, n in counted if n)


def _count(stages: Iterable[Stage], behaviour: str) -> tuple[int, int]:
    counted = [stage.count(behaviour) for stage in stages]
    return sum(k for k, _ in counted), sum(n for _, n in counted)


def mean_share(stage: Stage, behaviour: str) -> tuple[float, float, float] | None:
    """Mean, lowest and highest over the seeds that had successes."""
    shares = [share for seen in stage.by_seed.values() if (share := seen.share(behaviour)) is not None]
    return (mean(shares), min(shares), max(shares)) if shares else None
