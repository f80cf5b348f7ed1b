"""Run ids of the committed suite files.  ``python -m tests.guard.run_ids`` adds those of new files to run_ids.json."""

from __future__ import annotations

import json
from pathlib import Path

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.ablation import read_ablation
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.suite.plan import plan

SUITES = Path(__file__).parents[2] / "suites"
EXTENDED = {"paper/recipe.yaml"}  # no suites: files that suites extend
RECORD = Path(__file__).with_name("run_ids.json")


def recorded() -> dict[str, list[str]]:
    ids: dict[str, list[str]] = json.loads(RECORD.read_text())
    return ids


def planned(catalog: Catalog) -> dict[str, list[str]]:
    """The ids of every suite file, and of its ``ablate:`` block under ``FILE (ablate)``."""
    ids = {}
    for path in sorted(SUITES.rglob("*.yaml")):
        name = path.relative_to(SUITES).as_posix()
        if name in EXTENDED:
            continue
        suite = load_suite(path, [], catalog)
        ids[name] = [run.id for run in plan(suite, catalog)]
        if suite.ablate is not None:
            ids[f"{name} (ablate)"] = [run.id for run in plan(read_ablation(path, [], catalog), catalog)]
    return ids


if __name__ == "__main__":
    new = {name: ids for name, ids in planned(discover()).items() if name not in recorded()}
    RECORD.write_text(json.dumps(dict(sorted((recorded() | new).items())), indent=1) + "\n")
    print("Added:", ", ".join(new) or "nothing; ids that are recorded are never changed")
