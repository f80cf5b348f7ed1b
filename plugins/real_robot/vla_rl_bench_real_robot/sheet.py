"""A trial sheet: its plan, and the trials, undos and notes that follow, each one line of JSON that never changes.

JSON lines rather than CSV: a plan, a trial, an undo and a note have different columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from string import ascii_uppercase
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from vla_rl_bench.errors import did_you_mean
from vla_rl_bench.seeding import generator


def _single_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line, without blanks around it")
    return text


Text = Annotated[str, AfterValidator(_single_line)]
Name = Annotated[Text, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plan(_Event):
    """The first line of a sheet.  Models are rows of the table and tasks are columns, in this order."""

    event: Literal["plan"] = "plan"
    version: Literal[1] = 1
    title: Name = "Real robot"
    tasks: Annotated[tuple[Name, ...], Field(min_length=1)]
    models: Annotated[tuple[Name, ...], Field(min_length=1, max_length=len(ascii_uppercase))]
    trials: Count = 50  # of each model on each task; SimpleVLA-RL, section 5.3
    order: Literal["interleaved", "blocked"] = "interleaved"
    paired: bool = True  # the models' trials of a round begin with the same scene
    delta: tuple[tuple[Name, Name], ...] = ()  # (minuend, subtrahend) of each row of differences
    seed: Annotated[int, Field(ge=0)] = 0  # of the order, and of the letters in blind trials
    protocol: Text = ""
    time: AwareDatetime

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        for kind, names in (("task", self.tasks), ("model", self.models)):
            repeated = next((name for name in names if names.count(name) > 1), None)
            if repeated is not None:
                raise ValueError(f"{kind} `{repeated}` is listed twice")
        for minuend, subtrahend in self.delta:
            check_name(minuend, self.models, "model")
            check_name(subtrahend, self.models, "model")
            if minuend == subtrahend:
                raise ValueError("a model has no difference to itself")
        return self


class Trial(_Event):
    event: Literal["trial"] = "trial"
    number: Count  # 1, 2, ... in the order of entry
    task: str
    model: str
    round: Count  # which of the planned trials of its task and model
    outcome: Literal["success", "failure"]
    note: str = ""
    blind: bool = False  # the model's name was hidden from the person who judged
    time: AwareDatetime


class Undo(_Event):
    """Trial `number` does not count, and is to be done again."""

    event: Literal["undo"] = "undo"
    number: Count
    time: AwareDatetime


class Note(_Event):
    """A remark on trial `number`."""

    event: Literal["note"] = "note"
    number: Count
    note: str
    time: AwareDatetime


Event = Plan | Trial | Undo | Note
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def now() -> datetime:
    """Return the local time with its zone, to the second."""
    return datetime.now().astimezone().replace(microsecond=0)


def event_line(event: Event) -> bytes:
    return (json.dumps(event.model_dump(mode="json"), ensure_ascii=False) + "\n").encode()


def parse_event(line: bytes) -> Event:
    """Read one line; a `ValueError` of one line if it is no event."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError as error:
        raise ValueError(first_error(error, depth=1)) from None


def first_error(error: ValidationError, depth: int = 0) -> str:
    """Return the first of pydantic's errors as ``key: what is wrong``.  depth: parts of its location to leave out."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"][depth:])
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def check_name(name: str, names: tuple[str, ...], kind: str) -> None:
    if name not in names:
        raise ValueError(f"no {kind} `{name}` in the plan.{did_you_mean(name, names)}")


class PlannedTrial(NamedTuple):
    task: str
    model: str
    round: int  # from 1 to the planned number


def planned_trials(plan: Plan) -> Iterator[PlannedTrial]:
    """Yield every planned trial in order: task by task, because each task has its own objects on the table.

    interleaved: round by round, the models of a round in random order, so that drift over the day (light, wear, the
    person) affects all models alike.  blocked: model by model, in random order.
    """
    rounds = range(1, plan.trials + 1)
    for index, task in enumerate(plan.tasks):
        if plan.order == "blocked":
            models = _shuffled(plan, index, 0)
            yield from (PlannedTrial(task, model, number) for model in models for number in rounds)
        else:
            for number in rounds:
                yield from (PlannedTrial(task, model, number) for model in _shuffled(plan, index, number))


def _shuffled(plan: Plan, task: int, number: int) -> list[str]:
    order = generator("trials", plan.seed, task, number).permutation(len(plan.models))
    return [plan.models[int(index)] for index in order]


def letters(plan: Plan) -> dict[str, str]:
    """Assign ``A``, ``B``, ... to the models for blind trials, from the plan's seed; in the letters' order."""
    order = generator("blind trials", plan.seed).permutation(len(plan.models))
    return {plan.models[int(index)]: ascii_uppercase[letter] for letter, index in enumerate(order.argsort())}


@dataclass
class Sheet:
    """The plan, and the trials that count after all undos."""

    plan: Plan
    trials: dict[int, Trial] = field(default_factory=dict)  # by number
    notes: dict[int, list[str]] = field(default_factory=dict)  # by the trial's number
    entered: int = 0  # trials, undone ones included

    @property
    def planned(self) -> int:
        return len(self.plan.tasks) * len(self.plan.models) * self.plan.trials

    @property
    def undone(self) -> int:
        return self.entered - len(self.trials)

    @property
    def last(self) -> Trial | None:
        """The latest trial that counts."""
        return self.trials[max(self.trials)] if self.trials else None

    def successes(self, task: str, model: str) -> dict[int, bool]:
        """Return success by round, for the rounds that are done."""
        trials = [trial for trial in self.trials.values() if (trial.task, trial.model) == (task, model)]
        return {trial.round: trial.outcome == "success" for trial in sorted(trials, key=lambda trial: trial.round)}

    def remaining(self, task: str | None = None, model: str | None = None) -> Iterator[PlannedTrial]:
        """Yield the trials that are still to be done, in order; of one task or model if it is named."""
        done = {(trial.task, trial.model, trial.round) for trial in self.trials.values()}
        for planned in planned_trials(self.plan):
            if task in (None, planned.task) and model in (None, planned.model) and planned not in done:
                yield planned

    def trial(self, planned: PlannedTrial, success: bool, note: str = "", blind: bool = False) -> Trial:
        """Return the event that records a planned trial."""
        return Trial(
            number=self.entered + 1,
            **planned._asdict(),
            outcome="success" if success else "failure",
            note=note,
            blind=blind,
            time=now(),
        )

    def apply(self, event: Event) -> None:
        """Take an event in; a `ValueError` if it does not fit the events before it."""
        if isinstance(event, Plan):
            raise ValueError("a second plan; a sheet has one, its first line")
        if isinstance(event, Trial):
            self._enter(event)
        elif event.number not in self.trials:
            undone = ", or undone already" if event.number <= self.entered else ""
            raise ValueError(f"no trial number {event.number}{undone}")
        elif isinstance(event, Undo):
            del self.trials[event.number]
        else:
            self.notes.setdefault(event.number, []).append(event.note)

    def _enter(self, trial: Trial) -> None:
        check_name(trial.task, self.plan.tasks, "task")
        check_name(trial.model, self.plan.models, "model")
        if trial.number != self.entered + 1:
            raise ValueError(
                f"trial number {trial.number} where {self.entered + 1} is due; lines are never removed, a trial that "
                "does not count is followed by an undo"
            )
        if trial.round > self.plan.trials:
            raise ValueError(f"round {trial.round} of {self.plan.trials} planned")
        for earlier in self.trials.values():
            if (earlier.task, earlier.model, earlier.round) == (trial.task, trial.model, trial.round):
                name = f"{trial.task}, {trial.model}, round {trial.round}"
                raise ValueError(f"{name} is done already, as trial number {earlier.number}")
        self.entered += 1
        self.trials[trial.number] = trial
        if trial.note:
            self.notes[trial.number] = [trial.note]
