"""Number types behind one interface: ``rational`` (exact), ``ball`` (enclosing), ``mp`` (reference), ``float64``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from symicl.arithmetic.ball import BallArithmetic, whole_number
from symicl.arithmetic.base import (
    EXACT_DIGITS,
    MAX_DPS,
    Arithmetic,
    Guarantee,
    Number,
    NumberJson,
    check_dps,
    exact_ratio,
)
from symicl.arithmetic.float64 import Float64Arithmetic
from symicl.arithmetic.mp import MpArithmetic
from symicl.arithmetic.rational import RationalArithmetic
from symicl.errors import InputError

__all__ = [
    "ARITHMETICS",
    "EXACT_DIGITS",
    "MAX_DPS",
    "Arithmetic",
    "BallArithmetic",
    "Float64Arithmetic",
    "Guarantee",
    "MpArithmetic",
    "Number",
    "NumberJson",
    "RationalArithmetic",
    "arithmetic",
    "check_dps",
    "exact_ratio",
    "whole_number",
]

ARITHMETICS: Mapping[str, Arithmetic] = MappingProxyType(
    {a.name: a for a in (RationalArithmetic(), BallArithmetic(), MpArithmetic(), Float64Arithmetic())}
)
"""Every number type by name."""


def arithmetic(name: str) -> Arithmetic:
    """Look an arithmetic up by name; ``InputError`` lists the known ones."""
    try:
        return ARITHMETICS[name]
    except KeyError:
        raise InputError(
            "unknown arithmetic", where=repr(name), remedy=f"choose one of {', '.join(ARITHMETICS)}"
        ) from None
