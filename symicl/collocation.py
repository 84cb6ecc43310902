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
from functools import reduce
from typing import Any

import numpy as np
from flint import arb

from symicl.chebyshev import Grid, antidifference, antidifference_matrix, interpolation_matrix

Point = tuple[arb, ...]
Floats = np.ndarray[Any, np.dtype[np.float64]]

STALE = 1e-6
"""A Jacobian is kept while each sweep gains at least this factor."""

NEGLIGIBLE = 1e-17
SPLIT = 96
"""Linear systems up to here are solved by one thread; larger ones are halved, because threads wait for each other."""

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

    def at_rest(self) -> list[list[arb]]:
        """No moves at all, the guess where there is no better one."""
        return [[arb(0)] * self.width for _ in self.grid.nodes]

    def solved(self, moves: list[list[arb]], goal: arb, slopes: Slopes | None = None) -> Solution | None:
        """Newton's method from moves guessed at the nodes, until each is found to ``goal`` relative to its coordinate.

        None where it fails.
        """
        inverse = None if slopes is None else self._inverse(slopes)
        last, stalls = arb(math.inf), 0
        for _ in range(MAX_SWEEPS):
            rates, series, reached = self._swept(moves)
            gaps = [[a - b for a, b in zip(new, old, strict=True)] for new, old in zip(reached, moves, strict=True)]
            size = self._size(gaps, reached)
            if size <= goal:
                return Solution(series, rates)
            stalls = stalls + 1 if size > last / 2 else 0
            if not size < 1e6 or stalls > MAX_STALLS:
                return None
            if slopes is None or inverse is None or size > last * STALE:
                slopes = self.slopes(moves)
                inverse = self._inverse(slopes)
            change = None if inverse is None else self._change(gaps, size, slopes.units, inverse)
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

    def _swept(self, moves: list[list[arb]]) -> tuple[list[list[arb]], list[list[arb]], list[list[arb]]]:
        """The increments at the nodes as series; these summed up, as series and at the nodes."""
        columns = self.grid.coefficients([self._increments(move) for move in moves])
        sums = [[self.half * s for s in antidifference(column, self.step, self.rule.dps)] for column in columns]
        return columns, sums, self.grid.interpolated(sums)

    def _increments(self, move: Sequence[arb]) -> Point:
        return self.rule.increments(*(y + m for y, m in zip(self.point, move, strict=True)))

    def _size(self, gaps: Sequence[Sequence[arb]], reached: Sequence[Sequence[arb]]) -> arb:
        """The largest gap, relative to its coordinate or how far that moves."""
        far = [largest([row[c] for row in reached]) for c in range(self.width)]
        least, worst = largest(far) * self.rule.floor, arb(0)
        for c, y in enumerate(self.point):
            gap = largest([row[c] for row in gaps])
            if gap > 0 or not gap.is_finite():
                worst = worst.max(gap / largest([y, far[c], least]))
        return worst.mid()

    def _change(
        self, gaps: Sequence[Sequence[arb]], size: arb, units: Sequence[arb], inverse: Floats
    ) -> list[list[arb]] | None:
        """What Newton's method adds at each node; None where float64 cannot say."""
        scales = [unit * size for unit in units]
        right = np.array([[float(g / s) for g, s in zip(gap, scales, strict=True)] for gap in gaps])
        change = (inverse @ right.T.reshape(-1)).reshape(self.width, len(gaps)).T
        if not np.isfinite(change).all():
            return None
        return [[arb(float(d)) * s for d, s in zip(row, scales, strict=True)] for row in change]

    def _inverse(self, slopes: Slopes) -> Floats | None:
        """The inverse of the derivative of ``moves - swept(moves)``, coordinate by coordinate."""
        order, width = self.grid.order, self.width
        step = float(self.step)
        operator = antidifference_matrix(order, step if step * order**2 > NEGLIGIBLE else 0.0)
        full = np.zeros((width, order, width, order))
        for c in range(width):
            for e in range(width):
                full[c, :, e, :] = (c == e) * np.eye(order) - operator * slopes.entries[None, :, c, e]
        return inverted(full.reshape(width * order, width * order))


def inverted(matrix: Floats) -> Floats | None:
    """The inverse, by halves where it is large; None where it does not exist."""
    size = len(matrix)
    if size <= SPLIT or size > 2 * SPLIT:
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
    return reduce(arb.max, (abs(each).mid() for each in values))
