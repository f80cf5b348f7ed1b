"""docs/reference/suite-file.md names every key of the schema, and no other, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from vla_rl_bench.config import schema

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "suite-file.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "Suite": schema.Suite,
    "Environment": schema.EnvironmentConfig,
    "Starts": schema.Starts,
    "Arm": schema.ArmConfig,
    "Demonstrations": schema.DemonstrationsConfig,
    "SFT": schema.SftConfig,
    "RL": schema.RlConfig,
    "Curve": schema.CurveConfig,
    "Evaluation": schema.EvaluationConfig,
    "Extra evaluation": schema.ExtraEvaluation,
    "Table": schema.TableConfig,
    "Film": schema.Film,
    "Runtime": schema.RuntimeConfig,
    "Ablate": schema.AblateConfig,
}


def rows(section: str) -> dict[str, str]:
    """Key -> what the page gives as its default."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    assert text is not None, section
    return dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]*?) ?\|$", text[1], re.M))


def test_the_page_has_a_section_for_every_model() -> None:
    assert re.findall(r"^## (.+)$", PAGE.read_text(), re.M) == list(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_names_every_key_and_says_which_are_needed(section: str) -> None:
    fields = {field.alias or name: field for name, field in SECTIONS[section].model_fields.items()}
    if section == "Extra evaluation":
        fields = {name: field for name, field in fields.items() if name not in schema.EvaluationConfig.model_fields}
    page = rows(section)
    assert list(page) == list(fields)
    assert {name for name, default in page.items() if default == "needed"} == {
        name for name, field in fields.items() if field.is_required()
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_the_numbers_given_as_defaults_are_the_defaults(section: str) -> None:
    fields = {field.alias or name: field for name, field in SECTIONS[section].model_fields.items()}
    numbers = {name: float(value) for name, value in rows(section).items() if re.fullmatch(r"[\d.]+", value)}
    assert numbers == {name: float(fields[name].default) for name in numbers}


def test_the_example_is_a_suite() -> None:
    example = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert example is not None
    plain = YAML(typ="safe").load(example[1])
    assert [arm.name for arm in schema.Suite.model_validate(plain, strict=False).arms] == ["sft", "sft-rl"]
