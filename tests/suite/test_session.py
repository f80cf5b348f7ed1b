"""A session opens the environment and the policy of a run, planned or recorded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import read_json, write_json
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.scheduler import film
from vla_rl_bench.suite.plan import plan
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.suite.session import open_recorded, open_session
from vla_rl_bench.types import Start

SMALL = Path(__file__).parent / "small.yaml"
CHANGES = ["arms.sft.sft.steps=1", "environment.jitter=0.02", "environment.starts.training=0-29", "rl.iterations=1"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.fixture(scope="module")
def _folder(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suite = load_suite(SMALL, CHANGES, catalog)
    return run_suite(suite, catalog, tmp_path_factory.mktemp("runs") / "small", jobs=1, limit=1)


@pytest.fixture
def run(_folder: Path, tmp_path: Path) -> Path:
    """The folder of the run with RL, in a copy of its suite's folder."""
    folder = shutil.copytree(_folder, tmp_path / "small")
    return next(Path(folder).glob("runs/sft-rl-*"))


def test_open_session_opens_the_environment_once_and_closes_it(catalog: Catalog) -> None:
    suite = load_suite(SMALL, [], catalog)
    with open_session(suite, plan(suite, catalog)[0], catalog) as session:
        pool = session.pool()
        assert session.pool() is pool
        assert session.spec == pool.contract
        assert session.pool({"friction": True}) is not pool
    assert session.pool() is not pool
    session.close()


def test_open_recorded_opens_the_recorded_environment_and_policy(catalog: Catalog, run: Path) -> None:
    record = read_json(run / "run.json")
    with open_recorded(run, catalog) as session:
        assert session.run.recipe == record["recipe"]
        assert session.environment_options().jitter == 0.02
        assert session.suite.environment.starts.training == "0-29"
        assert session.pool().slots == 1
        policy = session.trained_policy
        assert policy is not None
        assert film(session.pool(), Actor(policy, None), Start(0, 0))


def test_open_recorded_prefers_the_runs_own_record_to_an_edited_suite(catalog: Catalog, run: Path) -> None:
    path = run.parents[1] / "suite.json"
    suite = read_json(path)
    suite["runs"], suite["columns"] = [], ["goal"]
    suite["environment"]["jitter"], suite["policy"]["heads"] = 0.05, 1
    write_json(path, suite)
    with open_recorded(run, catalog) as session:
        assert session.spec.suite == "object"
        assert session.environment_options().jitter == 0.02
        assert session.suite.policy.options["heads"] == 2


def test_open_recorded_works_on_a_folder_with_another_name(catalog: Catalog, run: Path) -> None:
    renamed = run.rename(run.with_name("best"))
    with open_recorded(renamed, catalog) as session:
        assert session.folder.policy_path == renamed / "policy.safetensors"
        session.load_weights(session.new_policy())


def test_open_recorded_raises_without_records(catalog: Catalog, run: Path) -> None:
    with pytest.raises(UserError, match="no run is here; give a folder like runs/<suite>/runs/<id>"):
        open_recorded(run.parents[1], catalog)
    (run.parents[1] / "suite.json").unlink()
    with pytest.raises(UserError, match=r"its suite's record, .*suite\.json, is missing"):
        open_recorded(run, catalog)
