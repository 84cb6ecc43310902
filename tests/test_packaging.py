"""What the project says about itself agrees with itself, and the import contracts hold."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import symicl

ROOT = Path(__file__).resolve().parent.parent
PINNED_EXTRAS = ("testing", "plots", "dev")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    split = (line.split("==") for line in constraint_lines())
    return {canonicalize_name(name): version for name, version in split}


def direct_requirements() -> list[Requirement]:
    """What building, using and developing symicl asks for by name; symicl's own extras are left out."""
    project = pyproject()["project"]
    lines = [*pyproject()["build-system"]["requires"], *project["dependencies"]]
    for extra in PINNED_EXTRAS:
        lines += project["optional-dependencies"][extra]
    return [r for r in map(Requirement, lines) if r.name != "symicl"]


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Names of the distributions reached from ``requirements`` through the metadata of what is installed here."""
    reached: set[tuple[str, str]] = set()
    todo = [(r.name, extra) for r in requirements for extra in ("", *r.extras)]
    while todo:
        name, extra = todo.pop()
        key = (canonicalize_name(name), extra)
        if key in reached:
            continue
        reached.add(key)
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # hatchling lives in the build's environment only
            continue
        for r in map(Requirement, requires):
            if r.marker is None or r.marker.evaluate({"extra": extra}):
                todo += [(r.name, e) for e in ("", *r.extras)]
    return {name for name, _ in reached}


def test_a_constraint_is_a_name_and_one_version() -> None:
    """Nothing in constraints.txt but ``name==version``: no address, no option, no range; no package twice."""
    odd = [line for line in constraint_lines() if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)]
    assert odd == []
    assert len(pins()) == len(constraint_lines())


def test_every_direct_requirement_is_pinned_within_its_range() -> None:
    """The pinned version of each requirement is one that pyproject.toml allows."""
    pinned = pins()
    wrong = {
        str(r): pinned.get(canonicalize_name(r.name))
        for r in direct_requirements()
        if (version := pinned.get(canonicalize_name(r.name))) is None or not r.specifier.contains(version)
    }
    assert wrong == {}


def test_what_the_requirements_require_is_pinned_too() -> None:
    """An installation from the constraints leaves no version to chance."""
    assert closure(direct_requirements()) - pins().keys() == set()


def test_versions_agree() -> None:
    """``symicl.__version__`` is the version in pyproject.toml."""
    if not hasattr(symicl, "__version__"):
        pytest.skip("symicl does not say its version")
    assert symicl.__version__ == pyproject()["project"]["version"]


def test_entry_points_name_modules_that_exist() -> None:
    """A script or plugin named in pyproject.toml is a file of the package."""
    project = pyproject()["project"]
    targets = [*project["scripts"].values()]
    for group in project.get("entry-points", {}).values():
        targets += group.values()
    missing = [t for t in targets if not (ROOT / (t.partition(":")[0].replace(".", "/") + ".py")).is_file()]
    assert missing == []


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [command, "--no-cache"], cwd=tree, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_import_contracts_hold() -> None:
    """No module of symicl imports one that comes after it; the oracle imports next to nothing."""
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("derive", "systems.softmax", True),
        ("simulate.__init__", "simulate.attention", True),
        ("simulate.attention", "errors", True),
        ("simulate.attention", "systems.softmax", True),
        ("simulate.model_of_tomorrow", "simulate.attention", True),
        ("simulate.model_of_tomorrow", "simulate.__init__", True),
        ("claims.checkers.ball", "simulate.attention", True),
        ("errors", "grammar", False),
        ("systems.softmax", "derive", False),
        ("derive", "reduce", False),
        ("reduce", "simulate.__init__", False),
        ("reduce", "simulate.attention", False),
        ("simulate.__init__", "derive", False),
        ("simulate.__init__", "module_of_tomorrow", False),
        ("simulate.attention", "derive", False),
        ("simulate.attention", "arithmetic.ball", False),
        ("simulate.attention", "__init__", False),
        ("simulate.attention", "module_of_tomorrow", False),
        ("simulate.model_of_tomorrow", "derive", False),
        ("simulate.models.of_tomorrow", "attention", False),
        ("cli", "pytest_plugin", False),
    ],
)
def test_import_contracts_can_fail(tmp_path: Path, importer: str, imported: str, allowed: bool) -> None:
    """The contracts tell a permitted import from a forbidden one, so passing them means something."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module in ("__init__", "errors", "simulate/__init__", *(m.replace(".", "/") for m in (importer, imported))):
        path = tmp_path / "symicl" / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for package in path.relative_to(tmp_path).parents[:-1]:
            (tmp_path / package / "__init__.py").touch()
    source = tmp_path / "symicl" / f"{importer.replace('.', '/')}.py"
    name = f"symicl.{imported}".removesuffix(".__init__")
    source.write_text(f"import {name}\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode == (0 if allowed else 1), done.stdout + done.stderr
    broken = f"symicl.{importer} ".replace(".__init__ ", " ") + f"-> {name} "
    assert allowed or broken in done.stdout, "it failed for another reason:\n" + done.stdout
