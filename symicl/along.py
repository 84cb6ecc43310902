"""What holds along a run of any length, read off two paths of leaps: where a condition is met, and where it is worst.

The two paths of a run are taken at two orders and hence on two sequences of leaps (:mod:`symicl.paths`); what is read
off is read off both, and how far they differ says what it is worth. A condition is looked at in a few places of every
leap, and around the worst of these as closely as steps are. Nothing is bounded: ``supported``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS
from symicl.evaluate import compile_expressions
from symicl.grammar import Condition
from symicl.iterate import Run
from symicl.paths import Leap, Path, follow
from symicl.process import LOSS
from symicl.reduce import Recurrence, reduce_system
from symicl.systems.base import System

BALL = ARITHMETICS["ball"]
DIGITS = 16
"""The digits each leap is solved to, unless more are asked for."""

FEW, MORE = 12, 20
"""How many more nodes than digits a leap has on the first path and on the second."""

SPARE_DIGITS = 44
WALK_ROWS = 64
PLACES = 8
"""In how many places of a leap a condition is looked at; a leap is a small part of the way to what bends the path."""

REFINED = 3
"""Around how many of the worst places found a closer look is taken."""

CLOSER = 60
"""The most halvings of such a look; an extremum is then known to a relative 1e-9 of its place, its value to 1e-18."""

Point = tuple[arb, ...]


@lru_cache(maxsize=32)
def two_paths(recurrence: Recurrence, run: Run, digits: int) -> tuple[Path, Path]:
    """The path of a run at two orders, kept for whoever asks for it again. Raises what ``follow`` raises."""
    # The second does not start from the first: it would end where that ends, errors and all, and confirm nothing.
    return follow(recurrence, run, digits, digits + FEW), follow(recurrence, run, digits, digits + MORE)


def node_steps(path: Path, most: int | None = None) -> list[int]:
    """The whole steps next to the nodes of all leaps, some of the steps taken one by one, and the end.

    With ``most``, next to so many places in each leap, as dense at its ends as nodes are.
    """
    found = {0, path.end}
    for piece in path.pieces:
        count = len(piece.points) if most is None else min(most, len(piece.points))
        if isinstance(piece, Leap):
            shares = (1 - np.cos(np.pi * np.arange(count + 1) / count)) / 2
            found |= {piece.start + int(piece.length * Fraction(float(share))) for share in shares[:-1]}
        else:
            found |= {piece.start + round(piece.length * k / WALK_ROWS) for k in range(WALK_ROWS)}
    return sorted(n for n in found if n <= path.end)


def point_at(path: Path, n: int) -> Point:
    """The coordinates at step n of a path."""
    pieces = path.pieces
    if not pieces:
        return path.point
    low, high = 0, len(pieces) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if pieces[middle].start <= n else (low, middle - 1)
    return pieces[low].at(n)


@dataclass(frozen=True)
class Place:
    """A step, the margin there, the size of the sides that it is the difference of, and its rounding error."""

    step: int
    value: arb
    size: arb
    error: arb


class Along:
    """One path, and how far a condition holds along it.

    The margin of ``left >= right`` is ``left - right``, of ``left <= right`` the negative of that: it is below zero
    where the condition is broken. What has been read once is kept.
    """

    def __init__(self, recurrence: Recurrence, path: Path, digits: int) -> None:
        self.path, self.steps, self.dps = path, node_steps(path, PLACES), digits + SPARE_DIGITS
        self._nodes = frozenset(self.steps)
        self._states = (*recurrence.states, LOSS)
        with BALL.working(self.dps):
            self._read = compile_expressions(
                [*recurrence.lift, recurrence.loss], recurrence.coordinates, BALL, self.dps
            )
        self._points: dict[int, Point] = {}
        self._firsts: dict[tuple[Condition, int], int | None] = {}

    def margin(self, condition: Condition) -> Callable[[int], Place]:
        """The margin as a function of the step. Evaluate it inside ``BALL.working(self.dps)``."""
        # From the states and not from the coordinates: of these they are multiples with K in the denominator, and
        # exponentials of such have common roots of order K.
        read = compile_expressions([condition.left, condition.right], self._states, BALL, self.dps)
        sign = 1 if condition.relation[0] == ">" else -1

        def place(n: int) -> Place:
            left, right = map(arb, read(*self._point(n)))
            gap = sign * (left - right)
            return Place(n, gap.mid(), (abs(left) + abs(right)).mid(), gap.rad())

        return place

    def _point(self, n: int) -> Point:
        """The states and the loss."""
        if n in self._points:
            return self._points[n]
        point = tuple(map(arb, self._read(*point_at(self.path, n))))
        if n in self._nodes:
            self._points[n] = point
        return point

    def first(self, condition: Condition, not_before: int = 0) -> int | None:
        """The first step from ``not_before`` on that meets a condition, found between two places; None without one.

        A condition that is met only between two of the places looked at may be overlooked.
        """
        key = condition, not_before
        if key not in self._firsts:
            self._firsts[key] = self._found(condition, not_before)
        return self._firsts[key]

    def _found(self, condition: Condition, not_before: int) -> int | None:
        with BALL.working(self.dps):
            margin = self.margin(condition)

            def met(n: int) -> bool:
                value = margin(n).value
                return bool(value >= 0 if "=" in condition.relation else value > 0)

            before: int | None = None
            for n in [not_before, *(n for n in self.steps if n > not_before)]:
                if n > self.path.end:
                    return None
                if met(n):
                    return n if before is None else bisected(met, before, n)
                before = n
        return None

    def worst(self, condition: Condition, start: int, end: int) -> Place:
        """Where the condition is worst on the steps ``start`` to ``end``, and its margin there."""
        with BALL.working(self.dps):
            margin = self.margin(condition)
            steps = sorted({start, *(n for n in self.steps if start < n < end), end})
            places = [margin(n) for n in steps]
            values = [place.value for place in places]
            lowest = sorted(
                (row for row, value in enumerate(values) if value == min(values[max(0, row - 1) : row + 2])),
                key=lambda row: values[row],
            )
            found = places[lowest[0]]
            for row in lowest[:REFINED]:
                closer = _least(margin, steps[max(0, row - 1)], steps[min(len(steps) - 1, row + 1)])
                found = min(found, closer, key=lambda place: place.value)
            return found

    def count(self, start: int, end: int) -> int:
        """At how many steps from ``start`` to ``end`` the path is looked at."""
        return len({start, *(n for n in self.steps if start < n < end), end})


@lru_cache(maxsize=16)
def along(system: System, eta: sp.Rational, end: Condition | int, digits: int, timeout: float) -> tuple[Along, Along]:
    """A run to a step or to the first step that meets a condition, along both of its paths.

    Raises what :func:`symicl.reduce.reduce_system` and :func:`symicl.paths.follow` raise.
    """
    recurrence = reduce_system(system)
    first, second = two_paths(recurrence, far_run(eta, end, digits, timeout), digits)
    return Along(recurrence, first, digits), Along(recurrence, second, digits)


def far_run(eta: sp.Rational, end: Condition | int, digits: int, timeout: float) -> Run:
    """The run that two paths are taken of: equal runs are followed once."""
    steps, until = (end, None) if isinstance(end, int) else (None, end)
    return Run(eta, steps, until, dps=digits, timeout=timeout)


def bisected(met: Callable[[int], bool], before: int, after: int) -> int:
    """The first step that is met, between one that is not and one that is."""
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if met(middle) else (middle, after)
    return after


def _least(margin: Callable[[int], Place], low: int, high: int) -> Place:
    """The least value between two steps, where it falls and then rises."""
    for _ in range(CLOSER):
        if high - low < 3:
            break
        third = (high - low) // 3
        one, two = low + third, high - third
        low, high = (low, two) if margin(one).value <= margin(two).value else (one, high)
    return min((margin(n) for n in (low, (low + high) // 2, high)), key=lambda place: place.value)


__all__ = ["DIGITS", "Along", "Place", "along", "bisected", "far_run", "node_steps", "point_at", "two_paths"]
