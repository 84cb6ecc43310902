"""The path of a recurrence over any number of steps: leaps where it is smooth, single steps where it is not.

A leap (:mod:`symicl.collocation`) is as long as the nearest singularity of the path allows, so the number of leaps
grows with the logarithm of the number of steps. Where that is too short, at the start or for large step sizes, steps
are taken one by one. Errors are kept small but not bounded: what is read off a path is ``supported`` at best.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, arb_poly

from symicl.arithmetic import ARITHMETICS
from symicl.chebyshev import LOST, grid, in_powers, value
from symicl.collocation import NO_SLACK, Collocation, Point, Rule, Slack, Slopes, Solution, largest
from symicl.errors import BudgetError, DerivationError, InputError, UndecidedError
from symicl.evaluate import compile_expressions
from symicl.grammar import Condition
from symicl.iterate import Run
from symicl.process import LOSS
from symicl.reduce import Recurrence

BALL = ARITHMETICS["ball"]
GUARD_DIGITS = 14
MARGIN_DIGITS = 3
"""How far below the digits asked for the tail of the interpolation has to be."""

SLACK_DIGITS = 4
"""How far below what is allowed the equations of a leap are solved."""

LARGEST_SYSTEM = 1200
"""The most unknowns, nodes times coordinates, of one leap."""

COARSE_SHARE, COARSE_LEAST, COARSE_DIGITS = 4, 8, 9
"""The coarse grid that a leap starts on: its share of the nodes, its least size, the digits it is solved to."""

MAX_LEAPS = 20_000
MAX_WALK = 400_000
"""The most steps taken one by one, where the path is too rough for leaps."""

WIDEN, NARROW, SAFETY = 32.0, 0.1, 0.95


@dataclass(frozen=True)
class Leap:
    """``length`` steps from ``start`` on: the coordinates as Chebyshev series in ``x = 2 (n - start) / length - 1``.

    ``points`` are the coordinates at the nodes of the grid.
    """

    start: int
    length: int
    series: tuple[tuple[arb, ...], ...]
    points: tuple[Point, ...]

    def at(self, n: int | arb) -> Point:
        """The coordinates at step n, for ``start <= n <= start + length``."""
        x = 2 * (arb(n) - self.start) / self.length - 1
        return tuple(value(each, x).mid() for each in self.series)


@dataclass(frozen=True)
class Walk:
    """Steps taken one by one from ``start`` on: the coordinates at each."""

    start: int
    points: tuple[Point, ...]

    @property
    def length(self) -> int:
        return len(self.points) - 1

    def at(self, n: int) -> Point:
        """The coordinates at step n."""
        return self.points[n - self.start]


@dataclass(frozen=True)
class Path:
    """Pieces that follow each other from step 0 on, up to the step asked for or the first that meets the condition.

    ``point`` holds the coordinates at ``end``, ``leaps`` counts the pieces that are leaps and ``walked`` the steps
    taken one by one. ``strain`` is how many decimal digits an error of the time costs: the largest ``log10 |n dy/dn|``.
    """

    pieces: tuple[Leap | Walk, ...]
    end: int
    point: Point
    leaps: int
    walked: int
    strain: float


@dataclass(frozen=True)
class Allowance:
    """What else is good enough for a leap, as powers of 10.

    Errors no worse than a shift of the time by ``10**shift`` steps: a step depends on the state alone, so the shift
    stays what it is. And no larger than ``10**share`` of a coordinate, as not every error is a shift.
    """

    shift: float
    share: float


NOTHING = Allowance(-math.inf, -math.inf)


def follow(
    recurrence: Recurrence,
    run: Run,
    digits: int,
    order: int,
    near: Path | None = None,
    allowance: Allowance = NOTHING,
) -> Path:
    """The path at one order (nodes a leap), each leap to a relative ``10**-digits`` of its coordinates.

    ``near`` is a path that should be near this one. It saves time: what it says of a leap is the first guess, and kept
    where it solves this path's own equations at this path's own nodes to the tolerance.
    Raises ``BudgetError`` where the path is too rough, steps overshoot, the condition is not met within
    ``10**run.ceiling`` steps, or the time is up; ``InputError`` for a run that does not start looking at once;
    ``DerivationError`` for parameters without a value and for systems too large.
    """
    if order * len(recurrence.coordinates) > LARGEST_SYSTEM:
        raise DerivationError(
            f"{len(recurrence.coordinates)} coordinates are too many for leaps", remedy="use --method step"
        )
    if run.not_before:
        raise InputError(
            "a leap looks for the first step of all", where=f"not before {run.not_before}", remedy="use --method step"
        )
    guard = GUARD_DIGITS
    while True:
        with BALL.working(digits + guard):
            try:
                return _Follower(recurrence, run, digits, guard, order, near, allowance).path()
            except _StiffError as error:
                guard = 2 * error.guard
                if digits + guard > run.ceiling + GUARD_DIGITS:
                    raise BudgetError(
                        f"the path is so stiff that it takes {digits + guard} digits to get {digits}",
                        where=error.where,
                        remedy="ask for fewer digits or steps",
                    ) from None


class _StiffError(BudgetError):
    """More guard digits are needed: ``guard``."""

    def __init__(self, guard: int, where: str) -> None:
        super().__init__("more digits are needed", where=where)
        self.guard = guard


class _Follower:
    """One pass along the path at one precision."""

    def __init__(
        self,
        recurrence: Recurrence,
        run: Run,
        digits: int,
        guard: int,
        order: int,
        near: Path | None,
        allowance: Allowance,
    ) -> None:
        self.run, self.digits, self.guard, self.dps, self.allowance = run, digits, guard, digits + guard, allowance
        self.grid = grid(order, self.dps)
        self.allowed = -(digits + MARGIN_DIGITS)
        self.goal = arb(10) ** (self.allowed - 2)
        self.shortest = max(64, order * order // 2)
        self.ceiling = 10**run.ceiling
        self.deadline = None if run.timeout is None else time.monotonic() + run.timeout
        size = {recurrence.symmetric.system.step_size: run.eta}

        def compiled(expressions: Sequence[Any], arguments: Sequence[Any]) -> Callable[..., Point]:
            return compile_expressions(expressions, arguments, BALL, self.dps)

        self.increments = compiled([u.xreplace(size) for u in recurrence.updates], recurrence.coordinates)
        self.rule = Rule(self.increments, self.dps, arb(10) ** -digits)
        self.near = [] if near is None else [piece for piece in near.pieces if isinstance(piece, Leap)]
        self.opened: dict[int, list[arb_poly]] = {}
        self.sides = None if run.until is None else compiled(_sides(recurrence, run.until), recurrence.coordinates)
        self.start = tuple(arb(y) for y in compiled(recurrence.start, ())())
        self.strain = 0.0
        self.possible = 0

    # The condition.

    def met(self, point: Point) -> bool:
        """Whether the condition holds at a point; never without one."""
        if self.sides is None or self.run.until is None:
            return False
        left, right = (arb(side).mid() for side in self.sides(*point))
        relation = self.run.until.relation
        gap = right - left if relation[0] == "<" else left - right
        return bool(gap >= 0 if "=" in relation else gap > 0)

    # The way.

    def path(self) -> Path:
        """Leaps and walks to the end."""
        pieces: list[Leap | Walk] = []
        n, point, length, leaps, walked = 0, self.start, self.shortest, 0, 0
        if self.run.steps == 0 or self.met(point):
            return Path((), 0, point, 0, 0, 0.0)
        stride = self.shortest
        while True:
            self._check_budget(n, leaps, walked)
            leap, length = self._leap(n, point, length)
            piece = leap or self._walk(n, point, stride)
            if leap is None:
                stride, walked = 2 * stride, walked + piece.length
            else:
                stride, leaps = self.shortest, leaps + 1
            pieces.append(piece)
            end = self._end(piece)
            if end is not None:
                return Path(tuple(pieces), end, piece.at(end), leaps, walked, self.strain)
            n += piece.length
            point = piece.at(n)

    def _check_budget(self, n: int, leaps: int, walked: int) -> None:
        where = f"step {_size(n)}"
        if (self.deadline is not None and time.monotonic() > self.deadline) or self.run.cancelled():
            raise BudgetError("the time is up before the leap arrived", where=where, remedy="raise --timeout")
        if n > self.ceiling or leaps > MAX_LEAPS:
            raise BudgetError("the condition is not met so far", where=where, remedy="choose a target that is reached")
        if walked > MAX_WALK:
            raise BudgetError(
                f"the path is too rough for leaps of {self.shortest} steps or more at {self.digits} digits",
                where=where,
                remedy="take a smaller step size, ask for fewer digits, or use --method step",
            )

    def _walk(self, n: int, point: Point, most: int) -> Walk:
        """Steps one by one, up to the end."""
        points = [point]
        for step in range(n + 1, n + most + 1):
            point = tuple((y + dy).mid() for y, dy in zip(point, self.increments(*point), strict=True))
            points.append(point)
            if step == self.run.steps or self.met(point):
                break
        self._strained(n + len(points) - 1, [abs(dy) for dy in self.increments(*point)])
        return Walk(n, tuple(points))

    def _end(self, piece: Leap | Walk) -> int | None:
        """The step at which the run ends, if this piece holds it."""
        last = piece.start + piece.length
        if self.run.steps is not None:
            return self.run.steps if self.run.steps <= last else None
        if isinstance(piece, Walk):
            return last if self.met(piece.at(last)) else None
        before = piece.start
        for x, point in zip((*self.grid.nodes, arb(1)), (*piece.points, piece.at(last)), strict=True):
            after = last if x == 1 else min(last, piece.start + 1 + int(piece.length * Fraction(float(1 + x)) / 2))
            if self.met(point) and after > before and self.met(piece.at(after)):
                return self._first(piece, before, after)
            before = after
        return None

    def _first(self, piece: Leap, before: int, after: int) -> int:
        """The step that meets the condition first, by bisection."""
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (before, middle) if self.met(piece.at(middle)) else (middle, after)
        return after

    def _strained(self, n: int, speeds: Sequence[arb]) -> None:
        for speed in speeds:
            if speed > 0:
                self.strain = max(self.strain, _log10(speed * n))

    # One leap.

    def _leap(self, n: int, point: Point, length: int) -> tuple[Leap | None, int]:
        """A leap and how long the next one may be; None where the path is too rough for the shortest."""
        while length >= self.shortest:
            try:
                solution = self._solved(n, point, length)
            except UndecidedError:  # a trial point so far out that the update has no value there
                solution = None
            if solution is None:
                length = length // 4
                continue
            factor, reach, smooth = self._smoothness(point, solution, length)
            if smooth:
                self._strained(n + length, [largest(rate) for rate in solution.rates])
                return self._made(n, point, length, solution), self._next(length, factor, reach)
            length = _scaled(length, max(NARROW, min(0.7, SAFETY * factor)))
        return None, self.shortest

    def _next(self, length: int, factor: float, reach: float) -> int:
        """The length for the next leap, where this one could have been ``factor`` times as long.

        A leap may be as long as the nearest singularity is ``reach`` half-lengths from its middle: ahead, if what is
        possible gets less from leap to leap, else behind.
        """
        possible = min(WIDEN, factor)
        ahead, self.possible = _scaled(length, possible) < self.possible, _scaled(length, possible)
        next_one = (reach * possible - 1) / (reach + 1) if ahead else (reach * possible + 1) / max(reach - 1, 1e-9)
        return max(self.shortest, _scaled(length, SAFETY * max(1 / WIDEN, min(WIDEN, next_one))))

    def _made(self, n: int, point: Point, length: int, solution: Solution) -> Leap:
        series = tuple((y + each[0], *each[1:]) for y, each in zip(point, solution.moves, strict=True))
        return Leap(n, length, series, tuple(tuple(row) for row in self.grid.interpolated(series)))

    def _solved(self, n: int, point: Point, length: int) -> Solution | None:
        """A leap, by way of a coarse grid, or from the path nearby; None where Newton's method fails."""
        half = arb(length) / 2
        few = grid(max(COARSE_LEAST, self.grid.order // COARSE_SHARE), self.dps)
        coarse, fine = (Collocation(self.rule, nodes, point, half) for nodes in (few, self.grid))
        rough, guess = (self._nearby(n, point, length, nodes.nodes) for nodes in (few, self.grid))
        if rough is None or guess is None:
            found = coarse.solved(coarse.at_rest(), arb(10) ** -COARSE_DIGITS)
            if found is None:
                return None
            rough, guess = few.interpolated(found.moves), self.grid.interpolated(found.moves)
        slopes = coarse.slopes(rough)
        if slopes.overshoot(half):
            raise BudgetError(
                "steps overshoot here, and what oscillates from step to step grows",
                where=f"step {_size(n)}, eta = {self.run.eta}",
                remedy="take a smaller step size, or use --method step",
            )
        self._check_stiffness(slopes, n)
        return fine.solved(guess, self.goal, slopes.moved_to(self.grid.order), self._slack(half))

    def _slack(self, half: arb) -> Slack:
        """What the allowance comes to in the equations of a leap, which are solved a little better than that."""
        if self.allowance == NOTHING:
            return NO_SLACK
        shift, share = (arb(10) ** math.floor(e - SLACK_DIGITS) for e in (self.allowance.shift, self.allowance.share))
        return Slack(shift / half, share)

    def _check_stiffness(self, slopes: Slopes, n: int) -> None:
        """A coordinate slaved to the rest moves by a small difference of large increments, which costs digits."""
        needed = GUARD_DIGITS + math.ceil(math.log10(max(1.0, float(np.abs(slopes.entries).max()))))
        if needed > self.guard + GUARD_DIGITS // 2:
            raise _StiffError(needed, f"step {_size(n)}")

    def _nearby(self, n: int, point: Point, length: int, nodes: Sequence[arb]) -> list[list[arb]] | None:
        """The moves at the nodes of a leap by the path nearby; None where that has no leaps."""
        while self.near and self.near[0].start + self.near[0].length <= n:
            self.opened.pop(self.near.pop(0).start, None)
        if not self.near or self.near[0].start > n or self.near[-1].start + self.near[-1].length < n + length:
            return None
        places = [n + length * (1 + x) / 2 for x in nodes]
        points: list[list[arb]] = []
        for piece, following in zip(self.near, [*self.near[1:], None], strict=True):
            end = piece.start + piece.length
            own = [place for place in places[len(points) :] if place <= end]
            points += self._read(piece, [2 * (place - piece.start) / piece.length - 1 for place in own]) if own else []
            if len(points) == len(places):
                break
            if following is None or following.start != end:  # a walk lies between
                return None
        return [[(there - here).mid() for there, here in zip(row, point, strict=True)] for row in points]

    def _read(self, piece: Leap, places: Sequence[arb]) -> list[list[arb]]:
        """The coordinates at many places of a leap nearby."""
        with BALL.working(self.dps + math.ceil(LOST * len(piece.series[0]))):
            if piece.start not in self.opened:
                self.opened[piece.start] = [in_powers(each) for each in piece.series]
            return [[each(x).mid() for each in self.opened[piece.start]] for x in places]

    def _smoothness(self, point: Point, solution: Solution, length: int) -> tuple[float, float, bool]:
        """How much longer than this a leap may be, its reach, and whether this one is short enough."""
        tops = [largest(rate) * length / 2 for rate in solution.rates]
        least = largest(tops) * self.rule.floor
        factor, reach, smooth = math.inf, math.inf, True
        slack = self.allowance.shift - _log10(arb(length) / 2)
        for y, top, rate in zip(point, tops, solution.rates, strict=True):
            if top > 0:
                share = _log10(largest([y, top, least]) / top)
                enough = min(slack, self.allowance.share + share)
                allowed = max(enough, self.allowed + share)
                noise = max(enough - SLACK_DIGITS // 2, -(self.digits + GUARD_DIGITS // 2))
                sizes = [abs(c) * length / 2 / top for c in rate]
                logs = [_log10(size) if size > 0 else -math.inf for size in sizes]
                smooth = smooth and max(logs[-2:]) <= allowed
                factor, reach = min((factor, reach), self._decay(logs, allowed, noise))
        return factor, reach, smooth

    def _decay(self, logs: Sequence[float], allowed: float, noise: float) -> tuple[float, float]:
        """How much longer a leap may be for one coordinate, from logarithms of its coefficients and of the last one's.

        They fall like ``rho^-j``, with ``rho = a + sqrt(a^2-1)`` for a singularity a half-lengths from the middle; the
        reach is the least a.
        """
        envelope = [max(pair) for pair in pairwise(logs)]
        last = max((j for j, size in enumerate(envelope) if size > noise), default=0)
        if allowed >= 0 or last == 0:
            return math.inf, math.inf
        rho = 10 ** min(30.0, max(0.0, -envelope[last]) / last)
        wanted = 10 ** (-allowed / (self.grid.order - 1))
        reach = (wanted + 1 / wanted) / 2
        return (rho + 1 / rho) / 2 / reach, reach


def _sides(recurrence: Recurrence, condition: Condition) -> list[sp.Expr]:
    """Both sides of a condition, in the coordinates."""
    meaning = dict(zip(recurrence.states, recurrence.lift, strict=True)) | {LOSS: recurrence.loss}
    return [side.xreplace(meaning) for side in (condition.left, condition.right)]


def _log10(x: arb) -> float:
    return float(x.log()) / math.log(10)


def _scaled(length: int, factor: float) -> int:
    return length * int(1024 * factor) // 1024


def _size(n: int) -> str:
    return str(n) if n < 10**9 else f"10**{len(str(n)) - 1}"
