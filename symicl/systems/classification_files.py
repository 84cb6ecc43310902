"""Linear classification from a file: the table [classification] with points x, labels y and a start w."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.systems.arrays import exact_array
from symicl.systems.base import System
from symicl.systems.normalized_descent import OBJECTIVES, ClassificationData, check_data, on_data
from symicl.systems.toml import check_keys

KEYS = ("x", "y", "w", "objective")
TABLES = {"classification": KEYS}
REQUIRED = {"classification": ("x", "y")}


def read_classification(path: Path, data: Mapping[str, Any]) -> System:
    """The data of the table [classification]: ``x`` n x d, ``y`` of n labels, ``w`` of d numbers (0 if left out).

    ``objective`` is "normalized" (the default) or "plain"; arrays are written out or are names of .npy files. Raises
    ``InputError`` naming the entry at fault.
    """
    check_keys(path, data, TABLES, REQUIRED)
    table = data["classification"]
    if table["x"] == []:
        raise InputError("the data set is empty", where=f"{path}: classification.x", remedy="give at least one point")
    where = f"{path}: classification"
    points = exact_array(path, f"{where}.x", table["x"], 2)
    labels = exact_array(path, f"{where}.y", table["y"], 1)
    start = exact_array(path, f"{where}.w", table["w"], 1) if "w" in table else (sp.S.Zero,) * len(points[0])
    objective = table.get("objective", OBJECTIVES[0])
    if objective not in OBJECTIVES:
        names = " or ".join(f'"{name}"' for name in OBJECTIVES)
        raise InputError(f"there is no objective {objective!r}", where=f"{where}.objective", remedy=f"write {names}")
    problem = ClassificationData(points, labels, start, objective)
    check_data(problem, where)
    return on_data(problem, id=path.stem, title=f"the classification of {path.name}")
