"""The change of a new behavior's share of the successes, and one sentence about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vla_rl_bench.analysis.statistics.intervals import (
    Interval,
    interval_text,
    newcombe,
    percent_text,
    points_text,
    wilson,
)
from vla_rl_bench.analysis.statistics.over_seeds import summarize_seeds
from vla_rl_bench_behaviors.phases import ArmBehaviors, TrainingPhase

Word = Literal["discovered", "too rare to tell", "in rollouts only", "amplified", "faded", "unchanged"]
MEANING: dict[Word, str] = {
    "discovered": "RL discovered it.",
    "too rare to tell": "These are too few successes to say that RL discovered it.",
    "in rollouts only": "It appeared during exploration; the trained policy does not use it.",
    "amplified": "RL amplified an existing behavior; it did not discover it.",
    "faded": "RL made it less frequent.",
    "unchanged": "The change is not significant.",
}


@dataclass(frozen=True)
class Change:
    """A behavior's share of the successes after RL minus before RL, as a rate."""

    difference: float
    interval: Interval  # Student's t over seeds, paired by seed; with one seed Newcombe's, for these two policies
    seeds: int


@dataclass(frozen=True)
class Verdict:
    """Outcome of a behavior that no demonstration has."""

    behavior: str
    word: Word
    sentence: str
    change: Change | None


def verdicts(arm: ArmBehaviors) -> list[Verdict]:
    """Judge each behavior of a success that no demonstration has."""
    return [_verdict(arm, behavior) for behavior in arm.new]


def share_change(arm: ArmBehaviors, behavior: str) -> Change | None:
    """Compare the shares before and after RL; None if no seed had successes in both evaluations."""
    differences = {}
    for seed, before in arm.before.by_seed.items() if arm.before else ():
        shares = before.share(behavior), arm.after.by_seed[seed].share(behavior)
        if shares[0] is not None and shares[1] is not None:
            differences[seed] = shares[1] - shares[0]
    if not differences or arm.before is None:
        return None
    if len(differences) == 1:
        [(seed, difference)] = differences.items()
        first, second = (
            (phase.by_seed[seed].successes.get(behavior, 0), phase.by_seed[seed].total)
            for phase in (arm.after, arm.before)
        )
        return Change(difference, newcombe(first, second), 1)
    summary = summarize_seeds(list(differences.values()))
    assert summary.interval is not None
    return Change(summary.mean, summary.interval, summary.seeds)


def _verdict(arm: ArmBehaviors, behavior: str) -> Verdict:
    assert arm.demonstrations is not None
    change = share_change(arm, behavior)
    before = [phase for phase in (arm.before, arm.rollouts.get(1)) if phase is not None]  # no update yet
    count, successes = sum(phase.successes(behavior) for phase in before), sum(phase.total for phase in before)
    word = _word(change, before=count, after=arm.after.successes(behavior))
    sentences = [f"None of {arm.demonstrations.episodes} demonstrations has it."]
    if count:
        sentences.append(f"The policy before RL already had it: {_shares(before, behavior)}.")
    elif successes:
        limit = points_text(wilson(0, successes).high)
        sentences.append(f"None of {successes} successes of the policy before RL has it (at most {limit}%).")
    else:
        sentences.append("The policy before RL had no success.")
    sentences.append(f"After RL: {_shares([arm.after], behavior) or 'no success'}.")
    if change:
        sentences.append(_change_text(change, len(arm.after.by_seed) - change.seeds))
    sentences.append(MEANING[word])
    return Verdict(behavior, word, f"`{behavior}`: **{word}**. {' '.join(sentences)}", change)


def _word(change: Change | None, *, before: int, after: int) -> Word:
    increased = change is not None and change.interval.low > 0
    if not before:
        if not after:
            return "in rollouts only"
        return "discovered" if increased else "too rare to tell"
    if increased:
        return "amplified"
    return "faded" if change is not None and change.interval.high < 0 else "unchanged"


def _change_text(change: Change, left_out: int) -> str:
    scope = f"mean of {change.seeds} seeds, paired" if change.seeds > 1 else "one seed: these two policies only"
    rest = f"; {left_out} without successes left out" if left_out else ""
    difference, interval = points_text(change.difference, signed=True), interval_text(change.interval, signed=True)
    return f"Its share of the evaluated successes changed by {difference} {interval} points ({scope}{rest})."


def _shares(phases: Iterable[TrainingPhase], behavior: str) -> str:
    """``42 of 61 successes (68.9%; SFT, evaluated)``."""
    counts = [(phase.successes(behavior), phase.total, phase.title) for phase in phases if phase.total]
    return ", ".join(f"{k} of {n} successes ({percent_text(k, n)}%; {title})" for k, n, title in counts)
