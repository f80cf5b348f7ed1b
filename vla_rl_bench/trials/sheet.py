"""What a trial sheet says now: the plan, and the trials that stand after all that was undone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from string import ascii_uppercase

from vla_rl_bench.seeding import generator
from vla_rl_bench.trials.events import Event, Note, Plan, Trial, Undo, known_name, now


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the plan.  round: 1 to the planned number."""

    task: str
    model: str
    round: int


@dataclass
class Sheet:
    """trials: those that stand, by number.  notes: remarks by the trial's number.  entered: how many ever were."""

    plan: Plan
    trials: dict[int, Trial] = field(default_factory=dict)
    notes: dict[int, list[str]] = field(default_factory=dict)
    entered: int = 0

    @property
    def planned(self) -> int:
        return len(self.plan.tasks) * len(self.plan.models) * self.plan.trials

    @property
    def undone(self) -> int:
        return self.entered - len(self.trials)

    @property
    def last(self) -> Trial | None:
        """The trial that was entered last, of those that stand."""
        return self.trials[max(self.trials)] if self.trials else None

    def cell(self, task: str, model: str) -> dict[int, bool]:
        """Round -> success."""
        found = [one for one in self.trials.values() if (one.task, one.model) == (task, model)]
        return {one.round: one.outcome == "success" for one in sorted(found, key=lambda one: one.round)}

    def open_slots(self, task: str | None = None, model: str | None = None) -> Iterator[Slot]:
        """What is still to be done, in the plan's order; of one task or model, if named."""
        taken = {(one.task, one.model, one.round) for one in self.trials.values()}
        for slot in slots(self.plan):
            wanted = task in (None, slot.task) and model in (None, slot.model)
            if wanted and (slot.task, slot.model, slot.round) not in taken:
                yield slot

    def trial(self, slot: Slot, success: bool, note: str = "", blind: bool = False) -> Trial:
        """The event that fills a slot."""
        return Trial(
            number=self.entered + 1,
            task=slot.task,
            model=slot.model,
            round=slot.round,
            outcome="success" if success else "failure",
            note=note,
            blind=blind,
            time=now(),
        )

    def apply(self, event: Event) -> None:
        """ValueError where the event does not fit what came before it."""
        if isinstance(event, Plan):
            raise ValueError("a second plan; a sheet has one, its first line")
        if isinstance(event, Trial):
            self._enter(event)
        elif isinstance(event, Undo):
            del self.trials[self._standing(event.number)]
        elif isinstance(event, Note):
            self.notes.setdefault(self._standing(event.number), []).append(event.note)

    def _enter(self, trial: Trial) -> None:
        known_name(trial.task, self.plan.tasks, "task")
        known_name(trial.model, self.plan.models, "model")
        if trial.number != self.entered + 1:
            raise ValueError(
                f"trial number {trial.number} where {self.entered + 1} is due; lines are never taken out, a trial "
                "that does not count is undone by an event of its own"
            )
        if trial.round > self.plan.trials:
            raise ValueError(f"round {trial.round} of {self.plan.trials} planned")
        place = (trial.task, trial.model, trial.round)
        other = next((one for one in self.trials.values() if (one.task, one.model, one.round) == place), None)
        if other is not None:
            raise ValueError(
                f"{trial.task}, {trial.model}, round {trial.round} is filled already, by trial number {other.number}"
            )
        self.entered += 1
        self.trials[trial.number] = trial
        if trial.note:
            self.notes[trial.number] = [trial.note]

    def _standing(self, number: int) -> int:
        if number not in self.trials:
            raise ValueError(f"no trial number {number}" + (", or undone already" if number <= self.entered else ""))
        return number


def slots(plan: Plan) -> Iterator[Slot]:
    """The whole plan in the order in which it is done: task by task, since tasks change what stands on the table.

    interleaved: round by round, the models of a round in an order drawn for it, so that what drifts over the day
    (light, wear, the person) meets all models alike.  blocked: model by model, in an order drawn for the task.
    """
    for place, task in enumerate(plan.tasks):
        if plan.order == "blocked":
            for model in _shuffled(plan, place, 0):
                yield from (Slot(task, model, number) for number in _rounds(plan))
        else:
            for number in _rounds(plan):
                yield from (Slot(task, model, number) for model in _shuffled(plan, place, number))


def letters(plan: Plan) -> dict[str, str]:
    """Model -> ``A``, ``B``, ...: for blind trials, drawn from the plan's seed and the same throughout the sheet."""
    drawn = generator("blind trials", plan.seed).permutation(len(plan.models))
    return {model: ascii_uppercase[int(place)] for model, place in zip(plan.models, drawn, strict=True)}


def _rounds(plan: Plan) -> range:
    return range(1, plan.trials + 1)


def _shuffled(plan: Plan, task: int, number: int) -> list[str]:
    drawn = generator("trials", plan.seed, task, number).permutation(len(plan.models))
    return [plan.models[int(place)] for place in drawn]
