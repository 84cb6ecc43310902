"""mpmath's floats: the reference arithmetic that every faster path is tested against.

The numbers belong to a context of our own, so that nothing here reads or changes the precision of ``mpmath.mp``.
They mix with numbers of ``mpmath.mp``; the left operand's context sets the precision. They do not pickle.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import mpmath

from symicl.arithmetic.base import Arithmetic, Guarantee, NumberJson, check_dps, exact_ratio, singular

_context = mpmath.mp.clone()
_context.dps = 15  # whatever mpmath.mp was set to when this module was first imported


@dataclass(frozen=True)
class MpArithmetic(Arithmetic):
    """Multiple precision, rounded to nearest, no error bound. The exponents do not overflow."""

    name: ClassVar[str] = "mp"
    guarantee: ClassVar[Guarantee] = Guarantee.SUPPORTED

    @contextlib.contextmanager
    def working(self, dps: int) -> Iterator[None]:
        """As in the base class; sets the precision of the private context."""
        check_dps(dps)
        saved = _context.prec
        try:
            _context.dps = dps
            yield
        finally:
            _context.prec = saved

    def number(self, value: object) -> Any:
        """The value correctly rounded: one division of exact integers."""
        return _context.fdiv(*exact_ratio(value))

    exp = staticmethod(_context.exp)

    @staticmethod
    def log(x: Any) -> Any:
        """Natural logarithm; ``-inf`` at zero, NaN below (mpmath's own would turn complex)."""
        return _context.log(x) if x >= 0 else _context.nan

    @staticmethod
    def sqrt(x: Any) -> Any:
        """Square root; NaN below zero (mpmath's own would turn complex)."""
        return _context.sqrt(x) if x >= 0 else _context.nan

    @staticmethod
    def solve(matrix: Sequence[Sequence[Any]], right: Sequence[Any]) -> list[Any]:
        """By LU with one refinement, rounded."""
        try:
            return list(_context.lu_solve(_context.matrix([list(row) for row in matrix]), _context.matrix(list(right))))
        except ZeroDivisionError:
            raise singular() from None

    def as_json(self, x: Any, digits: int) -> NumberJson:
        """``mid`` to ``digits`` significant digits, trailing zeros dropped; no radius."""
        return {"mid": _context.nstr(x, check_dps(digits)), "rad": None}

    def to_float(self, x: Any) -> float:
        """The nearest float64, infinite where it overflows."""
        return float(x)

    def is_finite(self, x: Any) -> bool:
        """Neither infinite nor NaN."""
        return bool(_context.isfinite(x))
