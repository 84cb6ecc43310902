"""The weight shift of softmax regression: a step changes the residual as a change of b would, and by how much at most.

``f(new) - b = f(old) - b~`` with ``b~ = b - (f(new) - f(old))``, for any map f; the content is the bound ``|b~ - b| <=
constant * |step|`` (arXiv 2304.13276). The constant is half the norm of what is not trained: ``|A| / 2`` for a step on
x, ``|x| / 2`` for a step on A.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flint import arb

from symicl.arithmetic import ARITHMETICS, Arithmetic, Number
from symicl.enclosure import largest_singular_value
from symicl.entries import array_of
from symicl.iterate import Row
from symicl.systems.base import System
from symicl.systems.softmax_regression import RegressionData

DIGITS = 30

Observed = tuple[Number | None, ...]
"""What a system reports of its states, None where it is undefined there."""


@dataclass(frozen=True)
class Shift:
    """From one step to the next: the norm of the shift of b and of the step itself."""

    step: int
    norm: Number
    length: Number


@dataclass
class TracePath:
    """The rows of a path, in order, and the shifts between them; only the last ones unless ``keep`` is set.

    With ``keep`` also what ``observe`` makes of the states of each row.
    """

    arithmetic: Arithmetic
    keep: bool = False
    observe: Callable[[Sequence[Number]], Observed] = lambda _: ()
    rows: list[Row] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    before: Row | None = None

    def add(self, row: Row) -> None:
        """The next row. Call this inside the arithmetic's working precision."""
        if self.keep:
            self.rows.append(row)
            self.observed.append(self.observe(row.states))
        if self.before is not None and row.prediction:
            moved = self.arithmetic.norm([new - old for new, old in zip(row.states, self.before.states, strict=True)])
            pairs = zip(row.prediction, self.before.prediction, strict=True)
            shift = Shift(row.step, self.arithmetic.norm([new - old for new, old in pairs]), moved)
            self.shifts[len(self.shifts) if self.keep else 0 :] = [shift]
        self.before = row


def shift_constant(system: System) -> arb | None:
    """A certified upper bound of half the norm of what is not trained; None for a system without such data."""
    if not isinstance(system.data, RegressionData):
        return None
    ball = ARITHMETICS["ball"]
    with ball.working(DIGITS):
        if system.data.train == "x":
            rows: Sequence[Sequence[arb]] = array_of(system.data.matrix, ball)
            return (largest_singular_value(rows) / 2).upper()
        bound: arb = (ball.norm(array_of(system.data.point, ball)) / 2).upper()
        return bound
