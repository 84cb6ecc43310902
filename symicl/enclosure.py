"""Certified maxima over boxes: branch and bound in balls, from both sides.

From above, a piece of the box has the smaller of two bounds: the expression evaluated on balls, and the mean-value form
``g(c) + sum_i max dg/dx_i (x_i - c_i)``, whose derivatives come from the expression's own code run backwards and whose
centre c is the one that makes it smallest (E. Baumann, "Optimal centered forms", BIT 28, 1988). Where a constraint
``h <= 0`` is undecided on a piece, ``g - lambda h`` stands in for g: on feasible points it is at least g, for any
``lambda >= 0``. From below, a float search proposes points, and a ball decides what each gives.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, fmpq

from symicl.arithmetic import ARITHMETICS, check_dps, exact_ratio
from symicl.errors import InputError
from symicl.tape import BALLS, FLOATS, Code, Hypotenuse, ball_power, compiled

Box = Sequence[tuple[sp.Symbol, Any, Any]]
"""Sides (symbol, low, high), exact rationals with ``low <= high``; a symbol whose ends are equal is fixed."""

MAX_BOXES = 100_000
TOLERANCE = sp.Rational(1, 100)
FINEST = 2.0**-48
"""No side is split below this share of its length, so that its ends stay exact float64 numbers."""

STARTS = 12
"""Points from which the float search starts before the first split."""

ASCENT_STEPS = 200


@dataclass(frozen=True)
class Enclosure:
    """``lower <= maximum <= upper``, both certified, both balls of radius zero (or infinite).

    ``where`` is an exact feasible point at which the value is at least ``lower``; it is empty, and ``lower`` minus
    infinity, where none was found. ``boxes`` counts the pieces examined; ``reached`` says whether
    ``upper - lower <= tolerance * |lower|``.
    """

    lower: arb
    upper: arb
    where: Mapping[sp.Symbol, sp.Rational]
    boxes: int
    reached: bool


def maximum(
    expression: sp.Expr,
    box: Box,
    *,
    within: Sequence[sp.Expr] = (),
    tolerance: Any = TOLERANCE,
    max_boxes: int = MAX_BOXES,
    dps: int = 30,
    cancelled: Callable[[], bool] = lambda: False,
) -> Enclosure:
    """Enclose the maximum of an expression over the points of a box at which every one of ``within`` is <= 0.

    The expressions hold real symbols, exact numbers, sums, products, powers, exp and log. The search ends when the
    relative gap is at most ``tolerance``, after ``max_boxes`` pieces, or when ``cancelled``, polled at each split, says
    so; the bounds hold in any case. Where something is undefined in the box (or only just defined, as a root at 0),
    ``upper`` stays infinite. Raises ``InputError`` for a box, an expression or an option not of this kind, and where no
    point meets the constraints.
    """
    gap = _checked_gap(tolerance, max_boxes)
    with ARITHMETICS["ball"].working(check_dps(dps)):
        return _search(_problem(expression, box, within), arb(gap), max_boxes, cancelled)


def maximum_norm(
    matrix: Sequence[Sequence[sp.Expr]] | sp.MatrixBase,
    box: Box,
    *,
    within: Sequence[sp.Expr] = (),
    tolerance: Any = TOLERANCE,
    max_boxes: int = MAX_BOXES,
    dps: int = 30,
    cancelled: Callable[[], bool] = lambda: False,
) -> Enclosure:
    """As ``maximum``, for the spectral norm of a matrix of expressions (rows of equal length, or a SymPy matrix).

    Its square is the sum of squares where there is one row or one column, and the larger of two eigenvalues where there
    are two. Beyond, with k the lesser number, it is the maximum of ``|J w|^2`` over half the unit sphere: the search
    has k - 1 dimensions more, and is much slower. Raises as ``maximum``, and for what is not a matrix.
    """
    rows = matrix.tolist() if isinstance(matrix, sp.MatrixBase) else [list(row) for row in matrix]
    if not rows or not rows[0] or len({len(row) for row in rows}) != 1:
        raise InputError("not a matrix", where=f"{rows}", remedy="give at least one row, and rows of equal length")
    gap = _checked_gap(tolerance, max_boxes)
    square, extra = _norm_squared([[_read(entry) for entry in row] for row in rows])
    with ARITHMETICS["ball"].working(check_dps(dps)):
        sides = [*box, *((t, -1, 1) for t in extra)]
        found = _search(_problem(square, sides, within), arb(gap * (gap + 2)), max_boxes, cancelled)
        where = {symbol: value for symbol, value in found.where.items() if symbol not in extra}
        lower, upper = found.lower.max(arb(0)).sqrt().lower().max(arb(0)), found.upper.max(arb(0)).sqrt().upper()
        return Enclosure(lower, upper, where, found.boxes, bool(upper - lower <= arb(gap) * lower))


def _norm_squared(rows: Sequence[Sequence[sp.Expr]]) -> tuple[sp.Expr, list[sp.Symbol]]:
    """An expression whose maximum over extra symbols in [-1, 1] is the square of the spectral norm."""
    short = rows if len(rows[0]) <= len(rows) else list(zip(*rows, strict=True))
    if len(short[0]) == 2:
        p, q, r = (sp.Add(*(row[i] * row[j] for row in short)) for i, j in ((0, 0), (1, 1), (0, 1)))
        return (p + q) / 2 + Hypotenuse((p - q) / 2, r), []
    extra = [sp.Dummy(f"t{i}", real=True) for i in range(1, len(short[0]))]
    scale = 1 / (1 + sp.Add(*(t**2 for t in extra)))
    sphere = [*(2 * t * scale for t in extra), 2 * scale - 1]
    return sp.Add(*(sp.Add(*(e * w for e, w in zip(row, sphere, strict=True))) ** 2 for row in short)), extra


def largest_singular_value(rows: Sequence[Sequence[arb]]) -> arb:
    """Enclose the spectral norms of all matrices in a small matrix of balls (rows of equal length).

    With M the midpoints and E the radii, ``| |M + E| - |M| | <= |E|_F``. ``|M|`` is at least ``|M v| / |v|`` for any v,
    and its square at most ``|M|_F^2`` and at most ``max_i sum_j |V'M'M V|_ij / (1 - max_i sum_j |V'V - 1|_ij)``
    (Gershgorin, for the pencil); v and V, approximate eigenvectors, are proposed in floats. Apart from ``|E|_F``, the
    two meet to about 1e-15, relative. Computed at the working precision. A matrix with an entry that is not finite
    gives an infinite ball. Raises ``InputError`` for rows of different lengths.
    """
    if len({len(row) for row in rows}) > 1:
        raise InputError("not a matrix", where="rows of different lengths", remedy="give rows of equal length")
    if not all(entry.is_finite() for row in rows for entry in row):
        return arb(0, inf)
    top = arb(0)
    for entry in (entry for row in rows for entry in row):
        top = top.max(abs(entry).upper())
    if not top > 0:
        return arb(0)
    middle = [[entry.mid() / top for entry in row] for row in rows]
    error = _length([entry.rad() / top for row in rows for entry in row])
    if len(middle[0]) > len(middle):
        middle = [list(column) for column in zip(*middle, strict=True)]
    high = _length([entry for row in middle for entry in row])
    vectors = _eigenvectors(middle)
    images = [[_dot(row, v) for row in middle] for v in vectors]
    low = _length(images[-1]) / _length(vectors[-1])
    largest, slack = arb(0), arb(0)
    for i, v in enumerate(vectors):
        largest = largest.max(sum((abs(_dot(images[i], image)) for image in images), arb(0)))
        slack = slack.max(sum((abs(_dot(v, w) - (i == j)) for j, w in enumerate(vectors)), arb(0)))
    if slack < 1:
        high = high.min((largest / (1 - slack)).sqrt())
    return top * ((low - error).lower().max(arb(0))).union((high + error).upper())


def _eigenvectors(rows: Sequence[Sequence[arb]]) -> list[list[arb]]:
    """Proposed eigenvectors of ``M'M``, that of the largest eigenvalue last."""
    numbers = np.array([[float(entry) for entry in row] for row in rows])
    _, columns = np.linalg.eigh(numbers.T @ numbers)
    return [[arb(float(entry)) for entry in column] for column in columns.T]


def _dot(left: Sequence[arb], right: Sequence[arb]) -> arb:
    return sum((x * y for x, y in zip(left, right, strict=True)), arb(0))


def _length(vector: Iterable[arb]) -> arb:
    return sum((ball_power(x, 2) for x in vector), arb(0)).sqrt()


def _checked_gap(tolerance: object, max_boxes: object) -> fmpq:
    gap = _exact(tolerance, "tolerance")
    if gap <= 0:
        raise InputError("the relative gap must be positive", where=f"tolerance = {tolerance}", remedy="give 1/100")
    if not isinstance(max_boxes, int) or max_boxes < 1:
        raise InputError("not a budget", where=f"max_boxes = {max_boxes}", remedy="give a positive integer")
    return gap


def _exact(value: object, where: str) -> fmpq:
    try:
        return fmpq(*exact_ratio(value))
    except TypeError as error:
        remedy = "give an integer or a fraction, as in Fraction(1, 10); ends must be finite"
        raise InputError("not an exact finite number", where=f"{where} = {value!r}", remedy=remedy) from error


def _rational(value: fmpq) -> sp.Rational:
    return sp.Rational(int(value.p), int(value.q))


def _read(expression: object) -> sp.Expr:
    """What the caller gave as an expression. Raises ``InputError`` for floats and for what is none."""
    try:
        read = sp.sympify(expression, strict=True)
    except sp.SympifyError:
        read = None
    if not isinstance(read, sp.Expr):
        raise InputError("not an expression", where=f"{expression!r}", remedy="give a SymPy expression")
    if read.has(sp.Float):
        raise InputError("a float is not exact", where=str(read), remedy="write it as a fraction, Rational(1, 10)")
    return read


@dataclass(frozen=True)
class _Side:
    """A side of positive width, exactly, in balls, and in floats; the unit coordinate of ``low + width t`` is t."""

    symbol: sp.Symbol
    low: fmpq
    width: fmpq
    ball: tuple[arb, arb]
    proposed: tuple[float, float]


@dataclass(frozen=True)
class _Problem:
    """Goal and constraints over the free sides, in balls and, to propose points, in floats."""

    sides: tuple[_Side, ...]
    fixed: Mapping[sp.Symbol, sp.Rational]
    goal: Code
    limits: tuple[Code, ...]
    proposed_goal: Code
    proposed_limits: tuple[Code, ...]

    def balls(self, lows: Sequence[float], highs: Sequence[float]) -> list[arb]:
        """The sides of a piece; its ends are dyadic and few bits long, so their sums and differences are exact."""
        return [
            side.ball[0] + side.ball[1] * (arb((a + b) / 2, (b - a) / 2) if a < b else arb(a))
            for side, a, b in zip(self.sides, lows, highs, strict=True)
        ]

    def floats(self, point: Sequence[float]) -> list[float]:
        return [side.proposed[0] + side.proposed[1] * t for side, t in zip(self.sides, point, strict=True)]

    def scaled(self, slopes: Sequence[arb]) -> list[arb]:
        """Derivatives by the unit coordinates."""
        return [slope * side.ball[1] for slope, side in zip(slopes, self.sides, strict=True)]

    def exact(self, point: Sequence[float]) -> dict[sp.Symbol, sp.Rational]:
        free = {
            side.symbol: _rational(side.low + side.width * fmpq(*t.as_integer_ratio()))
            for side, t in zip(self.sides, point, strict=True)
        }
        return {**self.fixed, **free}


def _problem(expression: sp.Expr, box: Box, within: Sequence[sp.Expr]) -> _Problem:
    ends = dict(_ends(box))
    fixed = {symbol: _rational(low) for symbol, (low, high) in ends.items() if low == high}
    ball, float64 = ARITHMETICS["ball"].number, ARITHMETICS["float64"].number
    sides = tuple(
        _Side(symbol, low, high - low, (ball(low), ball(high - low)), (float64(low), float64(high - low)))
        for symbol, (low, high) in ends.items()
        if low < high
    )
    free = [side.symbol for side in sides]
    read = [_substituted(each, ends, fixed) for each in (expression, *within)]
    goal, *limits = (compiled(each, free, BALLS) for each in read)
    proposed_goal, *proposed_limits = (compiled(each, free, FLOATS) for each in read)
    return _Problem(sides, fixed, goal, tuple(limits), proposed_goal, tuple(proposed_limits))


def _ends(box: Box) -> Iterator[tuple[sp.Symbol, tuple[fmpq, fmpq]]]:
    seen = set()
    for side in box:
        if (
            not isinstance(side, tuple | list)
            or len(side) != 3
            or not isinstance(side[0], sp.Symbol)
            or side[0] in seen
        ):
            remedy = "give (symbol, low, high), each symbol once"
            raise InputError("not a side of a box", where=f"{side}", remedy=remedy)
        symbol, low, high = side[0], _exact(side[1], f"low end of {side[0]}"), _exact(side[2], f"high end of {side[0]}")
        if low > high:
            raise InputError("the ends of a side are the wrong way round", where=f"{side}", remedy="give low <= high")
        ends = [_rational(end) for end in (low, high)] + [sp.S.Zero] * (low <= 0 <= high)
        known = symbol.assumptions0.items()
        wrong = any(getattr(end, f"is_{name}", None) not in (None, value) for name, value in known for end in ends)
        if wrong or (low < high and symbol.is_rational is not None):
            raise InputError(
                "the side holds values that its symbol is assumed not to have",
                where=f"{symbol} in [{low}, {high}]",
                remedy="use a symbol that is just real",
            )
        seen.add(symbol)
        yield symbol, (low, high)


def _substituted(expression: object, ends: Mapping[sp.Symbol, Any], fixed: Mapping[sp.Symbol, Any]) -> sp.Expr:
    read = _read(expression)
    unknown = ", ".join(sorted(str(symbol) for symbol in read.free_symbols - set(ends)))
    if unknown:
        raise InputError(f"no side for {unknown}", where=str(read), remedy="give the box a side for every symbol")
    value = read.xreplace(dict(fixed))
    if value.has(sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I):
        raise InputError("not a finite real expression at the fixed values", where=str(read), remedy="fix other values")
    return value


@dataclass(frozen=True)
class _Piece:
    """A part of the box in unit coordinates, with what is known of it.

    ``pending`` are the constraints not certainly met everywhere on it, ``axis`` the side to split (None: all are too
    short), ``centre`` a point of it, and ``value`` the value there, None where it is not certainly feasible.
    """

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    pending: tuple[int, ...]
    upper: arb
    axis: int | None = None
    centre: tuple[float, ...] = ()
    value: arb | None = None

    def halves(self) -> Iterator[_Piece]:
        i = self.axis
        assert i is not None
        middle = (self.lows[i] + self.highs[i]) / 2
        for a, b in ((self.lows[i], middle), (middle, self.highs[i])):
            lows, highs = (*self.lows[:i], a, *self.lows[i + 1 :]), (*self.highs[:i], b, *self.highs[i + 1 :])
            yield _Piece(lows, highs, self.pending, self.upper)


def _examined(problem: _Problem, piece: _Piece, floor: arb) -> _Piece | None:
    """The piece made smaller where that keeps its maximum, and bounded; None where it need not be looked at again.

    That is: no point of it is feasible, or none exceeds ``floor``, or none is a maximum because the goal still rises
    beyond its end.
    """
    lows, highs, pending = list(piece.lows), list(piece.highs), list(piece.pending)
    while True:
        balls = problem.balls(lows, highs)
        for j in list(pending):
            limit = problem.limits[j].value(*balls)
            if limit > 0:
                return None
            if limit < 0:  # not "<=": a step beyond the piece must stay feasible
                pending.remove(j)
        natural, *slopes = problem.goal.slopes(*balls)
        if natural <= floor:
            return None
        blocked = frozenset().union(*(problem.limits[j].symbols for j in pending))
        moved = False
        for i, slope in enumerate(slopes if natural.is_finite() else ()):
            if lows[i] == highs[i] or i in blocked:
                continue
            if slope >= 0:
                if slope > 0 and highs[i] < 1:
                    return None
                lows[i], moved = highs[i], True
            elif slope <= 0:
                if slope < 0 and lows[i] > 0:
                    return None
                highs[i], moved = lows[i], True
        if not moved:
            break
    upper = natural.upper() if natural.is_finite() else arb(inf)
    small = _Piece(tuple(lows), tuple(highs), tuple(pending), upper.min(piece.upper))
    small = _centred(problem, small, balls, slopes)
    return None if small.upper <= floor else small


def _centred(problem: _Problem, piece: _Piece, balls: Sequence[arb], slopes: Sequence[arb]) -> _Piece:
    """The piece with the mean-value bound, its centre, and the side along which the goal may change most."""
    lows, highs, pending = piece.lows, piece.highs, piece.pending
    slopes = problem.scaled(slopes)
    lengths = [b - a for a, b in zip(lows, highs, strict=True)]
    sizes = _sizes(slopes)
    multipliers = {}
    for j in pending:
        limit, *gradient = problem.limits[j].slopes(*balls)
        gradient = problem.scaled(gradient)
        factor = _multiplier(limit, gradient, slopes, lengths)
        if factor > 0:
            multipliers[j] = arb(factor)
            slopes = [s - multipliers[j] * h for s, h in zip(slopes, gradient, strict=True)]
            sizes = _sizes(slopes)
        else:
            sizes = _joined(sizes, _sizes(gradient))
    ends = [(float(slope.lower()), float(slope.upper())) for slope in slopes]
    centre = tuple(_balance(a, b, *end) for a, b, end in zip(lows, highs, ends, strict=True))
    point = problem.balls(centre, centre)
    value = problem.goal.value(*point)
    limits = {j: problem.limits[j].value(*point) for j in pending}
    excess = [
        (slope.upper() * (arb(b) - arb(c))).max(slope.lower() * (arb(a) - arb(c))) if a < b else arb(0)
        for slope, a, b, c in zip(slopes, lows, highs, centre, strict=True)
    ]
    bound = value - sum((factor * limits[j] for j, factor in multipliers.items()), arb(0))
    bound += sum((part.max(arb(0)) for part in excess), arb(0))
    upper = bound.upper().min(piece.upper) if bound.is_finite() else piece.upper
    splittable = [i for i, length in enumerate(lengths) if length > FINEST]
    axis = max(splittable, key=lambda i: (sizes[i] * lengths[i], lengths[i]), default=None)
    feasible = value.is_finite() and all(limit <= 0 for limit in limits.values())
    return _Piece(lows, highs, pending, upper, axis, centre, value if feasible else None)


def _sizes(slopes: Sequence[arb]) -> list[float]:
    """Bounds on the slopes for choosing a side; infinite where nothing is known."""
    return [float(slope.abs_upper()) if slope.is_finite() else inf for slope in slopes]


def _joined(sizes: Sequence[float], constraint: Sequence[float]) -> list[float]:
    """The sizes of the goal's slopes, plus a quarter of those of a constraint, scaled to the same greatest.

    A constraint that does not bind on the piece as a whole must still be decided: by splitting sides the goal may not
    depend on.
    """
    above, below = max(sizes, default=0.0), max(constraint, default=0.0)
    share = above / below / 4 if 0 < above < inf and 0 < below < inf else 1.0
    return [x + share * y for x, y in zip(sizes, constraint, strict=True)]


def _multiplier(limit: arb, gradient: Sequence[arb], slopes: Sequence[arb], lengths: Sequence[float]) -> float:
    """The factor with the lowest bound on the goal less so many times the constraint, both taken as linear.

    That bound is convex in the factor, with its corners where one of the slopes cancels.
    """
    sides = [(float(s), float(h), x / 2) for s, h, x in zip(slopes, gradient, lengths, strict=True) if x > 0]
    middle = float(limit)

    def bound(factor: float) -> float:
        value = sum(abs(s - factor * h) * x for s, h, x in sides) - factor * middle
        return value if isfinite(value) else inf

    return min((0.0, *(s / h for s, h, _ in sides if s * h > 0)), key=bound)


def _balance(a: float, b: float, low: float, high: float) -> float:
    """The point of [a, b] from which slopes in [low, high] lead equally far up to both ends."""
    if not (low < 0 < high and isfinite(high - low)):
        return b if low >= 0 else a if high <= 0 else (a + b) / 2
    return min(max((high * b - low * a) / (high - low), a), b)


class _Incumbent:
    """The best feasible point so far, its value's ball, and the float search that improves it."""

    def __init__(self, problem: _Problem, gap: arb) -> None:
        self.problem, self.gap = problem, gap
        self.value = self.lower = -arb(inf)
        self.point: tuple[float, ...] | None = None

    def close(self, upper: arb) -> bool:
        return self.point is not None and bool(upper - self.lower <= self.gap * abs(self.lower))

    def offer(self, point: tuple[float, ...], value: arb | None) -> None:
        """Take a feasible point that is certainly better; where it is better by much, climb on from it."""
        if value is not None and value.lower() > self.lower:
            gain = value.lower() - self.lower
            little = self.point is not None and gain <= self.gap * abs(self.lower) / 64
            self.value, self.lower, self.point = value, value.lower(), point
            if not little:
                self.climb(point)

    def climb(self, start: tuple[float, ...]) -> None:
        point = _ascended(self.problem, start)
        balls = self.problem.balls(point, point)
        value = self.problem.goal.value(*balls)
        feasible = all(limit.value(*balls) <= 0 for limit in self.problem.limits)
        if feasible and value.is_finite() and value.lower() > self.lower:
            self.value, self.lower, self.point = value, value.lower(), point


def _search(problem: _Problem, gap: arb, max_boxes: int, cancelled: Callable[[], bool]) -> Enclosure:
    """Best first: always split the piece with the highest bound."""
    size = len(problem.sides)
    best = _Incumbent(problem, gap)
    dice = random.Random(0)
    for _ in range(STARTS):
        best.climb(tuple(dice.random() for _ in range(size)))
    heap: list[tuple[float, int, _Piece]] = []
    examined = 0
    todo = [_Piece((0.0,) * size, (1.0,) * size, tuple(range(len(problem.limits))), arb(inf))]
    while True:
        for piece in todo:
            examined += 1
            kept = _examined(problem, piece, best.lower)
            if kept is not None:
                best.offer(kept.centre, kept.value)
                heapq.heappush(heap, (-float(kept.upper), examined, kept))
        if not heap or best.close(heap[0][2].upper):
            break
        if heap[0][2].axis is None or examined + 2 > max_boxes or cancelled():
            break
        todo = list(heapq.heappop(heap)[2].halves())
    if not heap and best.point is None:
        raise InputError("no point of the box meets the constraints", where="within", remedy="widen the box")
    upper = best.value.upper()
    for _, _, piece in heap:
        upper = upper.max(piece.upper)
    where = problem.exact(best.point) if best.point is not None else {}
    return Enclosure(best.lower, upper, where, examined, best.close(upper))


def _ascended(problem: _Problem, start: Sequence[float]) -> tuple[float, ...]:
    """A point of unit coordinates with a high value, by projected gradient steps in floats from a start."""
    best, point, step = -inf, list(start), 0.25
    slopes = [0.0] * len(point)
    trial = point
    for _ in range(ASCENT_STEPS):
        feasible = _feasible(problem, trial)
        value, gradient = (-inf, slopes) if feasible is None else _proposed(problem.proposed_goal, problem, feasible)
        if feasible is not None and value > best:
            best, point, slopes, step = value, feasible, gradient, 2 * step
        else:
            step /= 4
        # A slope that leads out of the box leads nowhere.
        live = [0.0 if (s > 0 and x >= 1) or (s < 0 and x <= 0) else s for s, x in zip(slopes, point, strict=True)]
        top = max(map(abs, live), default=0.0)
        if not 0 < top < inf or step < 1e-12:
            break
        trial = [min(max(x + step * s / top, 0.0), 1.0) for x, s in zip(point, live, strict=True)]
    return tuple(point)


def _proposed(code: Code, problem: _Problem, point: Sequence[float]) -> tuple[float, list[float]]:
    try:
        value, *slopes = code.slopes(*problem.floats(point))
    except ArithmeticError:  # division by zero, overflow of a power
        return -inf, [0.0] * len(point)
    return value, [slope * side.proposed[1] for slope, side in zip(slopes, problem.sides, strict=True)]


def _feasible(problem: _Problem, point: list[float]) -> list[float] | None:
    """The point, pulled back by Newton steps to just inside the constraints it violates; None where that fails."""
    for _ in range(8):
        outside = False
        for limit in problem.proposed_limits:
            value, gradient = _proposed(limit, problem, point)
            size = sum(h * h for h in gradient)
            margin = 1e-13 * max(1.0, size**0.5)
            if not value <= -margin / 4:
                if not 0 < size < inf or not isfinite(value):
                    return None
                outside = True
                shift = (value + margin) / size
                point = [min(max(x - shift * h, 0.0), 1.0) for x, h in zip(point, gradient, strict=True)]
        if not outside:
            return point
    return None
