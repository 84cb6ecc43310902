"""A softmax regression from a file: the table [regression] with A, b, x, in the file itself or in NumPy files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symicl.errors import InputError
from symicl.systems.arrays import exact_array
from symicl.systems.base import System
from symicl.systems.softmax_regression import RegressionData, on_data
from symicl.systems.toml import check_keys

KEYS = ("A", "b", "x", "w", "train")
TABLES = {"regression": KEYS}
REQUIRED = {"regression": ("A", "b", "x")}


def read_regression(path: Path, data: Mapping[str, Any]) -> System:
    """The problem of the table [regression]: ``A`` n x d, ``b`` of n numbers, ``x`` of d numbers.

    ``w`` (n numbers) adds ``|diag(w) A x|^2 / 2``; ``train`` is "x" (the default) or "A". An array is written out or is
    the name of a .npy file beside the TOML file. Raises ``InputError`` naming the entry at fault.
    """
    check_keys(path, data, TABLES, REQUIRED)
    table = data["regression"]
    where = f"{path}: regression"
    matrix = exact_array(path, f"{where}.A", table["A"], 2)
    shapes = {"b": len(matrix), "x": len(matrix[0]), "w": len(matrix)}
    vectors = {name: exact_array(path, f"{where}.{name}", table[name], 1) for name in shapes if name in table}
    for name, vector in vectors.items():
        if len(vector) != shapes[name]:
            raise InputError(
                f"{name} has {len(vector)} numbers, and A is {len(matrix)} x {len(matrix[0])}",
                where=f"{path}: regression.{name}",
                remedy=f"give {name} {shapes[name]} numbers, or A another shape",
            )
    train = table.get("train", "x")
    if train not in ("x", "A"):
        raise InputError(
            f"there is no {train!r} to train", where=f"{path}: regression.train", remedy='write "x" or "A"'
        )
    problem = RegressionData(matrix, vectors["b"], vectors["x"], vectors.get("w"), train)
    return on_data(problem, id=path.stem, title=f"the softmax regression of {path.name}")
