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
        float | None, typer.Option("--to", min=0, max=1, help="The other's, to be told from it.", show_default=False)
    ] = None,
    starts: Annotated[int | None, typer.Option(min=2, help="As many starts.", show_default=False)] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="As many seeds an arm.", show_default=False)] = None,
    wanted: Annotated[
        float, typer.Option("--power", min=0.05, max=0.999, help="How sure one wants to be to see it.")
    ] = 0.8,
    discordance: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of starts on which the arms differ; default: independent.", show_default=False
        ),
    ] = None,
    seed_deviation: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How far the difference moves with the seed, 0..1; 0.", show_default=False),
    ] = None,
    evaluation: EvaluationOption = None,
    sampling: SamplingOption = None,
    column: ColumnOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    out: Annotated[Path, typer.Option(help="Where runs are.")] = Path("runs"),
) -> None:
    """Say how many starts and seeds it takes to tell one success rate from another.

    Both arms play the same starts. With one seed the question is whether these two policies differ; with more, whether
    the recipes do.

    \b
    vla-rl-bench power --from 0.6 --to 0.7
    vla-rl-bench power --from 0.6 --to 0.7 --starts 200 --seeds 3 --seed-deviation 0.03
    vla-rl-bench power quickstart:sft quickstart:sft-rl --column object --from 0.9 --to 0.95
    """
    design = _design(arms or [], first, second, (evaluation, sampling, column), out)
    design = _changed(design, discordance, seed_deviation)
    answers = list(_answers(design, starts, seeds, wanted))
    if as_json:
        typer.echo(json.dumps({**_plain(design), "power": wanted, "answers": answers}, indent=1))
    else:
        typer.echo("\n".join(_lines(design, starts, seeds, wanted, answers)))


def _design(
    arms: Sequence[str],
    first: float | None,
    second: float | None,
    chosen: tuple[str | None, str | None, str | None],
    out: Path,
) -> Design:
    from vla_rl_bench.analysis.statistics.power import Design, moved

    if arms:
        seen = _observed(arms, chosen, out)
        here = seen.first if first is None else first
        there = seen.second if second is None else second
        design = seen if (here, there) == (seen.first, seen.second) else moved(seen, here, there)
    elif first is None or second is None:
        raise UserError("which difference? Write --from 0.6 --to 0.7, or two sides as in `vla-rl-bench compare A B`")
    else:
        design = Design(first, second)
    if design.difference == 0:
        raise UserError("both rates are the same; no number of starts tells them apart. Write --from and --to")
    return design


def _observed(arms: Sequence[str], chosen: tuple[str | None, str | None, str | None], out: Path) -> Design:
    from vla_rl_bench.analysis.match import match
    from vla_rl_bench.analysis.statistics.power import observed
    from vla_rl_bench.cli.naming import named_side

    if len(arms) != 2:
        raise UserError(f"power takes two sides, as `vla-rl-bench compare A B` does; {len(arms)} given")
    found = match(named_side(arms[0], out), named_side(arms[1], out), *chosen)
    if len(found.columns) > 1:
        raise UserError(f"several columns; choose one with --column: {', '.join(found.names)}")
    _, one, other = found.columns[0]
    if one.starts != other.starts:
        raise UserError(f"{arms[0]} and {arms[1]} played other starts; evaluate both alike to learn their discordance")
    return observed(one, other)


def _changed(design: Design, discordance: float | None, seed_deviation: float | None) -> Design:
    from dataclasses import replace

    from vla_rl_bench.analysis.statistics.power import allowed

    if seed_deviation is not None:
        design = replace(design, seed_deviation=seed_deviation)
    if discordance is None:
        return design
    least, most = allowed(design.first, design.second)
    if not least - 1e-9 <= discordance <= most + 1e-9:
        raise UserError(f"--discordance {discordance:g}: with these rates it lies in {least:.3g}..{most:.3g}")
    return replace(design, discordance=discordance)


def _answers(design: Design, starts: int | None, seeds: int | None, wanted: float) -> Iterator[dict[str, Any]]:
    """What is not given is sought; with both given, the power."""
    from vla_rl_bench.analysis.statistics.power import power as power_of
    from vla_rl_bench.analysis.statistics.power import seeds_needed, starts_needed

    if starts is not None and seeds is not None:
        yield {"seeds": seeds, "starts": starts, "power": power_of(design, starts, seeds)}
    elif starts is not None:
        yield {"seeds": 1, "starts": starts, "power": power_of(design, starts, 1)}
        yield {"seeds": seeds_needed(design, starts, wanted), "starts": starts, "power": wanted}
    else:
        told = design.seed_deviation > 0 or design.shared < 1  # otherwise every number of seeds gives the same
        for count in (seeds,) if seeds is not None else SEEDS if told else (1,):
            yield {"seeds": count, "starts": starts_needed(design, count, wanted), "power": wanted}


def _lines(
    design: Design, starts: int | None, seeds: int | None, wanted: float, answers: Sequence[dict[str, Any]]
) -> Iterator[str]:
    from vla_rl_bench.analysis.statistics.power import MOST_STARTS, seeds_needed

    yield (
        f"From {100 * design.first:.1f}% to {100 * design.second:.1f}%, paired by start; arms differ on "
        f"{100 * design.discordant:.1f}% of the starts{_source(design)}."
    )
    yield _seed_words(design)
    for answer in answers:
        yield _sentence(answer, given=starts is not None, chosen=seeds is not None)
    if starts is None and any(answer["starts"] is None for answer in answers):
        least = seeds_needed(design, MOST_STARTS, wanted)
        yield "No number of seeds does." if least is None else f"It takes {least} seeds at least."


def _source(design: Design) -> str:
    return " (as independent arms would; arms that find the same starts hard need fewer)" * (design.discordance is None)


def _seed_words(design: Design) -> str:
    if design.seed_deviation == 0:
        return "Seeds are taken to change nothing; give --seed-deviation, or two arms with several seeds."
    shared = f"{100 * design.shared:.0f}% of the variance between starts is the same for every seed."
    return (
        f"The difference moves by {100 * design.seed_deviation:.1f} points (standard deviation) with the seed; {shared}"
    )


def _sentence(answer: dict[str, Any], *, given: bool, chosen: bool) -> str:
    seeds, starts, power = answer["seeds"], answer["starts"], f"{100 * answer['power']:.0f}%"
    if given and chosen:
        return f"{_seeds(seeds)}, {starts} starts: power {power}."
    if given and seeds == 1:
        return f"{_seeds(1)}, {starts} starts: power {power} for these two policies."
    if seeds is None:
        return f"{starts} starts: too few for power {power}, with any number of seeds."
    if starts is None:
        return f"{_seeds(seeds)}: too few for power {power}, with any number of starts."
    about = " for these two policies" if seeds == 1 else ""
    return f"{_seeds(seeds)}, {starts} starts: power {power}{about}."


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _plain(design: Design) -> dict[str, Any]:
    return {
        "from": design.first,
        "to": design.second,
        "discordance": design.discordant,
        "seed_deviation": design.seed_deviation,
        "shared": design.shared,
    }
