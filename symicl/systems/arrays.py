"""Arrays of exact numbers in files: nested lists of a TOML file, or NumPy files beside it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from symicl.errors import InputError
from symicl.systems.base import Array
from symicl.systems.toml import decimal_entry

MAX_ENTRIES = 100_000


def exact_array(path: Path, where: str, given: object, dimensions: int) -> Array:
    """A vector or matrix of exact numbers, not empty: written out, or the name of a .npy file beside ``path``.

    Raises ``InputError`` naming the entry at fault.
    """
    if isinstance(given, str):
        given, where = _from_numpy(path.parent / given, where, dimensions), f"{where}: {given}"
    shape = "a matrix: a list of rows" if dimensions == 2 else "a list of numbers"
    rows = given if dimensions == 2 else [given]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        raise InputError(f"not {shape}, or empty", where=where, remedy=f"write {shape}, or the name of a .npy file")
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise InputError(
            f"rows of different lengths: {sorted(lengths)}", where=where, remedy="give every row as many numbers"
        )
    _check_entries(len(rows) * len(rows[0]), where)
    places = [f"{where}[{i}]" if dimensions == 2 else where for i in range(len(rows))]
    values = tuple(
        tuple(decimal_entry(entry, f"{place}[{j}]") for j, entry in enumerate(row))
        for row, place in zip(rows, places, strict=True)
    )
    return values if dimensions == 2 else values[0]


def _from_numpy(path: Path, where: str, dimensions: int) -> list[Any]:
    """A .npy file as nested lists of exact numbers: a float is the dyadic rational that it is."""
    try:
        with path.open("rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", where=where, remedy="name a .npy file") from None
    except Exception as error:  # a broken header fails in whichever of NumPy's readers meets it
        problem = f"{path} is no .npy file of numbers: {error}"
        raise InputError(problem, where=where, remedy="save one array of numbers by np.save") from None
    if values.ndim != dimensions or values.dtype.kind not in "iuf":
        raise InputError(
            f"{path} holds {values.ndim} axes of {values.dtype}",
            where=where,
            remedy=f"save one array of numbers with {dimensions} axes",
        )
    _check_entries(values.size, where)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = "".join(f"[{int(i)}]" for i in bad[0])
        raise InputError(f"{path} has an entry that is not finite", where=f"{where}{place}", remedy="mend the data")
    return [_exact(entry) for entry in values]


def _exact(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_exact(entry) for entry in value]
    return Fraction(*value.as_integer_ratio()) if isinstance(value, np.floating) else int(value)


def _check_entries(count: int, where: str) -> None:
    if count > MAX_ENTRIES:
        raise InputError(f"more than {MAX_ENTRIES} entries", where=where, remedy="take a smaller problem")
