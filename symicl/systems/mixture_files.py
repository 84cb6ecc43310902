"""A Gaussian mixture from a file: the table [mixture].

::

    [mixture]
    covariance = [[2, "1/2"], ["1/2", 1]]
    means = [[[1, 0], [-1, 0]], [[0, 1], [0, -1]]]   # pairs (mu_+, mu_-), one a task
    weights = ["1/2", "1/2"]     # of the tasks; equal where left out
    prompt_length = 40           # or "inf"
    labels = "binomial"          # or "gaussian"
    start = [[0, 0], [0, 0]]     # of W; zero where left out

Every number is exact, a decimal being what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.systems.base import Array, System
from symicl.systems.gaussian_mixture import BINOMIAL, MixtureData, on_data
from symicl.systems.toml import check_keys, decimal_entry, exact_entry

TABLES = {"mixture": ("covariance", "means", "weights", "prompt_length", "labels", "start")}
REQUIRED = {"mixture": ("covariance", "means", "prompt_length")}
MAX_TASKS = 200


def read_mixture(path: Path, data: Mapping[str, Any]) -> System:
    """The mixture of the table [mixture]. Raises ``InputError`` naming the entry at fault."""
    check_keys(path, data, TABLES, REQUIRED)
    table, where = data["mixture"], f"{path}: mixture"
    covariance = _numbers(table["covariance"], 2, f"{where}.covariance")
    means = _numbers(table["means"], 3, f"{where}.means")
    if len(means) > MAX_TASKS:
        raise InputError(f"{len(means)} tasks", where=f"{where}.means", remedy=f"give at most {MAX_TASKS}")
    for number, pair in enumerate(means):
        if len(pair) != 2:
            raise InputError(
                f"{len(pair)} means where a pair is meant", where=f"{where}.means[{number}]", remedy="give [mu_+, mu_-]"
            )
    share = sp.Rational(1, len(means))
    weights = _numbers(table["weights"], 1, f"{where}.weights") if "weights" in table else (share,) * len(means)
    problem = MixtureData(
        covariance,
        means,
        weights,
        exact_entry(table["prompt_length"], f"{where}.prompt_length"),
        _numbers(table["start"], 2, f"{where}.start") if "start" in table else None,
        table.get("labels", BINOMIAL),
    )
    return on_data(problem, id=path.stem, title=f"the Gaussian mixture of {path.name}", where=where)


def _numbers(given: object, depth: int, where: str) -> Array:
    """Nested lists of exact numbers, none empty."""
    if not isinstance(given, list) or not given:
        raise InputError("not a list, or empty", where=where, remedy="write a list of numbers in brackets")
    if depth == 1:
        return tuple(decimal_entry(entry, f"{where}[{i}]") for i, entry in enumerate(given))
    return tuple(_numbers(entry, depth - 1, f"{where}[{i}]") for i, entry in enumerate(given))


__all__ = ["read_mixture"]
