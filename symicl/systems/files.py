"""A structured-feature system described by a TOML file.

::

    [features]
    probabilities = ["2/5", "3/10", "1/5", "1/10"]
    prompt_length = 6            # or "inf"
    gram = "orthonormal"
    [task]
    kernel = "linear"            # or "identity", the same thing for orthonormal features

Every number is exact: an integer, or text such as "3/10" or "0.3"; never a TOML float.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.grammar import exact
from symicl.systems.base import System
from symicl.systems.structured_features import from_probabilities

TABLES = {"features": ("probabilities", "prompt_length", "gram"), "task": ("kernel",)}
REQUIRED = {"features": ("probabilities", "prompt_length"), "task": ()}
NAMED = {"gram": ("orthonormal",), "kernel": ("linear", "identity")}

MAX_BYTES = 2**20
MAX_FEATURES = 10_000


def read_system(path: Path) -> System:
    """The whole-population system a file describes. Raises ``InputError`` naming the file and the entry at fault."""
    data = _parse(path)
    _check_keys(path, data)
    features = data["features"]
    probabilities = _probabilities(path, features["probabilities"])
    length = _prompt_length(path, features["prompt_length"])
    _check_identity(path, "features.gram", features.get("gram", "orthonormal"), len(probabilities))
    _check_identity(path, "task.kernel", data["task"].get("kernel", "linear"), len(probabilities))
    return from_probabilities(probabilities, length, id=path.stem, title=f"the system of {path.name}")


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        remedy = "name a TOML file, or a system of `symicl list`"
        raise InputError(f"cannot read: {error.strerror}", where=str(path), remedy=remedy) from None
    if len(text) > MAX_BYTES:
        raise InputError(f"the file has {len(text)} bytes, more than {MAX_BYTES}", where=str(path), remedy="shorten it")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a TOML file: {error}", where=str(path), remedy="correct it there") from None


def _check_keys(path: Path, data: Mapping[str, Any]) -> None:
    for name in data:
        if name not in TABLES:
            known = " and ".join(f"[{table}]" for table in TABLES)
            raise InputError(f"unknown table or key {name!r}", where=str(path), remedy=f"the tables are {known}")
    for table, keys in TABLES.items():
        if not isinstance(data.get(table), dict):
            raise InputError(
                f"there is no table [{table}]", where=str(path), remedy=f"add [{table}] with {', '.join(keys)}"
            )
        for key in data[table]:
            if key not in keys:
                raise InputError(
                    f"unknown key {key!r}", where=f"{path}: [{table}]", remedy=f"its keys are {', '.join(keys)}"
                )
        for key in REQUIRED[table]:
            if key not in data[table]:
                raise InputError(f"there is no {key}", where=f"{path}: [{table}]", remedy=f"add {key} = ...")


def _exact(value: object, where: str) -> sp.Expr:
    """An exact entry; the error says which one is not, and how to write it."""
    try:
        return exact(value)
    except InputError as error:
        raise InputError(error.problem, where=where, remedy=error.remedy) from None


def _probabilities(path: Path, given: object) -> list[sp.Rational]:
    where = f"{path}: features.probabilities"
    if not isinstance(given, list):
        raise InputError("not a list", where=where, remedy='write probabilities = ["2/5", "3/5"]')
    if not 2 <= len(given) <= MAX_FEATURES:
        remedy = f"give one probability for each of 2 to {MAX_FEATURES} features"
        raise InputError(f"{len(given)} features", where=where, remedy=remedy)
    values = [_exact(entry, f"{where}[{position}]") for position, entry in enumerate(given)]
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
    value = _exact(given, where)
    if value is sp.oo or (value.is_Integer and value >= 1):
        return value
    raise InputError(f"the prompt length is {value}", where=where, remedy='give an integer >= 1, or "inf"')


def _check_identity(path: Path, entry: str, given: object, size: int) -> None:
    """Let through a named choice and the identity matrix; say of anything else what is wrong or not supported."""
    where = f"{path}: {entry}"
    names = NAMED[entry.partition(".")[2]]
    choices = " or ".join(f'"{name}"' for name in names)
    if isinstance(given, str):
        if given not in names:
            raise InputError(f"unknown choice {given!r}", where=where, remedy=f"write {choices}")
        return
    given_rows = given if isinstance(given, list) else []
    if len(given_rows) != size or not all(isinstance(row, list) and len(row) == size for row in given_rows):
        raise InputError(
            "not a square matrix over the features", where=where, remedy=f"write {choices}, or {size} rows of {size}"
        )
    rows = [[_exact(x, f"{where}[{m}][{n}]") for n, x in enumerate(row)] for m, row in enumerate(given_rows)]
    for m in range(size):
        for n in range(m):
            if rows[m][n] != rows[n][m]:
                raise InputError(
                    f"not symmetric: {rows[m][n]} against {rows[n][m]}",
                    where=f"{where}[{m}][{n}] and [{n}][{m}]",
                    remedy="give a symmetric matrix",
                )
    if any(rows[m][n] != int(m == n) for m in range(size) for n in range(size)):
        raise InputError(
            "a matrix other than the identity is not supported yet", where=where, remedy=f"write {choices}"
        )
