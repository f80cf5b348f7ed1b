"""``vla-rl-bench new``: write a plugin package to start from."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.errors import UserError, did_you_mean

TEMPLATES = Path(__file__).with_name("templates")
MAX_LENGTH = 24  # characters of a name; lines of code and rows of tables must hold it
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """A kind of plugin that `new` can write."""

    name: str
    listing: str  # the catalog's name of the kind
    description: str
    dependencies: tuple[str, ...]
    modules: tuple[str, ...]  # beside plugin.py; each has a template
    copied: Mapping[str, str] | None = None  # file in the package -> module of ours whose source it copies

    @property
    def files(self) -> dict[str, str]:
        """Path in the new folder (which may hold ``PACKAGE``) of each template."""
        common = {"common/pyproject.toml": "pyproject.toml", f"{self.name}/README.md": "README.md"}
        package = {f"{self.name}/{file}": f"PACKAGE/{file}" for file in ("plugin.py", *self.modules, "suite.yaml")}
        return common | package | {f"{self.name}/test_{self.name}.py": f"tests/test_{self.name}.py"}


_LIGHT = ("vla-rl-bench", "numpy>=1.26")
_TORCH = (*_LIGHT, "torch>=2.4")
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "environment",
            "environments",
            "An environment for vla-rl-bench.",
            _LIGHT,
            ("options.py", "environment.py"),
        ),
        Kind("policy", "policies", "A policy for vla-rl-bench.", _TORCH, ("options.py", "policy.py")),
        Kind("trick", "tricks", "A trick for vla-rl-bench.", ("vla-rl-bench",), ("trick.py",)),
        Kind(
            "algorithm",
            "algorithms",
            "An RL algorithm for vla-rl-bench.",
            _TORCH,
            (),
            {"algorithm.py": "vla_rl_bench.engine.grpo"},
        ),
    )
}


@dataclass(frozen=True)
class Names:
    """A plugin's name as a suite writes it (``my-robot``), and the names that follow from it."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > MAX_LENGTH:
            raise UserError(
                f"NAME: `{self.name}` is not lower-case words with hyphens between them, {MAX_LENGTH} characters at "
                "most, such as `my-robot`"
            )

    @property
    def identifier(self) -> str:
        """``my_robot``"""
        return self.name.replace("-", "_")

    @property
    def package(self) -> str:
        """``vla_rl_bench_my_robot``"""
        return f"vla_rl_bench_{self.identifier}"

    @property
    def distribution(self) -> str:
        """``vla-rl-bench-my-robot``; also the folder's name."""
        return f"vla-rl-bench-{self.name}"

    @property
    def type(self) -> str:
        """``MyRobot``"""
        return "".join(part[0].upper() + part[1:] for part in self.name.split("-"))


def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in suite files, such as `my-robot`.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to put it.")] = Path("."),
) -> None:
    """Write a plugin package to start from: complete, tested and runnable.

    Makes the folder vla-rl-bench-NAME with pyproject.toml, the hooks in plugin.py, one small working example of its
    kind, its tests, a suite that runs in a minute, and a README that says what to put where. Its tests pass as they
    are: replace a piece, and they say what is missing.

    \b
    vla-rl-bench new environment my-robot
    vla-rl-bench new policy my-vla --into ~/plugins
    vla-rl-bench new trick my-trick
    vla-rl-bench new algorithm my-grpo      a copy of the GRPO loop

    Then, in the new folder:

    \b
    pip install -e ".[test]"
    pytest
    vla-rl-bench run my-robot
    """
    if kind not in KINDS:
        raise UserError(f"KIND: cannot make a `{kind}`.{did_you_mean(kind, KINDS)}")
    names = Names(name)
    check_free(KINDS[kind], names, discover())
    folder = write(KINDS[kind], names, into)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        typer.echo(path)
    typer.echo(f"Next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest && vla-rl-bench run {name}")


def check_free(kind: Kind, names: Names, catalog: Catalog) -> None:
    """Raise UserError if an installed plugin has the name: two plugins that register one name cannot be used."""
    for listing in (kind.listing, "suites"):
        for registered in catalog.listing(listing):
            if registered.entry.name == names.name:
                owner = registered.plugin.distribution
                raise UserError(f"NAME: `{names.name}` is taken: {owner} registers it under {listing}. Choose another")


def render(kind: Kind, names: Names) -> dict[str, str]:
    """Render all files of the package, by path."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    variables = {
        "name": names.name,
        "identifier": names.identifier,
        "package": names.package,
        "distribution": names.distribution,
        "type": names.type,
        "description": kind.description,
        "dependencies": ", ".join(f'"{dependency}"' for dependency in kind.dependencies),
    }
    texts = {
        path.replace("PACKAGE", names.package): templates.get_template(f"{template}.j2").render(variables)
        for template, path in kind.files.items()
    }
    sources = {f"{names.package}/{file}": _source(module) for file, module in (kind.copied or {}).items()}
    return texts | sources | {f"{names.package}/__init__.py": ""}


def _source(module: str) -> str:
    """The source of one of our modules, which is not imported for it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def write(kind: Kind, names: Names, into: Path) -> Path:
    """Write the package completely or not at all; return its folder ``into/vla-rl-bench-NAME``."""
    folder = into / names.distribution
    if folder.exists():
        raise UserError(f"{folder}: exists already. Choose another NAME, or --into another folder")
    if into.exists() and not into.is_dir():
        raise UserError(f"--into: {into} is not a folder")
    try:
        into.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=into))
    except OSError as error:
        raise UserError(f"--into: {into} cannot be written to: {error.strerror}") from None
    try:
        for path, text in render(kind, names).items():
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder
