"""What every number type offers, and the exact functions they share.

Callers compute with the native operators of the numbers (``+ - * /`` and ``** int``) and fetch from the adapter only
what the operators cannot do: numbers out of exact values, elementary functions, decided comparisons, printing.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import math
import numbers
import operator
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeAlias

from symicl.errors import InputError, UndecidedError

Number: TypeAlias = Any
"""A value of the arithmetic at hand: ``flint.fmpq``, ``flint.arb``, mpmath's ``mpf`` or ``float``."""

NumberJson: TypeAlias = dict[str, str | None]
"""``{"mid": ..., "rad": ...}``; ``rad`` is ``None`` where the arithmetic bounds no error."""

MAX_DPS = 100_000
"""The most decimal digits any precision or printout may have."""

EXACT_DIGITS = 10**6
"""What :meth:`Arithmetic.relative_digits` answers for an exact number, and its cap for any other."""


class Guarantee(enum.IntEnum):
    """How strong a result is; results combine by ``min``, the weakest link."""

    SUPPORTED = 1
    CERTIFIED = 2

    @property
    def label(self) -> str:
        """The lower-case name, as it stands in JSON."""
        return self.name.lower()


def check_dps(dps: int) -> int:
    """Return ``dps`` if it is a possible number of decimal digits; ``InputError`` if not in 1 .. ``MAX_DPS``."""
    if not isinstance(dps, int) or isinstance(dps, bool) or not 1 <= dps <= MAX_DPS:
        raise InputError(
            "impossible number of decimal digits", where=repr(dps), remedy=f"give an integer from 1 to {MAX_DPS}"
        )
    return dps


def exact_ratio(value: object) -> tuple[int, int]:
    """Numerator and denominator of an exact value as Python integers.

    Takes int, Fraction, flint's fmpz and fmpq, SymPy's Rational and whatever else registers as ``numbers.Rational``.
    Anything else is a ``TypeError``: a float such as 0.1 is not the number its author wrote, and text is parsed
    elsewhere.
    """
    if not isinstance(value, bool):
        if isinstance(value, numbers.Rational):
            return int(value.numerator), int(value.denominator)
        with contextlib.suppress(TypeError):  # flint's integers
            return operator.index(value), 1  # type: ignore[arg-type]
        with contextlib.suppress(TypeError, AttributeError):  # p and q: flint's and SymPy's rationals
            return operator.index(value.p), operator.index(value.q)  # type: ignore[attr-defined]
    raise TypeError(
        f"not an exact number: {value!r} ({type(value).__name__}); give an int, a Fraction, "
        "a flint.fmpq or a SymPy Rational, for instance Fraction(1, 10) for 0.1"
    )


def singular() -> UndecidedError:
    """The error for a linear system that has no certain solution."""
    return UndecidedError(
        "a linear system is singular, or cannot be told from a singular one",
        remedy="add a regularization, or raise the precision",
    )


def nearest_float(p: int, q: int) -> float:
    """The float64 nearest to p/q, for q > 0; infinite where it overflows."""
    try:
        return p / q  # Python rounds the quotient of two integers correctly
    except OverflowError:
        return math.inf if p > 0 else -math.inf


class Arithmetic(abc.ABC):
    """One number type. Adapters hold no state: two of the same class are equal."""

    name: ClassVar[str]
    guarantee: ClassVar[Guarantee]

    @contextlib.contextmanager
    def working(self, dps: int) -> Iterator[None]:
        """Compute inside with ``dps`` decimal digits; the caller's precision comes back on exit, errors included.

        Exact and fixed-precision arithmetics only check ``dps`` (``InputError``). A generator must not yield
        from inside: the precision would leak to its consumer.
        """
        check_dps(dps)
        yield

    @abc.abstractmethod
    def number(self, value: object) -> Number:
        """Bring an exact value in: equal, enclosed, or correctly rounded.

        Raises ``TypeError`` for anything that is not exact, floats and text included (see :func:`exact_ratio`).
        """

    @staticmethod
    @abc.abstractmethod
    def exp(x: Number, /) -> Number:
        """Exponential; never raises on overflow. ``DerivationError`` where the result is not exact but must be."""

    @staticmethod
    @abc.abstractmethod
    def log(x: Number, /) -> Number:
        """Natural logarithm; NaN below zero. ``DerivationError`` as for ``exp``."""

    @staticmethod
    @abc.abstractmethod
    def sqrt(x: Number, /) -> Number:
        """Square root; NaN below zero. ``DerivationError`` as for ``exp``."""

    def less(self, x: Number, y: Number) -> bool:
        """``x < y`` where that is certain either way; overlapping balls and NaN raise ``UndecidedError``."""
        if x < y:
            return True
        if x >= y:
            return False
        raise self._undecided(x, "<", y)

    def less_equal(self, x: Number, y: Number) -> bool:
        """``x <= y`` where that is certain either way; overlapping balls and NaN raise ``UndecidedError``."""
        if x <= y:
            return True
        if x > y:
            return False
        raise self._undecided(x, "<=", y)

    def hull(self, x: Number, y: Number) -> Number:
        """A ball containing both; ``TypeError`` for arithmetics whose numbers are points."""
        raise TypeError(f"the {self.name} arithmetic has points, not balls: hull needs the ball arithmetic")

    def power(self, x: Number, exponent: int) -> Number:
        """``x`` to an integer power >= 1, by multiplication."""
        result = x
        for _ in range(exponent - 1):
            result = result * x
        return result

    def norm(self, values: Sequence[Number]) -> Number:
        """The Euclidean norm of at least one number."""
        squares = [self.power(value, 2) for value in values]
        return self.sqrt(sum(squares[1:], squares[0]))

    def least(self, values: Sequence[Number]) -> Number:
        """The least of at least one number; a ball around it where the balls overlap."""
        return min(values)

    def greatest(self, values: Sequence[Number]) -> Number:
        """The greatest of at least one number, as ``least``."""
        return max(values)

    def midpoint(self, x: Number) -> Number:
        """An exact number inside the ball; the number itself where numbers are points."""
        return x

    @staticmethod
    @abc.abstractmethod
    def solve(matrix: Sequence[Sequence[Number]], right: Sequence[Number], /) -> list[Number]:
        """The solution of a square linear system, at least 1 x 1.

        Raises ``UndecidedError`` where the matrix is singular or cannot be told from a singular one.
        """

    @abc.abstractmethod
    def as_json(self, x: Number, digits: int) -> NumberJson:
        """``{"mid", "rad"}`` as decimal text that ``Decimal`` and mpmath read.

        ``InputError`` for an impossible ``digits``.
        """

    def relative_digits(self, x: Number) -> int | None:
        """How many leading decimal digits are certain; ``None`` where the arithmetic bounds no error."""
        return None

    @abc.abstractmethod
    def to_float(self, x: Number) -> float:
        """The float64 nearest to the (mid)point, for showing progress only."""

    @abc.abstractmethod
    def is_finite(self, x: Number) -> bool:
        """Whether the number, and its radius if it has one, is finite."""

    def _undecided(self, x: Number, relation: str, y: Number) -> UndecidedError:
        return UndecidedError(
            f"the {self.name} arithmetic cannot tell whether x {relation} y",
            where=f"x = {self._show(x)}, y = {self._show(y)}",
            remedy="raise the working precision; where one is nan or has radius inf, look for an undefined operation",
        )

    def _show(self, x: Number) -> str:
        if isinstance(x, int):
            return str(x)
        parts = self.as_json(x, 15)
        return f"{parts['mid']}" if parts["rad"] is None else f"{parts['mid']} ± {parts['rad']}"
