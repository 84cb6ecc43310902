"""Python floats: quick looks, never a certificate.

The native operators keep Python's habits: ``/`` by zero and an overflowing ``**`` raise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from symicl.arithmetic.base import (
    Arithmetic,
    Guarantee,
    NumberJson,
    check_dps,
    exact_ratio,
    nearest_float,
    singular,
)


@dataclass(frozen=True)
class Float64Arithmetic(Arithmetic):
    """IEEE double precision, 53 bits whatever ``working`` is asked for."""

    name: ClassVar[str] = "float64"
    guarantee: ClassVar[Guarantee] = Guarantee.SUPPORTED

    def number(self, value: object) -> float:
        """The nearest float64, infinite where it overflows."""
        return nearest_float(*exact_ratio(value))

    @staticmethod
    def exp(x: float) -> float:
        """Exponential; infinite where it overflows."""
        try:
            return math.exp(x)
        except OverflowError:
            return math.inf

    @staticmethod
    def log(x: float) -> float:
        """Natural logarithm; ``-inf`` at zero, NaN below."""
        if x > 0:
            return math.log(x)
        return -math.inf if x == 0 else math.nan

    @staticmethod
    def sqrt(x: float) -> float:
        """Square root; NaN below zero."""
        return math.sqrt(x) if x >= 0 else math.nan

    @staticmethod
    def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
        """By LAPACK."""
        try:
            return [float(entry) for entry in np.linalg.solve(np.array(matrix, float), np.array(right, float))]
        except np.linalg.LinAlgError:
            raise singular() from None

    def as_json(self, x: float, digits: int) -> NumberJson:
        """The shortest decimal that reads back as the same float, whatever ``digits`` is; no radius."""
        check_dps(digits)
        return {"mid": repr(float(x)), "rad": None}

    def to_float(self, x: float) -> float:
        """The number itself."""
        return float(x)

    def is_finite(self, x: float) -> bool:
        """Neither infinite nor NaN."""
        return math.isfinite(x)
