"""Many steps of a recurrence at once: the steps themselves, collocated.

On a leap of H steps from n0 the increments ``g(y(n))`` are taken to be a polynomial p in n that agrees with them at
Chebyshev nodes. Then ``y(n) = y(n0) + sum of p(k) over n0 <= k < n`` is a polynomial too (:mod:`symicl.chebyshev`), and
what is left are equations for y at the nodes. Nothing is expanded in the step size: the only error is that of
interpolating a smooth function. As H grows this becomes an ordinary collocation method, and like one it does not mind
stiffness. (Multirevolution methods: M. Calvo, L. O. Jay, J. I. Montijano, L. Randez, "Approximate compositions of a
near identity map by multi-revolution Runge-Kutta methods", Numer. Math. 97, 2004.)

Newton's method solves the equations: residuals in many digits, corrections in float64, each good for some ten digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from flint import arb

from symicl.chebyshev import Grid, antidifference, antidifference_matrix, interpolation_matrix, summation

Point = tuple[arb, ...]
Floats = np.ndarray[Any, np.dtype[np.float64]]

STALE = 1e-6
"""A Jacobian is kept while each sweep gains at least this factor."""

NEGLIGIBLE = 1e-17
SPLIT = 96
"""Linear systems up to here are solved by one thread; larger ones are halved, because threads wait for each other."""

MOST_SUMS, BIG_TERM = 60, 100.0
"""Neumann's series is given up after so many terms, or where one is so many times as large as the first."""

MAX_SWEEPS = 60
MAX_STALLS = 4


@dataclass(frozen=True)
class Rule:
    """The increments of a point, and the digits they are computed in; call inside that precision.

    A coordinate that moves less than ``floor`` times the one that moves most need not be known any better than that.
    """

    increments: Callable[..., Point]
    dps: int
    floor: arb


@dataclass(frozen=True)
class Solution:
    """A leap solved: by coordinate, the series of the moves from its start and of the increments a step."""

    moves: list[list[arb]]
    rates: list[list[arb]]


@dataclass(frozen=True)
class Slack:
    """Errors that do no harm: up to ``shift`` times how far a coordinate moves, and to ``share`` times its size."""

    shift: arb
    share: arb


NO_SLACK = Slack(arb(0), arb(0))


@dataclass(frozen=True)
class Slopes:
    """``H/2`` times the derivative of the increments at the nodes of a grid, coordinates in units; float64."""

    order: int
    units: tuple[arb, ...]
    entries: Floats

    def moved_to(self, order: int) -> Slopes:
        """The same, interpolated at the nodes of another order."""
        matrix = interpolation_matrix(self.order, order)
        return Slopes(order, self.units, np.einsum("ij,jce->ice", matrix, self.entries))

    def overshoot(self, half: arb) -> bool:
        """Whether an oscillation from step to step grows somewhere, which no polynomial in n shows."""
        with np.errstate(all="ignore"):
            multipliers = 1 + np.linalg.eigvals(self.entries * float(1 / half))
        return bool(((multipliers.real < 0) & (abs(multipliers) >= 1)).any())


class Collocation:
    """The equations of one leap of ``2 half`` steps from a point."""

    def __init__(self, rule: Rule, nodes: Grid, point: Point, half: arb) -> None:
        self.rule, self.grid, self.point, self.half = rule, nodes, point, half
        self.width, self.step = len(point), 1 / half
        self.summed = summation(nodes, self.step)

    def at_rest(self) -> list[list[arb]]:
        """No moves at all, the guess where there is no better one."""
        return [[arb(0)] * self.width for _ in self.grid.nodes]

    def solved(
        self, moves: list[list[arb]], goal: arb, slopes: Slopes | None = None, slack: Slack = NO_SLACK
    ) -> Solution | None:
        """Newton's method from moves guessed at the nodes, until each is found to ``goal`` relative to its coordinate.

        Or to what the slack leaves it. None where it fails.
        """
        inverse, last, stalls = None, arb(math.inf), 0
        for _ in range(MAX_SWEEPS):
            rates = [self._increments(move) for move in moves]
            reached = self._reached(rates)
            gaps = [[a - b for a, b in zip(new, old, strict=True)] for new, old in zip(reached, moves, strict=True)]
            size = self._size(gaps, reached, slack, goal)
            if size <= goal:
                columns = self.grid.coefficients(rates)
                return Solution(self._series(columns), columns)
            stalls = stalls + 1 if size > last / 2 else 0
            if not size < 1e6 or stalls > MAX_STALLS:
                return None
            if slopes is None or size > last * STALE:
                slopes, inverse = self.slopes(moves), None
            change = self._change(gaps, size, slopes, inverse)
            if change is None and inverse is None:
                inverse = self._inverse(slopes)
                change = None if inverse is None else self._change(gaps, size, slopes, inverse)
            if change is None:
                return None
            moves = [
                [(m + d).mid() for m, d in zip(move, row, strict=True)] for move, row in zip(moves, change, strict=True)
            ]
            last = size
        return None

    def slopes(self, moves: list[list[arb]]) -> Slopes:
        """By difference quotients, whose errors are far below those of float64."""
        small = arb(10) ** -(self.rule.dps // 3)
        units = tuple(largest([row[c] for row in moves]) for c in range(self.width))
        units = tuple(
            u if u > 0 else _unit(self.half * dy)
            for u, dy in zip(units, self.rule.increments(*self.point), strict=True)
        )
        entries = np.zeros((len(moves), self.width, self.width))
        for i, move in enumerate(moves):
            base = self._increments(move)
            for e in range(self.width):
                shifted = [m + small if c == e else m for c, m in enumerate(move)]
                factor = self.half * units[e] / small
                for c, (there, here) in enumerate(zip(self._increments(shifted), base, strict=True)):
                    entries[i, c, e] = float((factor * (there - here) / units[c]).mid())
        return Slopes(len(moves), units, entries)

    def _reached(self, rates: Sequence[Sequence[arb]]) -> list[list[arb]]:
        """The increments at the nodes summed up from the start: the moves to each node."""
        if self.summed is not None:
            return self.summed(rates)
        return self.grid.interpolated(self._series(self.grid.coefficients(rates)))

    def _series(self, columns: Sequence[Sequence[arb]]) -> list[list[arb]]:
        """Increments summed up, as series."""
        return [[self.half * s for s in antidifference(column, self.step, self.rule.dps)] for column in columns]

    def _increments(self, move: Sequence[arb]) -> Point:
        return self.rule.increments(*(y + m for y, m in zip(self.point, move, strict=True)))

    def _size(self, gaps: Sequence[Sequence[arb]], reached: Sequence[Sequence[arb]], slack: Slack, goal: arb) -> arb:
        """The largest gap, relative to its coordinate or how far that moves; what the slack allows is ``goal``."""
        far = [largest([row[c] for row in reached]) for c in range(self.width)]
        least, worst = largest(far) * self.rule.floor, arb(0)
        for c, y in enumerate(self.point):
            gap = largest([row[c] for row in gaps])
            if gap > 0 or not gap.is_finite():
                scale = largest([y, far[c], least])
                left = (slack.shift * far[c]).min(slack.share * scale)
                worst = worst.max(gap / scale.max(left / goal))
        return worst.mid()

    def _change(
        self, gaps: Sequence[Sequence[arb]], size: arb, slopes: Slopes, inverse: Floats | None
    ) -> list[list[arb]] | None:
        """What Newton's method adds at each node; None where float64 cannot say."""
        scales = [unit * size for unit in slopes.units]
        right = np.array([[float(g / s) for g, s in zip(gap, scales, strict=True)] for gap in gaps])
        if inverse is None:
            change = self._summed_up(right, slopes)
        else:
            change = (inverse @ right.T.reshape(-1)).reshape(self.width, len(gaps)).T
        if change is None or not np.isfinite(change).all():
            return None
        return [[d * s for d, s in zip(row, scales, strict=True)] for row in change.tolist()]

    def _summed_up(self, right: Floats, slopes: Slopes) -> Floats | None:
        """The solution by Neumann's series, which sums of sums make short unless the path is stiff; None where it is.

        It needs no large matrices, whose products by several threads cost more where these wait for each other.
        """
        term, total, least = right, right, NEGLIGIBLE * np.abs(right).max()
        for _ in range(MOST_SUMS):
            term = self.operator @ np.einsum("ice,ie->ic", slopes.entries, term)
            total = total + term
            size = np.abs(term).max()
            if not size > least:
                return total if size <= least else None
            if size > BIG_TERM * np.abs(right).max():
                return None
        return None

    @cached_property
    def operator(self) -> Floats:
        """The sums of increments at the nodes, in float64."""
        step = float(self.step)
        return antidifference_matrix(self.grid.order, step if step * self.grid.order**2 > NEGLIGIBLE else 0.0)

    def _inverse(self, slopes: Slopes) -> Floats | None:
        """The inverse of the derivative of ``moves - swept(moves)``, coordinate by coordinate."""
        order, width = self.grid.order, self.width
        full = np.zeros((width, order, width, order))
        for c in range(width):
            for e in range(width):
                full[c, :, e, :] = (c == e) * np.eye(order) - self.operator * slopes.entries[None, :, c, e]
        return inverted(full.reshape(width * order, width * order))


def inverted(matrix: Floats) -> Floats | None:
    """The inverse, by halves where it is large; None where it does not exist."""
    size = len(matrix)
    if size <= SPLIT:
        try:
            return np.asarray(np.linalg.inv(matrix), dtype=np.float64) if np.isfinite(matrix).all() else None
        except np.linalg.LinAlgError:
            return None
    half = size // 2
    a, b, c, d = matrix[:half, :half], matrix[:half, half:], matrix[half:, :half], matrix[half:, half:]
    first = inverted(a)
    second = None if first is None else inverted(d - c @ first @ b)
    if first is None or second is None:
        return None
    left, right = first @ b @ second, second @ c @ first
    return np.block([[first + left @ c @ first, -left], [-right, second]])


def _unit(move: arb) -> arb:
    return abs(move).mid() if move != 0 else arb(1)


def largest(values: Sequence[arb]) -> arb:
    """The largest absolute value of midpoints."""
    return reduce(arb.max, map(abs, values)).mid()
