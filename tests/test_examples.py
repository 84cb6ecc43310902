"""Every example runs as a user would run it, asserts what it shows, and uses public names only."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import symicl

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("bench_*.py"))


def run(path: Path) -> subprocess.CompletedProcess[str]:
    """The script in a fresh interpreter in which a warning is an error."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-W", "error", str(path)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything a script imports from symicl."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "symicl":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "symicl")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_its_assertions_hold(path: Path) -> None:
    """A script ends well, prints something, and would fail if what it shows were false."""
    done = run(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", [*EXAMPLES, *BENCHMARKS], ids=lambda path: path.stem)
def test_a_script_imports_public_names_only(path: Path) -> None:
    """What is taken from ``symicl`` is in its ``__all__``; no part of a dotted name starts with an underscore."""
    found = list(imports(path))
    assert found
    private = [name for pair in found for name in pair if any(part.startswith("_") for part in name.split("."))]
    unknown = [name for module, name in found if module == "symicl" and name not in symicl.__all__]
    assert (private, unknown) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_runs(path: Path) -> None:
    """The benchmark prints its tables; how long things take is not tested."""
    done = run(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| --- |") >= 1
