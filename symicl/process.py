"""What the loop iterates: named states, and code for one step in a given arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import sympy as sp

from symicl.arithmetic import Arithmetic, Number, arithmetic
from symicl.errors import DerivationError, SymiclError
from symicl.evaluate import compile_expressions
from symicl.expectation import Expectation
from symicl.grammar import Condition
from symicl.reduce import Recurrence

LOSS = sp.Symbol("loss", real=True)
"""The name of the loss in conditions."""

EXACT_TRIALS = 200
"""The longest prompt for which the first step is also taken in rationals."""

Point = tuple[Number, ...]


@dataclass(frozen=True)
class Code:
    """One step, compiled. A point is the tuple of what is iterated; functions take its numbers one by one.

    ``advance`` gives the next point, followed by both sides of the condition (where there is one) at the present point.
    ``read`` gives the states, ``loss`` the loss (None where the arithmetic cannot hold it), ``prediction`` what the
    system predicts, if it says so. ``first`` gives the states after one step as exact rationals, or 1 for each state of
    which that is not known: a state that does not move in the first step has a ball around zero at every precision, and
    only this tells that it is zero.
    """

    start: Callable[[], Point]
    advance: Callable[..., Point]
    read: Callable[..., tuple[Number, ...]]
    loss: Callable[..., Number]
    first: Callable[[], tuple[Number, ...]]
    prediction: Callable[..., tuple[Number, ...]] = lambda *_: ()


class Process(Protocol):
    """A rule that takes the states of a system from one step to the next."""

    @property
    def states(self) -> tuple[sp.Symbol, ...]:
        """The names of the states."""
        ...

    def code(self, eta: sp.Rational, condition: Condition | None, chosen: Arithmetic, dps: int) -> Code:
        """The step of size eta; call this and the code inside ``chosen.working(dps)``."""
        ...


@dataclass(frozen=True)
class Reduced:
    """The recurrence of a system in its reduced coordinates, from which the states are read off."""

    recurrence: Recurrence

    @property
    def states(self) -> tuple[sp.Symbol, ...]:
        return self.recurrence.states

    def code(self, eta: sp.Rational, condition: Condition | None, chosen: Arithmetic, dps: int) -> Code:
        """Straight-line code; see :class:`Process`."""
        r = self.recurrence
        steps = self._steps(eta)

        def compiled(expressions: Sequence[sp.Expr], arguments: Sequence[sp.Symbol]) -> Callable[..., Point]:
            return compile_expressions(expressions, arguments, chosen, dps)

        read_loss = compiled([r.loss], r.coordinates)
        return Code(
            start=compiled(r.start, ()),
            # One function steps and, where a run waits for a condition, gives both sides of it at the step's start.
            advance=compiled([*steps, *self._sides(condition)], r.coordinates),
            read=compiled(r.lift, r.coordinates),
            loss=lambda *point: _loss(read_loss, point, chosen),
            first=lambda: self._first(eta, dps),
        )

    def _steps(self, eta: sp.Rational) -> list[sp.Expr]:
        size = {self.recurrence.symmetric.system.step_size: eta}
        return [y + u.xreplace(size) for y, u in zip(self.recurrence.coordinates, self.recurrence.updates, strict=True)]

    def _sides(self, condition: Condition | None) -> list[sp.Expr]:
        """Both sides of the condition, in the coordinates."""
        if condition is None:
            return []
        meaning = dict(zip(self.recurrence.states, self.recurrence.lift, strict=True)) | {LOSS: self.recurrence.loss}
        return [side.xreplace(meaning) for side in (condition.left, condition.right)]

    def _first(self, eta: sp.Rational, dps: int) -> tuple[Number, ...]:
        r, exact = self.recurrence, arithmetic("rational")
        if any(node.law.trials > EXACT_TRIALS for update in r.updates for node in update.atoms(Expectation)):
            return (1,) * len(r.states)
        try:
            start = compile_expressions(r.start, (), exact, dps)()
            point = compile_expressions(self._steps(eta), r.coordinates, exact, dps)(*map(exact.number, start))
            return compile_expressions(r.lift, r.coordinates, exact, dps)(*point)
        except SymiclError:
            return (1,) * len(r.states)


def _loss(read: Callable[..., Point], point: Point, chosen: Arithmetic) -> Number:
    """The loss; after a step from zero it is irrational, and rational arithmetic has none to give."""
    try:
        return read(*point)[0]
    except DerivationError:
        if chosen.name == "rational":
            return None
        raise
