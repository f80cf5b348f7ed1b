"""The lines of a trial sheet: the plan, then what happened, in order; a line is never changed once it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vla_rl_bench.errors import did_you_mean

TRIALS = 50  # a task and model: SimpleVLA-RL, section 5.3

Order = Literal["interleaved", "blocked"]
Outcome = Literal["success", "failure"]
T = TypeVar("T")


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line, without blanks around it")
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
Number = Annotated[int, Field(ge=1)]


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plan(_Event):
    """The first line: what is to be done.  Rows of the table are models, columns are tasks, in this order.

    trials: of each model on each task.  paired: the models' trials of one round belong together.  delta: pairs of
    models (minuend, subtrahend), a row of differences each.  seed: of the order, and of which model is A when blind.
    """

    event: Literal["plan"] = "plan"
    version: Literal[1] = 1
    title: Name = "Real robot"
    tasks: Annotated[tuple[Name, ...], Field(min_length=1)]
    models: Annotated[tuple[Name, ...], Field(min_length=1, max_length=26)]
    trials: Number = TRIALS
    order: Order = "interleaved"
    paired: bool = True
    delta: tuple[tuple[Name, Name], ...] = ()
    seed: Annotated[int, Field(ge=0)] = 0
    protocol: Annotated[str, AfterValidator(_printable)] = ""
    time: AwareDatetime

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        for what, names in (("task", self.tasks), ("model", self.models)):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{what} `{twice}` is there twice")
        for name in (name for pair in self.delta for name in pair):
            known_name(name, self.models, "model")
        if any(first == second for first, second in self.delta):
            raise ValueError("a model has no difference to itself")
        return self


class Trial(_Event):
    """One trial.  number: 1, 2, ... in the order of entry.  round: which of the planned trials of its task and model.

    blind: judged by somebody who was not shown the model's name.
    """

    event: Literal["trial"] = "trial"
    number: Number
    task: str
    model: str
    round: Number
    outcome: Outcome
    note: str = ""
    blind: bool = False
    time: AwareDatetime


class Undo(_Event):
    """Trial `number` does not count; its place is free again."""

    event: Literal["undo"] = "undo"
    number: Number
    time: AwareDatetime


class Note(_Event):
    """A remark on trial `number`."""

    event: Literal["note"] = "note"
    number: Number
    note: str
    time: AwareDatetime


Event = Plan | Trial | Undo | Note
_KINDS: dict[str, type[Event]] = {"plan": Plan, "trial": Trial, "undo": Undo, "note": Note}


def now() -> datetime:
    """To the second, with the zone of the place, so that a person reads the clock on the wall."""
    return datetime.now().astimezone().replace(microsecond=0)


def known_name(name: str, known: tuple[str, ...], what: str) -> str:
    """The name itself; ValueError where it is none of the plan's."""
    if name not in known:
        raise ValueError(f"no {what} `{name}` in the plan.{did_you_mean(name, known)}")
    return name


def event_line(event: Event) -> bytes:
    """One line of JSON, readable as it stands."""
    return (json.dumps(event.model_dump(mode="json"), ensure_ascii=False) + "\n").encode()


def parsed_event(line: str) -> Event:
    """ValueError, in one line, where it is none."""
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"not JSON: {' '.join(str(error).split())}") from None
    kind = value.get("event") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f'no "event" that a sheet has.{did_you_mean(str(kind), _KINDS)}')
    return checked(lambda: _KINDS[kind].model_validate_json(line))


def checked(make: Callable[[], T]) -> T:
    """What `make` returns; pydantic's complaint as a ValueError of one line: the key, and what is wrong with it."""
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}: {what}" if place else what) from None
