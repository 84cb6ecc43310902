"""A system described by a TOML file: structured features, or a softmax regression (see ``regression_files``).

::

    [features]
    probabilities = ["2/5", "3/10", "1/5", "1/10"]
    prompt_length = 6            # or "inf"
    gram = "orthonormal"         # or a matrix: the inner products of the features
    [task]
    kernel = "linear"            # the second moments of the task are the inner products; or "identity"; or a matrix

Every number of features is exact: an integer, or text such as "3/10" or "0.3"; never a TOML float.
"""

from __future__ import annotations

from pathlib import Path

import sympy as sp

from symicl.errors import InputError
from symicl.systems.base import System
from symicl.systems.classification_files import read_classification
from symicl.systems.matrices import Rows, checked
from symicl.systems.mixture_files import read_mixture
from symicl.systems.regression_files import read_regression
from symicl.systems.structured_features import from_probabilities
from symicl.systems.toml import check_keys, exact_entry, parse

TABLES = {"features": ("probabilities", "prompt_length", "gram"), "task": ("kernel",)}
REQUIRED = {"features": ("probabilities", "prompt_length"), "task": ()}
NAMED = {"gram": ("orthonormal",), "kernel": ("linear", "identity")}

MAX_FEATURES = 10_000


def read_system(path: Path) -> System:
    """The system a file describes: the population of its features, a softmax regression or a classification.

    Raises ``InputError`` naming the file and the entry at fault.
    """
    data = parse(path)
    if "regression" in data:
        return read_regression(path, data)
    if "mixture" in data:
        return read_mixture(path, data)
    if "classification" in data:
        return read_classification(path, data)
    check_keys(path, data, TABLES, REQUIRED)
    features = data["features"]
    probabilities = _probabilities(path, features["probabilities"])
    length = _prompt_length(path, features["prompt_length"])
    size = len(probabilities)
    gram = _matrix(path, "features.gram", features.get("gram", "orthonormal"), size)
    chosen = data["task"].get("kernel", "linear")
    kernel = _matrix(path, "task.kernel", chosen, size)
    if chosen == "identity" and gram is not None:
        kernel = _identity(size)
    title = f"the system of {path.name}"
    return from_probabilities(probabilities, length, gram=gram, kernel=kernel, id=path.stem, title=title)


def _probabilities(path: Path, given: object) -> list[sp.Rational]:
    where = f"{path}: features.probabilities"
    if not isinstance(given, list):
        raise InputError("not a list", where=where, remedy='write probabilities = ["2/5", "3/5"]')
    if not 2 <= len(given) <= MAX_FEATURES:
        remedy = f"give one probability for each of 2 to {MAX_FEATURES} features"
        raise InputError(f"{len(given)} features", where=where, remedy=remedy)
    values = [exact_entry(entry, f"{where}[{position}]") for position, entry in enumerate(given)]
    for position, value in enumerate(values):
        if not (value.is_Rational and value > 0):
            raise InputError(
                f"the probability is {value}", where=f"{where}[{position}]", remedy="give a number greater than 0"
            )
    total = sp.Add(*values)
    if total != 1:
        raise InputError(f"the probabilities sum to {total}, not 1", where=where, remedy="make them sum to 1 exactly")
    return values


def _prompt_length(path: Path, given: object) -> sp.Expr:
    where = f"{path}: features.prompt_length"
    value = exact_entry(given, where)
    if value is sp.oo or (value.is_Integer and value >= 1):
        return value
    raise InputError(f"the prompt length is {value}", where=where, remedy='give an integer >= 1, or "inf"')


def _matrix(path: Path, entry: str, given: object, size: int) -> Rows | None:
    """The matrix of an entry, None for a named choice. Raises ``InputError`` naming the entry or the eigenvalue."""
    where = f"{path}: {entry}"
    names = NAMED[entry.partition(".")[2]]
    choices = " or ".join(f'"{name}"' for name in names)
    if isinstance(given, str):
        if given not in names:
            raise InputError(f"unknown choice {given!r}", where=where, remedy=f"write {choices}, or a matrix")
        return None
    given_rows = given if isinstance(given, list) else []
    if len(given_rows) != size or not all(isinstance(row, list) and len(row) == size for row in given_rows):
        raise InputError(
            "not a square matrix over the features", where=where, remedy=f"write {choices}, or {size} rows of {size}"
        )
    rows = [[exact_entry(x, f"{where}[{m}][{n}]") for n, x in enumerate(row)] for m, row in enumerate(given_rows)]
    return checked(rows, size, where)


def _identity(size: int) -> Rows:
    return tuple(tuple(sp.Integer(int(m == n)) for n in range(size)) for m in range(size))
