"""``symicl doctor``: what symicl runs on here, and whether it works."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterator

import click

import symicl
from symicl.arithmetic import ARITHMETICS, Arithmetic
from symicl.commands.options import examples, json_option
from symicl.output import present, table

REQUIRED = ("sympy", "mpmath", "numpy", "python-flint", "click", "rich")
OPTIONAL = ("gmpy2", "hypothesis", "matplotlib", "z3-solver", "jax", "dask")
PROGRAMS = ("pdflatex", "coqc")
"""Found or not: typesetting checks and the proof kernel, both optional."""


@click.command("doctor", epilog=examples("symicl doctor --json"))
@json_option
def doctor_command(as_json: bool) -> int:
    """Show versions, check every type of number, and say which other programs are there."""
    versions: dict[str, str | None] = {"python": platform.python_version(), "symicl": symicl.__version__}
    versions |= {name: _version(name) for name in REQUIRED}
    optional = {name: _version(name) for name in OPTIONAL}
    backends = {name: _works(number_type) for name, number_type in ARITHMETICS.items()}
    programs = {name: shutil.which(name) for name in PROGRAMS}
    kernels = {"coq": programs["coqc"]}
    healthy = all(state == "ok" for state in backends.values()) and None not in versions.values()
    payload = {
        "versions": versions,
        "optional": optional,
        "backends": backends,
        "programs": programs,
        "kernels": kernels,
        "healthy": healthy,
    }

    def lines() -> Iterator[str]:
        yield from table([(name, version or "missing") for name, version in versions.items()])
        yield from table([(name, version or "not installed (optional)") for name, version in optional.items()])
        yield from table([(f"numbers: {name}", state) for name, state in backends.items()])
        yield from table([(name, path or "not found (optional)") for name, path in programs.items()])

    present(payload, as_json, lines)
    return 0 if healthy else 3


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _works(number_type: Arithmetic) -> str:
    """``ok``, or what is wrong: a square root, the exponential at zero, and a comparison that rounding could spoil."""
    checks: dict[str, Callable[[], bool]] = {
        "sqrt(4) = 2": lambda: abs(number_type.to_float(number_type.sqrt(number_type.number(4))) - 2) < 1e-12,
        "exp(0) = 1": lambda: abs(number_type.to_float(number_type.exp(number_type.number(0))) - 1) < 1e-12,
        "1/3 < 1": lambda: number_type.less(number_type.number(1) / number_type.number(3), number_type.number(1)),
    }
    try:
        with number_type.working(30):
            wrong = [name for name, holds in checks.items() if not holds()]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok" if not wrong else f"fails {', '.join(wrong)}"
