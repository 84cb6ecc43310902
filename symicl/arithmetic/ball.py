"""Balls, flint's ``arb``: every result encloses the true value, so what they decide is certified.

A comparison of overlapping balls is false both ways in Arb; ``less`` and ``less_equal`` raise instead. ``arb(0.1)`` is
not 1/10; ``number`` encloses the exact value. Source: F. Johansson, "Arb: efficient arbitrary-precision
midpoint-radius interval arithmetic", IEEE Trans. Comput. 66 (2017).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import ClassVar

import flint
from flint import arb, arb_mat, fmpq, fmpz

from symicl.arithmetic.base import EXACT_DIGITS, Arithmetic, Guarantee, NumberJson, check_dps, exact_ratio, singular

# Binary exponents up to here are printed through exact integers, beyond through Arb's own decimal enclosure.
_EXACT_BITS = 2**20
_EXTREME_BITS = 4 * 10**17  # beyond, the decimal exponent (0.301 of this) nears what Decimal can read
_TINY = "1E-100000000000000000"  # above 2**-_EXTREME_BITS
_DIGITS_BITS = 3_321_930  # 10**EXACT_DIGITS < 2**(_DIGITS_BITS - 1)


def whole_number(value: arb) -> int | None:
    """The integer in a ball that holds exactly one; None where it does not, and beyond ``2**_EXACT_BITS``."""
    if not abs(value) < arb(2) ** _EXACT_BITS:  # GMP ends the process where an integer does not fit
        return None
    found = value.unique_fmpz()
    return None if found is None else int(found)


@dataclass(frozen=True)
class BallArithmetic(Arithmetic):
    """Arb's real balls. flint has one precision for the whole process: do not share ``working`` between threads."""

    name: ClassVar[str] = "ball"
    guarantee: ClassVar[Guarantee] = Guarantee.CERTIFIED

    @contextlib.contextmanager
    def working(self, dps: int) -> Iterator[None]:
        """As in the base class; sets ``flint.ctx``, which belongs to everybody, and puts it back."""
        check_dps(dps)
        saved = flint.ctx.prec
        try:
            flint.ctx.dps = dps
            yield
        finally:
            flint.ctx.prec = saved

    def number(self, value: object) -> arb:
        """A ball around the exact value, of radius zero where the value fits the working precision."""
        return arb(fmpq(*exact_ratio(value)))

    # The unbound methods themselves: hot loops fetch them once and pay for no wrapper.
    exp = staticmethod(arb.exp)
    log = staticmethod(arb.log)
    sqrt = staticmethod(arb.sqrt)

    def power(self, x: arb, exponent: int) -> arb:
        """As in the base class; an even power of a ball around zero starts at 0 (``**`` gives NaN there)."""
        if exponent % 2 or not x.contains(0):
            plain: arb = super().power(x, exponent)
            return plain
        enclosed: arb = arb(0).union(super().power(x.abs_upper(), exponent))
        return enclosed

    def norm(self, values: Sequence[arb]) -> arb:
        """As in the base class; a sum of squares that rounding took below zero counts as 0."""
        squares = [self.power(value, 2) for value in values]
        total = sum(squares, arb(0))
        least = total.lower()
        return (least.sqrt() if least > 0 else arb(0)).union(total.upper().sqrt())

    def least(self, values: Sequence[arb]) -> arb:
        """As in the base class."""
        return reduce(arb.min, values)

    def greatest(self, values: Sequence[arb]) -> arb:
        """As in the base class."""
        return reduce(arb.max, values)

    def midpoint(self, x: arb) -> arb:
        """The midpoint, a ball of radius zero."""
        return x.mid()

    @staticmethod
    def solve(matrix: Sequence[Sequence[arb]], right: Sequence[arb]) -> list[arb]:
        """Balls around the solution of every system in the balls."""
        try:
            solution = arb_mat([list(row) for row in matrix]).solve(arb_mat([[entry] for entry in right]))
        except ZeroDivisionError:
            raise singular() from None
        return [solution[i, 0] for i in range(len(right))]

    def hull(self, x: arb, y: arb) -> arb:
        """A ball containing both, rounded outward."""
        return x.union(y)

    def as_json(self, x: arb, digits: int) -> NumberJson:
        """A decimal ball containing ``x``, computed in integers only.

        ``mid`` is the midpoint to ``digits`` significant digits; its rounding error is added to ``rad``, which is
        rounded up to 3 significant digits. An unbounded or NaN ball gives ``mid`` 0 and ``rad`` inf. Beyond binary
        exponents of about a million the enclosure is Arb's own, wider by a relative 10**-(digits + 20); beyond
        10**17 decimal places it is 0 ± inf, or 0 ± 1E-100000000000000000.
        """
        check_dps(digits)
        if not x.is_finite():
            return {"mid": "0", "rad": "inf"}
        if x.is_zero():
            return {"mid": "0", "rad": "0"}
        parts = [(m, int(e)) for m, e in (x.mid().man_exp(), x.rad().man_exp())]
        top = max(m.bit_length() + e for m, e in parts if m != 0)
        if top > _EXTREME_BITS:
            return {"mid": "0", "rad": "inf"}
        if top < -_EXTREME_BITS:
            return {"mid": "0", "rad": _TINY}
        low = min(0, *(e for m, e in parts if m != 0))
        if top <= _EXACT_BITS and low >= -_EXACT_BITS:
            # m 2**e = m 2**(e - low) 5**-low 10**low: a dyadic number is a finite decimal.
            mid, rad = (m * fmpz(2) ** (e - low) * fmpz(5) ** -low if m != 0 else m for m, e in parts)
            place = low
        else:
            mid, rad, exponent = x.mid_rad_10exp(digits + 20)
            place = int(exponent)
        kept, dropped = _round(abs(mid), digits, up=False)
        rad += abs(abs(mid) - kept * fmpz(10) ** dropped)
        bound, cut = _round(rad, 3, up=True)
        return {"mid": _decimal(kept if mid >= 0 else -kept, place + dropped), "rad": _decimal(bound, place + cut)}

    def relative_digits(self, x: arb) -> int:
        """``floor(-log10(rad/|mid|))``, in integers, for any exponent.

        ``EXACT_DIGITS`` (also the cap) for an exact ball, zero included; 0 for a ball that contains zero without
        being zero, and for one that is not finite.
        """
        if not x.is_finite():
            return 0
        (m, e), (r, f) = x.mid().man_exp(), x.rad().man_exp()
        if r == 0:
            return EXACT_DIGITS
        m, shift = abs(m), int(e) - int(f)
        excess = m.bit_length() - r.bit_length() + shift  # 2**(excess-1) < |mid|/rad < 2**(excess+1)
        if m == 0 or excess < 0:
            return 0
        if excess > _DIGITS_BITS:
            return EXACT_DIGITS
        quotient = m * fmpz(2) ** shift // r if shift >= 0 else m // (r * fmpz(2) ** -shift)
        return min(EXACT_DIGITS, max(0, _length(quotient) - 1))

    def to_float(self, x: arb) -> float:
        """The float64 nearest to the midpoint, infinite where it overflows."""
        return float(x)

    def is_finite(self, x: arb) -> bool:
        """Midpoint and radius are both finite."""
        return x.is_finite()


def _length(n: fmpz) -> int:
    """How many decimal digits the nonnegative integer has, none for 0."""
    if n == 0:
        return 0
    length = (n.bit_length() - 1) * 30_102_999 // 10**8  # just below log10(2), so never too many
    power = fmpz(10) ** length
    while power <= n:
        power, length = power * 10, length + 1
    return length


def _round(n: fmpz, digits: int, *, up: bool) -> tuple[fmpz, int]:
    """``(k, s)`` with k at most ``digits`` digits long and ``k 10**s`` the nonnegative n, to nearest or upward."""
    dropped = max(0, _length(n) - digits)
    unit = fmpz(10) ** dropped
    kept = (n + (unit - 1 if up else unit // 2)) // unit
    if kept == fmpz(10) ** digits:  # 9.99 went to 10.0
        kept, dropped = kept // 10, dropped + 1
    return kept, dropped


def _decimal(n: fmpz, place: int) -> str:
    """``n 10**place`` as text; exact, since Decimal reads text without rounding."""
    return str(Decimal(f"{n}E{place}")) if n != 0 else "0"
