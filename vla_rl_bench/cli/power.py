"""``vla-rl-bench power``: how many starts and seeds a difference needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vla_rl_bench.cli.compare import ColumnOption, EvaluationOption, SamplingOption
from vla_rl_bench.errors import UserError

if TYPE_CHECKING:
    from vla_rl_bench.analysis.statistics.power import Design

SEEDS = (1, 2, 3, 5, 10)


def power(
    arms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN_OR_ARM",
            help="Two sides as in `compare`: their rates, discordance and seeds are taken from what they did.",
            show_default=False,
        ),
    ] = None,
    first: Annotated[
        float | None, typer.Option("--from", min=0, max=1, help="One arm's true rate, 0..1.", show_default=False)
    ] = None,
    second: Annotated[
        float | None, typer.Option("--to", min=0, max=1, help="The other arm's.", show_default=False)
    ] = None,
    starts: Annotated[int | None, typer.Option(min=2, help="As many starts.", show_default=False)] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="As many seeds an arm.", show_default=False)] = None,
    target: Annotated[
        float, typer.Option("--power", min=0.05, max=0.999, help="Probability of a significant result.")
    ] = 0.8,
    discordance: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of starts on which the arms differ; default: independent.", show_default=False
        ),
    ] = None,
    seed_deviation: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How much the difference varies between seeds, 0..1; 0.", show_default=False),
    ] = None,
    evaluation: EvaluationOption = None,
    sampling: SamplingOption = None,
    column: ColumnOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    out: Annotated[Path, typer.Option(help="Where runs are.")] = Path("runs"),
) -> None:
    """Print the number of starts and seeds needed to detect a difference between two success rates.

    Both arms play the same starts. With one seed the question is whether these two policies differ; with more, whether
    the recipes do.

    \b
    vla-rl-bench power --from 0.6 --to 0.7
    vla-rl-bench power --from 0.6 --to 0.7 --starts 200 --seeds 3 --seed-deviation 0.03
    vla-rl-bench power quickstart:sft quickstart:sft-rl --column object --from 0.9 --to 0.95
    """
    design = _design(arms or [], first, second, (evaluation, sampling, column), out)
    design = _changed(design, discordance, seed_deviation)
    answers = list(_answers(design, starts, seeds, target))
    if as_json:
        typer.echo(json.dumps({**_plain(design), "power": target, "answers": answers}, indent=1))
    else:
        typer.echo("\n".join(_lines(design, starts, seeds, target, answers)))


def _design(
    arms: Sequence[str],
    first: float | None,
    second: float | None,
    selection: tuple[str | None, str | None, str | None],
    out: Path,
) -> Design:
    from vla_rl_bench.analysis.statistics.power import Design, at_rates

    if arms:
        measured = _measured(arms, selection, out)
        rates = (measured.first if first is None else first, measured.second if second is None else second)
        design = measured if rates == (measured.first, measured.second) else at_rates(measured, *rates)
    elif first is None or second is None:
        raise UserError("which difference? Write --from 0.6 --to 0.7, or two sides as in `vla-rl-bench compare A B`")
    else:
        design = Design(first, second)
    if design.difference == 0:
        raise UserError("both rates are the same: there is no difference to detect. Write --from and --to")
    return design


def _measured(arms: Sequence[str], selection: tuple[str | None, str | None, str | None], out: Path) -> Design:
    from vla_rl_bench.analysis.align_runs import align_runs
    from vla_rl_bench.analysis.select_runs import select_arm
    from vla_rl_bench.analysis.statistics.power import design_from_results

    if len(arms) != 2:
        raise UserError(f"power takes two sides, as `vla-rl-bench compare A B` does; {len(arms)} given")
    aligned = align_runs(select_arm(arms[0], out), select_arm(arms[1], out), *selection)
    if len(aligned.columns) > 1:
        raise UserError(f"several columns; choose one with --column: {', '.join(aligned.columns)}")
    [(first, second)] = aligned.columns.values()
    if first.starts != second.starts:
        raise UserError(f"{arms[0]} and {arms[1]} played other starts; evaluate both alike")
    return design_from_results(first, second)


def _changed(design: Design, discordance: float | None, seed_deviation: float | None) -> Design:
    from dataclasses import replace

    from vla_rl_bench.analysis.statistics.power import discordance_bounds

    if seed_deviation is not None:
        design = replace(design, seed_deviation=seed_deviation)
    if discordance is None:
        return design
    least, most = discordance_bounds(design.first, design.second)
    if not least - 1e-9 <= discordance <= most + 1e-9:
        raise UserError(f"--discordance {discordance:g}: with these rates it is in {least:.3g}..{most:.3g}")
    return replace(design, discordance=discordance)


def _answers(design: Design, starts: int | None, seeds: int | None, target: float) -> Iterator[dict[str, Any]]:
    """Compute the number that is not given; with both given, the power."""
    from vla_rl_bench.analysis.statistics.power import power as power_of
    from vla_rl_bench.analysis.statistics.power import seeds_needed, starts_needed

    if starts is not None and seeds is not None:
        yield {"seeds": seeds, "starts": starts, "power": power_of(design, starts, seeds)}
    elif starts is not None:
        yield {"seeds": 1, "starts": starts, "power": power_of(design, starts, 1)}
        yield {"seeds": seeds_needed(design, starts, target), "starts": starts, "power": target}
    else:
        seeds_matter = design.seed_deviation > 0 or design.shared < 1  # otherwise every number of seeds gives the same
        for count in (seeds,) if seeds is not None else SEEDS if seeds_matter else (1,):
            yield {"seeds": count, "starts": starts_needed(design, count, target), "power": target}


def _lines(
    design: Design, starts: int | None, seeds: int | None, target: float, answers: Sequence[dict[str, Any]]
) -> Iterator[str]:
    from vla_rl_bench.analysis.statistics.intervals import points_text
    from vla_rl_bench.analysis.statistics.power import MOST_STARTS, seeds_needed

    independent = " (as for independent arms; arms that have the same starts hard need fewer)"
    yield (
        f"From {points_text(design.first)}% to {points_text(design.second)}%, paired by start; arms differ on "
        f"{points_text(design.discordant)}% of the starts{independent if design.discordance is None else ''}."
    )
    if design.seed_deviation == 0:
        yield "No variation between seeds is assumed; give --seed-deviation, or two arms with several seeds."
    else:
        yield (
            f"The difference varies by {points_text(design.seed_deviation)} points (standard deviation) between seeds; "
            f"{points_text(design.shared, 0)}% of the variance between starts is the same for every seed."
        )
    for answer in answers:
        yield _sentence(answer, given=starts is not None and seeds is not None)
    if starts is None and any(answer["starts"] is None for answer in answers):
        least = seeds_needed(design, MOST_STARTS, target)
        yield "No number of seeds is enough." if least is None else f"At least {least} seeds are needed."


def _sentence(answer: dict[str, Any], *, given: bool) -> str:
    """given: starts and seeds were both given, and the power is the answer."""
    from vla_rl_bench.analysis.statistics.intervals import points_text

    seeds, starts, power = answer["seeds"], answer["starts"], f"{points_text(answer['power'], 0)}%"
    if seeds is None:
        return f"{starts} starts: too few for power {power}, with any number of seeds."
    count = "1 seed" if seeds == 1 else f"{seeds} seeds"
    if starts is None:
        return f"{count}: too few for power {power}, with any number of starts."
    return f"{count}, {starts} starts: power {power}{' for these two policies' if seeds == 1 and not given else ''}."


def _plain(design: Design) -> dict[str, Any]:
    return {
        "from": design.first,
        "to": design.second,
        "discordance": design.discordant,
        "seed_deviation": design.seed_deviation,
        "shared": design.shared,
    }
