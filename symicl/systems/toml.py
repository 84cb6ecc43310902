"""What every TOML file of a system shares: it is read exactly, and an error names the file, the table and the entry."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.grammar import exact

MAX_BYTES = 2**20


class Written(float):
    """A float of a file, with its text: ``0.3`` was written and 3/10 may be meant."""

    text: str

    def __new__(cls, text: str) -> Written:
        number = super().__new__(cls, text)
        number.text = text
        return number


def parse(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises ``InputError`` for what is no TOML file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        remedy = "name a TOML file, or a system of `symicl list`"
        raise InputError(f"cannot read: {error.strerror}", where=str(path), remedy=remedy) from None
    if len(text) > MAX_BYTES:
        raise InputError(f"the file has {len(text)} bytes, more than {MAX_BYTES}", where=str(path), remedy="shorten it")
    try:
        return tomllib.loads(text.decode("utf-8"), parse_float=Written)
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or an integer too long for the interpreter
        raise InputError(f"not a TOML file: {error}", where=str(path), remedy="correct it there") from None


def check_keys(
    path: Path,
    data: Mapping[str, Any],
    tables: Mapping[str, tuple[str, ...]],
    required: Mapping[str, tuple[str, ...]],
) -> None:
    """Refuse tables and keys that are unknown, and ask for those that are missing."""
    for name in data:
        if name not in tables:
            known = " and ".join(f"[{table}]" for table in tables)
            raise InputError(f"unknown table or key {name!r}", where=str(path), remedy=f"the tables are {known}")
    for table, keys in tables.items():
        if not isinstance(data.get(table), dict):
            raise InputError(
                f"there is no table [{table}]", where=str(path), remedy=f"add [{table}] with {', '.join(keys)}"
            )
        for key in data[table]:
            if key not in keys:
                raise InputError(
                    f"unknown key {key!r}", where=f"{path}: [{table}]", remedy=f"its keys are {', '.join(keys)}"
                )
        for key in required[table]:
            if key not in data[table]:
                raise InputError(f"there is no {key}", where=f"{path}: [{table}]", remedy=f"add {key} = ...")


def exact_entry(value: object, where: str) -> sp.Expr:
    """An exact entry; the error says which one is not, and how to write it."""
    try:
        return exact(float(value) if isinstance(value, Written) else value)
    except InputError as error:
        raise InputError(error.problem, where=where, remedy=error.remedy) from None


def decimal_entry(value: object, where: str) -> sp.Rational:
    """A finite exact entry, a float being the decimal that was written: ``0.3`` is 3/10."""
    try:
        number = exact(value.text if isinstance(value, Written) else value)
    except InputError as error:
        raise InputError(error.problem, where=where, remedy=error.remedy) from None
    if not number.is_Rational:
        raise InputError(f"the entry is {number}", where=where, remedy="give a finite number")
    return number
