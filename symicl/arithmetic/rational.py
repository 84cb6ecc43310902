"""Exact rationals, flint's ``fmpq``: for identities and for steps that stay rational."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from flint import fmpq, fmpq_mat

from symicl.arithmetic.base import (
    EXACT_DIGITS,
    Arithmetic,
    Guarantee,
    NumberJson,
    check_dps,
    exact_ratio,
    nearest_float,
    singular,
)
from symicl.errors import DerivationError


def _irrational(operation: str) -> DerivationError:
    return DerivationError(
        f"{operation} is not rational",
        where="the rational arithmetic",
        remedy="use the ball arithmetic (certified) or mp (reference)",
    )


@dataclass(frozen=True)
class RationalArithmetic(Arithmetic):
    """Exact: no rounding anywhere; the transcendental functions only where their value is rational."""

    name: ClassVar[str] = "rational"
    guarantee: ClassVar[Guarantee] = Guarantee.CERTIFIED

    def number(self, value: object) -> fmpq:
        """The value itself."""
        return fmpq(*exact_ratio(value))

    @staticmethod
    def exp(x: fmpq) -> fmpq:
        """``exp(0) = 1``; any other argument gives an irrational (Lindemann) and raises ``DerivationError``."""
        if x != 0:
            raise _irrational("exp of a nonzero rational")
        return fmpq(1)

    @staticmethod
    def log(x: fmpq) -> fmpq:
        """``log(1) = 0``; ``DerivationError`` for any other argument."""
        if x != 1:
            raise _irrational("log of a rational other than 1")
        return fmpq(0)

    @staticmethod
    def sqrt(x: fmpq) -> fmpq:
        """The exact root of the square of a rational; ``DerivationError`` for any other argument."""
        if x < 0:
            raise _irrational("sqrt of a negative number")
        (p, p_rest), (q, q_rest) = x.p.sqrtrem(), x.q.sqrtrem()
        if p_rest != 0 or q_rest != 0:
            raise _irrational("sqrt of a rational that is not a square")
        return fmpq(p, q)

    @staticmethod
    def solve(matrix: Sequence[Sequence[fmpq]], right: Sequence[fmpq]) -> list[fmpq]:
        """The exact solution."""
        try:
            solution = fmpq_mat([list(row) for row in matrix]).solve(fmpq_mat([[entry] for entry in right]))
        except ZeroDivisionError:
            raise singular() from None
        return [solution[i, 0] for i in range(len(right))]

    def as_json(self, x: fmpq, digits: int) -> NumberJson:
        """The exact value, ``p/q`` or ``p``, with radius 0, whatever ``digits`` is."""
        check_dps(digits)
        return {"mid": str(x), "rad": "0"}

    def relative_digits(self, x: fmpq) -> int:
        """All of them: ``EXACT_DIGITS``."""
        return EXACT_DIGITS

    def to_float(self, x: fmpq) -> float:
        """The nearest float64."""
        return nearest_float(int(x.p), int(x.q))

    def is_finite(self, x: fmpq) -> bool:
        """Always."""
        return True
