"""Tricks and trackers of one run, called through pluggy.

Only the ones that the suite names are registered, in its order; a later trick's wrapper goes around earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, TypeVar

import pluggy
from torch import Tensor

from vla_rl_bench import events, hookspecs, plugins
from vla_rl_bench.errors import PluginError
from vla_rl_bench.types import ClipRange, Group, SamplingParams

_T = TypeVar("_T")

Event = (
    events.RunStart
    | events.GroupEnd
    | events.RolloutEnd
    | events.UpdateEnd
    | events.EvaluationEnd
    | events.CheckpointSaved
    | events.RunEnd
)
_HOOKS: dict[type, str] = {
    events.RunStart: "on_run_start",
    events.GroupEnd: "on_group_end",
    events.RolloutEnd: "on_rollout_end",
    events.UpdateEnd: "on_update_end",
    events.EvaluationEnd: "on_eval_end",
    events.CheckpointSaved: "on_checkpoint",
    events.RunEnd: "on_run_end",
}


class _Defaults:
    """Default owner of every value hook, so wrappers always have something to wrap."""

    estimator: Callable[[Tensor], Tensor]

    @hookspecs.hookimpl(trylast=True)
    def sampling_params(self, default: SamplingParams) -> SamplingParams:
        return default

    @hookspecs.hookimpl(trylast=True)
    def draw_limit(self, default: float) -> float:
        return default

    @hookspecs.hookimpl(trylast=True)
    def advantages(self, returns: Tensor) -> Tensor:
        return self.estimator(returns)

    @hookspecs.hookimpl(trylast=True)
    def clip_range(self, default: ClipRange) -> ClipRange:
        return default


class RunHooks:
    """The hooks that the training loop calls; evaluation calls only `notify`.

    observer_errors: one line for each exception that an observer raised.
    """

    def __init__(self, tricks: Sequence[object], trackers: Sequence[object] = ()) -> None:
        self.observer_errors: list[str] = []
        self._defaults = _Defaults()
        _check_single_owners(tricks)
        self._manager = plugins.engine_manager()
        self._manager.register(self._defaults)
        for number, participant in enumerate((*tricks, *trackers)):
            self._register(participant, f"{number} {_name(participant)}", observer=number >= len(tricks))

    def _register(self, participant: object, name: str, *, observer: bool) -> None:
        try:
            plugins.check_participant(_name(participant), participant, observer=observer)
            self._manager.register(participant, name)
        except (plugins.WrongRecord, pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(" ".join(str(error).split())) from error

    # -- values

    def sampling_params(self, iteration: int, default: SamplingParams) -> SamplingParams:
        params = self._manager.hook.sampling_params(iteration=iteration, default=default)
        return _expect("sampling_params", params, SamplingParams)

    def draw_limit(self, iteration: int, default: float) -> float:
        return float(self._manager.hook.draw_limit(iteration=iteration, default=default))

    def clip_range(self, iteration: int, default: ClipRange) -> ClipRange:
        clip = self._manager.hook.clip_range(iteration=iteration, default=default)
        return _expect("clip_range", clip, ClipRange)

    def keep_group(self, group: Group) -> bool:
        """True when every trick that has an opinion agrees."""
        return all(self._manager.hook.keep_group(group=group))

    def advantages(self, returns: Tensor, default_fn: Callable[[Tensor], Tensor]) -> Tensor:
        """Compute advantages of returns, both float ``[groups, rollouts]``; `default_fn` is the suite's estimator."""
        self._defaults.estimator = default_fn
        advantages = _expect("advantages", self._manager.hook.advantages(returns=returns), Tensor)
        if advantages.shape != returns.shape:
            raise PluginError(f"advantages: expected shape {tuple(returns.shape)}, got {tuple(advantages.shape)}")
        return advantages

    def loss_terms(self, logprobs: Tensor, entropy: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """All tricks' named terms, each a scalar; the arguments are ``[chunks, K*D]``."""
        answers = self._manager.hook.loss_terms(logprobs=logprobs, entropy=entropy, mask=mask)
        terms: dict[str, Tensor] = {}
        for answer in reversed(answers):  # pluggy answers last registered first
            for key, term in answer.items():
                if key in terms:
                    raise PluginError(self._two_terms(key, logprobs, entropy, mask))
                terms[key] = term
        return terms

    def _two_terms(self, key: str, logprobs: Tensor, entropy: Tensor, mask: Tensor) -> str:
        arguments = {"logprobs": logprobs, "entropy": entropy, "mask": mask}
        owners = [
            _name(implementation.plugin)
            for implementation in self._manager.hook.loss_terms.get_hookimpls()
            if not plugins.wraps(implementation) and key in (_call(implementation, arguments) or {})
        ]
        return f"loss_terms: `{key}` comes from {' and '.join(owners)}. Remove one of them from rl.tricks."

    # -- observers

    def notify(self, event: Event) -> list[str]:
        """Notify every observer, in the suite's order; return the errors that they raised, one line each."""
        hook = _HOOKS[type(event)]
        raised = []
        for observer in getattr(self._manager.hook, hook).get_hookimpls():
            try:
                _call(observer, {"event": event})
            except Exception as error:  # an observer must not end a run of hours
                raised.append(f"{_name(observer.plugin)}.{hook}: {plugins.one_line(error)}")
        self.observer_errors += raised
        return raised


def _check_single_owners(tricks: Sequence[object]) -> None:
    owned = [(_name(trick), set(plugins.owned_hooks(trick))) for trick in tricks]
    for (first, first_hooks), (second, second_hooks) in combinations(owned, 2):
        for hook in plugins.VALUE_HOOKS:
            if hook in first_hooks & second_hooks:
                raise PluginError(f"{hook}: both {first} and {second} own it. Remove one of them from rl.tricks.")


def _call(implementation: pluggy.HookImpl, arguments: dict[str, Any]) -> Any:
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def _name(participant: object) -> str:
    return type(participant).__qualname__


def _expect(hook: str, answer: object, expected: type[_T]) -> _T:
    if not isinstance(answer, expected):
        raise PluginError(f"{hook}: expected {expected.__name__}, got {type(answer).__name__}")
    return answer
