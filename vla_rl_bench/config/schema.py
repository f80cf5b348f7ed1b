"""Models of suite files.  Units and sources are beside each field; `load` turns YAML into these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Column = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]
IndexRange = Annotated[str, Field(pattern=r"^\d+-\d+$")]  # inclusive, as people write it: 0-29
Split = Literal["demonstration", "training", "held-out"]
GREEDY: Literal["greedy"] = "greedy"

# Every field of a recipe is part of a run's id, except those with one of these as `json_schema_extra`; see
# `vla_rl_bench.suite.plan.identity`.
NEVER: dict[str, JsonValue] = {"identity": "never"}  # changes memory, time, disk use, checks or plots, not the policy
UNLESS_DEFAULT: dict[str, JsonValue] = {"identity": "unless_default"}  # added when there were runs without it


class Strict(BaseModel):
    """Unknown keys are errors; values are not coerced from other types; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Named(BaseModel):
    """A plugin's entry by name; every other key is an option of that entry, checked against its dataclass."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: Name

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Starts(Strict):
    """Ranges of start indices, inclusive, in place of the environment's own split.  held-out may not overlap."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    demonstration: IndexRange | None = None
    training: IndexRange | None = None
    held_out: IndexRange | None = Field(default=None, alias="held-out")


class EnvironmentConfig(Named):
    """python: another interpreter for the workers of environments that run in processes of their own."""

    python: str | None = None
    starts: Starts = Starts()

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class StrategyConfig(Named):
    """A training strategy by name; options written alone are those of the default one."""

    name: Name = "single"


class DemonstrationsConfig(Strict):
    """per_task: demonstrations a task, made by the environment's expert from the demonstration starts.

    source: a file or folder of people's own demonstrations instead, in a format that the environment reads.
    unseen: also of the column's unseen tasks, for a policy that further training on the seen ones starts at
    (SimpleVLA-RL, section 5.2: the base of figure 5 knows all tasks from one trajectory each).
    """

    per_task: Annotated[int, Field(ge=0)]
    source: str | None = Field(default=None, json_schema_extra=UNLESS_DEFAULT)
    unseen: bool = Field(default=False, json_schema_extra=UNLESS_DEFAULT)


class CurveConfig(Strict):
    """Evaluation during training, for curves, on the first `per_task` starts of the evaluation's split.

    every: RL iterations, or SFT steps.
    """

    every: Positive
    per_task: Positive


class SftConfig(Strict):
    """Cross-entropy on the demonstrations' action tokens; AdamW, linear warm-up, cosine decay to 5%."""

    steps: Positive
    batch_size: Positive
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)] = 0.01  # torch's AdamW default, as in SimpleVLA-RL
    warmup: Annotated[int, Field(ge=0)] = 30
    grad_clip: Rate = 1.0
    proprio_noise: Annotated[float, Field(ge=0)] = 0.0  # standard deviation added to the proprioception
    checkpoint_every: Positive = Field(default=100, json_schema_extra=NEVER)
    # chunks in one forward; changes memory, not the result
    microbatch: Positive = Field(default=256, json_schema_extra=NEVER)
    curve: CurveConfig | None = Field(default=None, json_schema_extra=NEVER)


class RlConfig(Strict):
    """Reinforcement learning; the default algorithm is GRPO without critic and KL (SimpleVLA-RL, equation 11)."""

    algorithm: Name = Field(default="grpo", json_schema_extra=UNLESS_DEFAULT)
    iterations: Positive
    groups: Positive  # groups in a batch
    group_size: Annotated[int, Field(ge=2)]  # trajectories from one start; 8 in SimpleVLA-RL
    minibatch: Positive  # trajectories; 128 in SimpleVLA-RL
    learning_rate: Rate  # 5e-6 in SimpleVLA-RL, for 7B parameters
    advantage: Name
    objective: Name
    aggregate: Literal["trajectory-mean", "token-mean"]
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: Annotated[int, Field(ge=0)] = 0  # optimizer steps
    grad_clip: Rate = 1.0  # SimpleVLA-RL
    microbatch: Positive = 256  # chunks in one forward of the update; changes memory, not the result
    # instead: 1e9 bytes that the activations of a forward may take; measured
    microbatch_gb: Rate | None = Field(default=None, json_schema_extra=NEVER)
    # compare stored log-probs with those of the update's own forward, each iteration
    check_logprobs: bool = Field(default=False, json_schema_extra=NEVER)
    # begin groups that rejected ones will make necessary; the batch is the same
    overprovision: bool = Field(default=True, json_schema_extra=NEVER)
    # reuse surplus groups of over-provision in the next batch; batches then depend on timing
    reuse_surplus: bool = Field(default=False, json_schema_extra=UNLESS_DEFAULT)
    tricks: tuple[Named, ...] = ()
    curve: CurveConfig | None = Field(default=None, json_schema_extra=NEVER)
    checkpoint_every: Positive = Field(default=1, json_schema_extra=NEVER)


class ArmConfig(Strict):
    """A row of the table: a recipe.  `from` names the arm whose checkpoint this one starts at."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    name: Name
    title: str | None = None
    from_: Name | None = Field(default=None, alias="from")
    demonstrations: DemonstrationsConfig | None = None
    sft: SftConfig | None = None
    rl: RlConfig | None = None

    @model_validator(mode="after")
    def _stages(self) -> ArmConfig:
        if self.sft is None and self.rl is None and self.demonstrations is not None:
            raise ValueError("has demonstrations but no `sft` that learns from them")
        if self.sft is not None and self.demonstrations is None:
            raise ValueError("has `sft` but no `demonstrations`")
        if self.sft is not None and self.sft.curve is not None and self.rl is not None:
            raise ValueError("has `sft.curve` and `rl`; give the fine-tuning an arm of its own, and `from` to this one")
        return self


class TemperatureSampling(Strict):
    """Sampled evaluation.  rollouts: episodes a start."""

    temperature: Rate
    rollouts: Positive = 1


def _sampling_kind(given: Any) -> str:
    return GREEDY if isinstance(given, str) else "sampled"


# discriminated, so that an error names what was meant and not both branches
Sampling = Annotated[
    Annotated[Literal["greedy"], Tag("greedy")] | Annotated[TemperatureSampling, Tag("sampled")],
    Discriminator(_sampling_kind),
]


def sampling_name(sampling: Sampling) -> str:
    """``greedy``, or ``T=1.0``."""
    return GREEDY if isinstance(sampling, str) else f"T={sampling.temperature:g}"


class EvaluationConfig(Strict):
    """per_task: starts a task, the first of the split.  table: which sampling fills the table."""

    starts: Split = "held-out"
    per_task: Positive
    sampling: Annotated[tuple[Sampling, ...], Field(min_length=1)] = (GREEDY,)
    table: str = GREEDY

    @model_validator(mode="after")
    def _table(self) -> EvaluationConfig:
        known = [sampling_name(sampling) for sampling in self.sampling]
        if self.table not in known:
            raise ValueError(f"table: `{self.table}` is not among the samplings; write one of: {', '.join(known)}")
        return self


MAIN, UNSEEN = RESERVED = ("main", "unseen")  # names of evaluations that are not extra ones


def other_suite(pattern: str, suite: str) -> str:
    """``{column}_swap``, ``libero_goal`` -> ``libero_goal_swap``."""
    return pattern.replace("{column}", suite)


class ExtraEvaluation(EvaluationConfig):
    """One more evaluation of the final policies, under other environment options or on another task suite.

    It has its own table.  suite: ``{column}`` in it is the column's own task suite.
    """

    name: Name
    environment: dict[str, Any] = {}
    suite: str | None = None


class RuntimeConfig(Strict):
    """Settings of running.  With the defaults, none of them changes a number, and so no run's id.

    jobs: runs at the same time, each a process; auto: one a core for batched environments, else 1.
    workers: environment processes of a run; 0 for batched environments.  environments: episodes side by side in a
    worker, which steps one while the policy answers another.  slots: episodes side by side in a batched environment.
    threads: torch threads a run.
    deterministic: no number depends on timing or on `workers` and `environments`; false lets whichever observations are
    ready share a forward, and the bits of their log-probs depend on it.
    forward_rows: with worker processes and `deterministic`, every forward has so many rows, padded; a row's bits may
    depend on this number, but not on the other rows, which is checked.
    """

    jobs: Annotated[int, Field(gt=0)] | Literal["auto"] = "auto"
    workers: Annotated[int, Field(ge=0)] = 0
    environments: Positive = 1
    slots: Positive = 128
    threads: Positive = 1
    deterministic: bool = True
    forward_rows: Positive = 1


class TableConfig(Strict):
    """average: an Avg column.  delta: pairs of arms (minuend, subtrahend), a row of differences each.

    references: published numbers beside our rows, as ``tables --reference`` names them.
    """

    average: bool = True
    delta: tuple[tuple[Name, Name], ...] = ()
    references: tuple[str, ...] = ()


class Film(Strict):
    """The start whose episode is filmed before and after RL.

    environment: options under which it is filmed, where they differ (exact rendering, say).
    """

    column: Column
    task: Annotated[int, Field(ge=0)] | None = None  # None: chosen so that the first arm fails and the last succeeds
    start: Annotated[int, Field(ge=0)] | None = None
    environment: dict[str, Any] = {}


class AblateConfig(Strict):
    """Axes of ``vla-rl-bench ablate`` if its command line names none; nothing else reads them.

    axes: ``key=value,value,...``, as on the command line.  grid: every combination of the values, not one at a time.
    """

    axes: Annotated[tuple[str, ...], Field(min_length=1)]
    grid: bool = False


class Suite(Strict):
    """A file of arms x columns x seeds.

    tasks: a column's tasks by index.  unseen: those that are left out of demonstrations, RL and the main evaluation,
    and evaluated under the name ``unseen``.  task_suites: the environment's task suite, where a column
    has another name.  plugins: distribution -> the command that installs it; checked before all else.
    """

    name: Name
    title: str = ""
    plugins: dict[str, str] = {}
    environment: EnvironmentConfig
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    tasks: dict[Column, tuple[int, ...]] = {}  # all where it is not named
    unseen: dict[Column, tuple[int, ...]] = {}
    task_suites: dict[Column, Column] = {}
    policy: Named
    strategy: StrategyConfig = StrategyConfig()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    arms: Annotated[tuple[ArmConfig, ...], Field(min_length=1)]
    evaluation: EvaluationConfig
    extra_evaluations: tuple[ExtraEvaluation, ...] = ()
    trackers: tuple[Named, ...] = ()
    table: TableConfig = TableConfig()
    film: Film | None = None
    runtime: RuntimeConfig = RuntimeConfig()
    ablate: AblateConfig | None = None

    def task_suite(self, column: str) -> str:
        """The environment's task suite that a column stands for."""
        return self.task_suites.get(column, column)
