"""Certified maxima: the enclosure holds the true maximum, whatever the budget, and narrows to the gap asked for."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any
from unittest import mock

import flint
import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import enclosure, tape
from symicl.enclosure import Enclosure, largest_singular_value, maximum, maximum_norm
from symicl.errors import InputError

R = sp.Rational
a, b, c, x, y, z = sp.symbols("a b c x y z", real=True)


@pytest.fixture(autouse=True)
def default_precision() -> Iterator[None]:
    """Nothing here leaves flint's precision changed."""
    assert flint.ctx.prec == 53
    yield
    assert flint.ctx.prec == 53


def holds(found: Enclosure, value: sp.Expr) -> bool:
    """Whether ``lower <= value <= upper``, to more digits than any search here works with."""
    with mpmath.workdps(120):
        low, high = (_mpf(bound) for bound in (found.lower, found.upper))
        return bool(low <= mpmath.mpf(str(sp.N(value, 120))) <= high)


def _mpf(bound: arb) -> mpmath.mpf:
    assert bound.is_exact()
    mantissa, exponent = bound.man_exp()
    return mpmath.ldexp(int(mantissa), int(exponent))


def value_at(expression: sp.Expr, point: Mapping[sp.Symbol, sp.Rational]) -> sp.Expr:
    return expression.subs(point, simultaneous=True)


def attains(found: Enclosure, expression: sp.Expr) -> bool:
    """Whether the value at ``where`` lies between the bounds, computed by SymPy and not by the module."""
    return holds(found, value_at(expression, found.where))


def samples(box: Sequence[tuple[sp.Symbol, Any, Any]], per_side: int) -> Iterator[dict[sp.Symbol, float]]:
    grids = [np.linspace(float(low), float(high), per_side) for _, low, high in box]
    for point in itertools.product(*grids):
        yield dict(zip((symbol for symbol, _, _ in box), map(float, point), strict=True))


def compiled(expression: sp.Expr, box: Sequence[tuple[sp.Symbol, Any, Any]]) -> Callable[..., float]:
    function = sp.lambdify([symbol for symbol, _, _ in box], expression, "math")
    return lambda point: function(*point.values())


# --- maxima known from calculus -------------------------------------------------------------------------------------

KNOWN = {
    "interior": (x * (1 - x), [(x, 0, 1)], R(1, 4)),
    "where halves meet": (-((x - R(1, 2)) ** 2), [(x, 0, 1)], R(0)),
    "end": (x**3 - x, [(x, -1, 2)], R(6)),
    "left end": (sp.exp(-x), [(x, R(-1, 3), 7)], sp.exp(R(1, 3))),
    "two equal maxima": (x**2 * (2 - x**2), [(x, -2, 2)], R(1)),
    "flat": ((x * y) ** 0 + 0 * z + 1 / (1 + (x * y) ** 2), [(x, -1, 1), (y, -1, 1)], R(2)),
    "odd power": ((x - 1) ** 5 + x**3, [(x, -2, 2)], R(9)),
    "cube with a negative base": (-(x**3), [(x, -3, -1)], R(27)),
    "narrow peak on a wide box": (1 / (1 + x**2), [(x, -(10**6), 10**6)], R(1)),
    "negative maximum": (-2 - (x - 1) ** 2 - y**4, [(x, 0, 3), (y, -1, 1)], R(-2)),
    "x exp(-x)": (x * sp.exp(-x), [(x, 0, 10)], sp.exp(-1)),
    "general power": (x ** R(1, 3) * (2 - x), [(x, R(1, 8), 2)], R(3, 2) * R(1, 2) ** R(1, 3)),
    "x to the x": (-(x**x), [(x, R(1, 10), 2)], -sp.exp(-sp.exp(-1))),
    "log": (sp.log(x) - x, [(x, R(1, 2), 3)], R(-1)),
    "E": (sp.E * x, [(x, 0, 1)], sp.E),
    "saddle": (x * y, [(x, -1, 1), (y, -2, 1)], R(2)),
    "three": (x + y - x * y * z, [(x, 0, 1), (y, 0, 1), (z, -1, 1)], R(3)),
    "ends without a finite float": (x / R(10) ** 400, [(x, 0, R(10) ** 400)], R(1)),
}


@pytest.mark.parametrize(("expression", "box", "value"), KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("tolerance", [R(1, 10), R(1, 10**5)])
def test_maxima_known_from_calculus(expression: sp.Expr, box: Any, value: sp.Expr, tolerance: sp.Rational) -> None:
    if value == 0:  # no relative gap is small enough
        found = maximum(expression, box, tolerance=tolerance, max_boxes=100)
        assert found.upper < 1e-6
    else:
        found = maximum(expression, box, tolerance=tolerance)
        assert found.reached
        assert found.upper - found.lower <= arb(fmpq(tolerance.p, tolerance.q)) * abs(found.lower)
    assert holds(found, value)
    assert attains(found, expression)
    assert all(low <= found.where[symbol] <= high for symbol, low, high in box)


@pytest.mark.parametrize("end", [1, 2, 3])
def test_the_jacobian_of_two_weights(end: int) -> None:
    """``f_1 f_2 |a_1 - a_2|`` is largest where the weights are equal, x = 0: a quarter of the difference."""
    slope = (a - b) / (1 + sp.exp((b - a) * x)) / (1 + sp.exp((a - b) * x))
    found = maximum(slope, [(a, 1, 1), (b, -1, -1), (x, -end, end)], tolerance=R(1, 10**8))
    assert found.reached
    assert holds(found, R(1, 2))
    assert found.where[a] == 1 and abs(found.where[x]) < R(1, 100)
    whole = maximum(slope, [(a, -end, end), (b, -end, end), (x, -end, end)], tolerance=R(1, 1000))
    assert whole.reached
    assert holds(whole, R(end, 2))


def test_a_function_that_rises_everywhere_needs_one_piece() -> None:
    """A derivative of certain sign sends the whole box to one corner, however many sides it has."""
    many = sp.symbols("v0:8", real=True)
    found = maximum(sp.Add(*(sp.exp(v) for v in many)), [(v, -1, 1) for v in many], tolerance=R(1, 10**20))
    assert found.boxes == 1
    assert holds(found, 8 * sp.E)


def test_high_precision() -> None:
    """The bounds are not limited by float64."""
    found = maximum(x * sp.exp(-x) + y, [(x, 0, 2), (y, R(1, 3), R(2, 3))], tolerance=R(1, 10**25), dps=60)
    assert found.reached
    assert holds(found, sp.exp(-1) + R(2, 3))


# --- random problems ------------------------------------------------------------------------------------------------

leaves = st.one_of(st.sampled_from([x, y]), st.integers(-3, 3).map(sp.Integer), st.just(R(1, 3)))


def _grown(children: st.SearchStrategy[sp.Expr]) -> st.SearchStrategy[sp.Expr]:
    return st.one_of(
        st.tuples(children, children).map(lambda p: p[0] + p[1]),
        st.tuples(children, children).map(lambda p: p[0] * p[1]),
        st.tuples(children, st.integers(2, 5)).map(lambda p: p[0] ** p[1]),
        children.map(lambda e: 1 / (1 + e**2)),
        children.map(lambda e: sp.exp(e / (1 + e**2))),
        children.map(lambda e: sp.sqrt((e - R(1, 3)) ** 2 + R(1, 10**4))),  # all but a kink
    )


expressions = st.recursive(leaves, _grown, max_leaves=6)
ends = st.tuples(st.fractions(-2, 2, max_denominator=7), st.fractions(-2, 2, max_denominator=7)).map(sorted)


@given(expressions, ends, ends, st.lists(expressions, max_size=2))
def test_no_sampled_value_exceeds_the_bound(
    expression: sp.Expr, first: list[Fraction], second: list[Fraction], within: list[sp.Expr]
) -> None:
    """Whatever the budget: no feasible point is above ``upper``, and ``where`` is feasible and reaches ``lower``."""
    box = [(x, *first), (y, *second)]
    try:
        found = maximum(expression, box, within=within, max_boxes=60)
    except InputError as error:
        assert "meets the constraints" in str(error)
        found = None
    goal, limits = compiled(expression, box), [compiled(limit, box) for limit in within]
    top = float(found.upper) if found is not None else -math.inf
    for point in samples(box, 9):
        if all(limit(point) < -1e-9 for limit in limits):
            value = goal(point)
            assert value <= top + 1e-9 * max(1.0, abs(value))
    if found is not None and found.where:
        assert first[0] <= found.where[x] <= first[1] and second[0] <= found.where[y] <= second[1]
        assert attains(found, expression)
        assert all(sp.N(value_at(limit, found.where), 40) <= 1e-25 for limit in within)


@given(expressions, ends, ends, st.integers(1, 9))
def test_the_bound_of_a_piece_does_not_lean_on_the_search(
    expression: sp.Expr, first: list[Fraction], second: list[Fraction], budget: int
) -> None:
    """With no float search to raise ``lower``, and ``upper`` with it, the bounds of the pieces hold by themselves."""
    box = [(x, *first), (y, *second)]
    with mock.patch.object(enclosure, "STARTS", 0), mock.patch.object(enclosure, "ASCENT_STEPS", 0):
        found = maximum(expression, box, max_boxes=budget)
    goal = compiled(expression, box)
    for point in samples(box, 9):
        value = goal(point)
        assert value <= float(found.upper) + 1e-9 * max(1.0, abs(value))


def test_the_mean_value_bound_is_no_smaller_than_a_kink_needs() -> None:
    """``|x|``, all but its kink: slopes of ±1 on either side, the maximum exactly as far up as they allow."""
    small = R(1, 1000)
    with mock.patch.object(enclosure, "STARTS", 0), mock.patch.object(enclosure, "ASCENT_STEPS", 0):
        found = maximum(tape.Hypotenuse(x, small), [(x, -1, 2)], max_boxes=1)
    assert found.lower < 1
    assert holds(found, sp.sqrt(4 + small**2))


balls = st.builds(arb, st.floats(-3, 3), st.sampled_from([0.0, 1e-9, 0.25, 1.0, 4.0]))


@given(balls, balls, st.integers(1, 7), st.lists(st.floats(-1, 1), min_size=2, max_size=2))
def test_what_the_code_calls_encloses(s: arb, t: arb, n: int, places: list[float]) -> None:
    """Powers, the hypotenuse and its slope, at members of the balls; an even power is not negative."""
    u, v = (
        float(ball.mid()) + place * float(ball.rad()) * (1 - 2.0**-40)
        for ball, place in zip((s, t), places, strict=True)
    )
    power = tape.ball_power(s, n)
    rounding = 1e-14 * max(1.0, abs(u) ** n)
    assert float(power.lower()) - rounding <= u**n <= float(power.upper()) + rounding
    if n % 2 == 0:
        assert float(power.lower()) >= -1e-8 * float(power.upper())
    length = tape.ball_hypot(s, t)
    assert float(length.lower()) - 1e-12 <= math.hypot(u, v) <= float(length.upper()) + 1e-12
    slope = tape.ball_cosine(s, t)
    if math.hypot(u, v) > 1e-6:
        assert float(slope.lower()) - 1e-12 <= u / math.hypot(u, v) <= float(slope.upper()) + 1e-12
    if s.contains(0) and t.contains(0):
        assert slope.contains(arb(0, 0.999))


# --- constraints ----------------------------------------------------------------------------------------------------


def test_maximum_on_a_disc() -> None:
    """On a curved boundary the multiplier keeps the bound of second order: a gap of 1e-6 takes few pieces."""
    box, disc = [(x, -2, 2), (y, -2, 2)], x**2 + y**2 - 2
    found = maximum(x + 2 * y, box, within=[disc], tolerance=R(1, 10**6))
    assert found.reached and found.boxes < 1000
    assert holds(found, sp.sqrt(10))
    assert value_at(disc, found.where) <= 0


def test_maximum_at_a_corner_of_constraints() -> None:
    """``x <= 2 y``, ``x + y <= 1``: the corner (2/3, 1/3)."""
    limits = [x - 2 * y, x + y - 1]
    found = maximum(x * sp.exp(x), [(x, 0, 1), (y, 0, 1)], within=limits, tolerance=R(1, 10**4))
    assert found.reached and found.boxes < 1000
    assert holds(found, R(2, 3) * sp.exp(R(2, 3)))
    assert all(value_at(limit, found.where) <= 0 for limit in limits)


def test_a_constraint_that_does_not_bind_changes_nothing() -> None:
    found = maximum(x * (1 - x), [(x, 0, 1), (y, 0, 1)], within=[x + y - 5], tolerance=R(1, 1000))
    assert found.reached
    assert holds(found, R(1, 4))


def test_a_constraint_that_cuts_off_the_rising_side() -> None:
    """The goal rises beyond the feasible part: no piece may be sent to its end there."""
    found = maximum(x, [(x, 0, 1), (y, 0, 1)], within=[x - y**2, y - R(1, 2)], tolerance=R(1, 1000))
    assert found.reached
    assert holds(found, R(1, 4))


def test_constraints_without_a_point() -> None:
    with pytest.raises(InputError, match="meets the constraints"):
        maximum(x, [(x, 0, 1), (y, 0, 1)], within=[2 - x - y + R(1, 100)])


def test_a_constraint_too_thin_to_decide() -> None:
    """``x^2 <= 0`` holds at one point that no search meets: the upper bound holds, and there is no lower one."""
    found = maximum(1 + y - (x - R(1, 3)) ** 2, [(x, 0, 1), (y, 0, 1)], within=[(x - R(1, 3)) ** 2], max_boxes=50)
    assert found.upper >= 2
    assert found.where == {} and not found.reached
    assert not found.lower.is_finite()


# --- budgets, fixed sides, undefined places ---------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1, 2, 3, 10, 101])
def test_a_spent_budget_leaves_honest_bounds(budget: int) -> None:
    bumpy = sp.Add(*((x - i) ** 2 * (y - i) for i in range(3))) * sp.exp(-x * y)
    box = [(x, -2, 2), (y, -2, 2)]
    found = maximum(bumpy, box, tolerance=R(1, 10**40), max_boxes=budget)
    assert found.boxes <= budget
    assert not found.reached
    best = maximum(bumpy, box, tolerance=R(1, 10**6))
    assert best.reached
    assert found.lower <= best.upper and best.lower <= found.upper
    assert attains(found, bumpy)


def test_cancelling_stops_the_search() -> None:
    polls = iter([False, False, True])
    found = maximum(
        y - (x**2 - y) ** 2, [(x, -3, 3), (y, -3, 2)], tolerance=R(1, 10**20), cancelled=lambda: next(polls)
    )
    assert found.boxes == 5 and not found.reached
    assert holds(found, R(2))


def test_fixed_sides_are_exact() -> None:
    box = [(x, R(1, 3), R(1, 3)), (y, 0, 1)]
    found = maximum((x - R(1, 3)) * 10**30 + y, box, tolerance=R(1, 10**9))
    assert found.where[x] == R(1, 3)
    assert holds(found, R(1))
    alone = maximum(sp.exp(x), [(x, R(1, 3), R(1, 3))], tolerance=R(1, 10**25))
    assert alone.reached and alone.where == {x: R(1, 3)} and alone.boxes == 1
    assert holds(alone, sp.exp(R(1, 3)))
    assert holds(maximum(sp.Integer(7), []), R(7))


@pytest.mark.parametrize(
    "expression",
    [1 / x, 1 / (3 * x - 1) ** 2, sp.log(x), -sp.sqrt(x), -1 / (3 * x - 1), y + 1 / (x - R(1, 5))],
    ids=str,
)
def test_what_is_undefined_is_never_dropped(expression: sp.Expr) -> None:
    """A piece whose bound is not finite stays, and is split, until the budget ends."""
    found = maximum(expression, [(x, -1, 2), (y, 0, 1)], max_boxes=200)
    assert not found.upper.is_finite()
    assert not found.reached


def test_a_pole_outside_the_constraints_does_not_matter() -> None:
    found = maximum(1 / x, [(x, -1, 2)], within=[R(1, 2) - x])
    assert found.reached
    assert holds(found, R(2))


# --- norms ----------------------------------------------------------------------------------------------------------


def test_norms_of_matrices_with_one_two_and_three_columns() -> None:
    """``[[1, x], [-x, 1]]`` is a rotation scaled by ``sqrt(1 + x^2)``; a column is its length."""
    column = maximum_norm([[x], [1 - x], [2]], [(x, -1, 2)], tolerance=R(1, 10**6))
    assert column.reached
    assert holds(column, R(3))
    spiral = maximum_norm(sp.Matrix([[1, x], [-x, 1]]), [(x, -1, 2)], tolerance=R(1, 10**6))
    assert spiral.reached
    assert holds(spiral, sp.sqrt(5))
    wide = maximum_norm([[1, x, 0], [-x, 1, 0]], [(x, -1, 2)], tolerance=R(1, 10**6))
    assert wide.reached
    assert holds(wide, sp.sqrt(5))
    block = maximum_norm([[1, x, 0], [-x, 1, 0], [0, 0, x + 2]], [(x, -1, 2)], tolerance=R(1, 100))
    assert block.reached
    assert holds(block, R(4))
    assert set(block.where) == {x}


@given(st.integers(1, 3), st.integers(1, 3), st.data())
def test_no_sampled_norm_exceeds_the_bound(rows: int, columns: int, data: st.DataObject) -> None:
    """Against LAPACK on a grid, kinks of the norm included; ``where`` reaches ``lower``."""
    entries = st.sampled_from([sp.S.Zero, sp.S.One, x, y, -x, x * y, x - y, sp.exp(x) - 1, y / (1 + x**2)])
    matrix = sp.Matrix(rows, columns, lambda *_: data.draw(entries))
    box = [(x, -1, 1), (y, R(-1, 2), 2)]
    found = maximum_norm(matrix, box, max_boxes=50)
    function = sp.lambdify([x, y], matrix, "numpy")
    for point in samples(box, 9):
        assert np.linalg.norm(function(*point.values()), 2) <= float(found.upper) + 1e-9
    assert np.linalg.norm(function(*map(float, (found.where[x], found.where[y]))), 2) >= float(found.lower) - 1e-9


def test_the_norm_of_nothing() -> None:
    """A zero matrix has norm 0, and says so in balls, on the kink of the norm."""
    found = maximum_norm([[0 * x, 0], [0, 0]], [(x, 0, 1)])
    assert found.reached
    assert found.lower == 0 and found.upper == 0


def test_the_jacobian_of_a_softmax_with_two_inputs() -> None:
    """At n = 2 the norm is ``sqrt(2) f_1 f_2 |a_1 - a_2|``: largest at equal weights, opposite rows."""
    u = a * x + b * y
    f = [1 / (1 + sp.exp(-u)), 1 / (1 + sp.exp(u))]
    jacobian = [[f[0] * f[1] * v * sign for v in (a, b)] for sign in (1, -1)]
    box = [(a, 0, 2), (b, R(1, 2), 2), (x, -1, 1), (y, 0, 0)]
    found = maximum_norm(jacobian, box, within=[a**2 + b**2 - 4], tolerance=R(1, 50))
    assert found.reached
    assert holds(found, sp.sqrt(2) / 4 * 2)


@pytest.mark.slow
@pytest.mark.parametrize("radius", [1, 2])
def test_the_jacobian_of_three_weights(radius: int) -> None:
    """At n = 3 it is 1/2 times the deviation of the two values ±R with probabilities f and 1-f in two equal parts."""
    rows = (a, b, c)
    f = [1 / sp.Add(1, *(sp.exp((s - r) * x) for s in rows if s != r)) for r in rows]
    column = [[f[i] * sp.Add(*(f[j] * (r - s) for j, s in enumerate(rows)))] for i, r in enumerate(rows)]
    found = maximum_norm(column, [(s, -radius, radius) for s in (*rows, x)], tolerance=R(1, 1000))
    assert found.reached
    # Two rows alike: the column is 2 R p (1-p) (1/2, 1/2, -1), largest at p = 1/2.
    assert holds(found, R(radius) * sp.sqrt(R(3, 8)))


matrices = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))


@given(matrices, st.integers(-300, 300))
def test_largest_singular_value_against_lapack(shape: tuple[int, int, int], exponent: int) -> None:
    """The enclosure meets LAPACK's value to 1e-12, relative: its backward error is a small multiple of 2^-53."""
    rows, columns, seed = shape
    dice = random.Random(seed)
    numbers = np.array([[dice.choice([0.0, dice.uniform(-1, 1)]) for _ in range(columns)] for _ in range(rows)])
    scale = arb(2) ** exponent
    found = largest_singular_value([[arb(entry) * scale for entry in map(float, row)] for row in numbers]) / scale
    value = float(np.linalg.norm(numbers, 2))
    assert float(found.lower()) - 1e-12 * value <= value <= float(found.upper()) + 1e-12 * value
    assert float(found.rad()) <= 1e-12 * value


@given(matrices, st.floats(1e-6, 1.0))
def test_largest_singular_value_of_balls_holds_that_of_their_members(
    shape: tuple[int, int, int], radius: float
) -> None:
    rows, columns, seed = shape
    dice = random.Random(seed)
    middle = np.array([[dice.uniform(-1, 1) for _ in range(columns)] for _ in range(rows)])
    found = largest_singular_value([[arb(entry, radius) for entry in map(float, row)] for row in middle])
    for _ in range(10):
        member = middle + radius * np.array([[dice.choice([-1, 0, 1]) for _ in row] for row in middle])
        value = float(np.linalg.norm(member, 2))
        assert float(found.lower()) - 1e-12 <= value <= float(found.upper()) + 1e-12
    assert float(found.rad()) <= 1.01 * radius * math.sqrt(rows * columns) + 1e-12


def test_singular_values_in_closed_form() -> None:
    """``[[3, 0], [4, 5]]`` has ``sqrt(45)``; a matrix of ones its root count; equal ones are no obstacle."""
    assert largest_singular_value([[arb(3), arb(0)], [arb(4), arb(5)]]).overlaps(arb(45).sqrt())
    assert largest_singular_value([[arb(1)] * 10] * 10).overlaps(arb(10))
    one = largest_singular_value([[arb(i == j) for j in range(10)] for i in range(10)])
    assert one.overlaps(arb(1)) and float(one.rad()) < 1e-12
    huge = arb(10) ** 400
    assert largest_singular_value([[huge, 0 * huge], [arb(1), -huge]]).overlaps(huge)
    assert largest_singular_value([[arb(0)] * 3]) == 0


def test_a_matrix_that_is_not_finite_has_an_infinite_norm() -> None:
    for bad in (arb("nan"), arb("inf"), arb(0, math.inf)):
        assert not largest_singular_value([[arb(1), bad]]).is_finite()


# --- bad input --------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[str, Callable[[], object]]] = {
    "low above high": ("wrong way round", lambda: maximum(x, [(x, 1, 0)])),
    "float end": ("exact", lambda: maximum(x, [(x, 0, 0.5)])),
    "unbounded": ("exact finite", lambda: maximum(x, [(x, 0, sp.oo)])),
    "no side": ("no side for y", lambda: maximum(x + y, [(x, 0, 1)])),
    "no side in a constraint": ("no side for y", lambda: maximum(x, [(x, 0, 1)], within=[y])),
    "twice": ("not a side", lambda: maximum(x, [(x, 0, 1), (x, 0, 1)])),
    "not a symbol": ("not a side", lambda: maximum(x, [("x", 0, 1)])),
    "not a triple": ("not a side", lambda: maximum(x, [x])),  # type: ignore[list-item]
    "float inside": ("not exact", lambda: maximum(x * 0.5, [(x, 0, 1)])),
    "text": ("not an expression", lambda: maximum("x", [(x, 0, 1)])),
    "relation": ("not an expression", lambda: maximum(x, [(x, 0, 1)], within=[x <= 1])),
    "other function": ("no code for sin", lambda: maximum(sp.sin(x), [(x, 0, 1)])),
    "absolute value": ("no code for Abs", lambda: maximum(abs(x), [(x, 0, 1)])),
    "imaginary": ("not a finite real", lambda: maximum(sp.I * x, [(x, 0, 1)])),
    "infinite where fixed": ("not a finite real", lambda: maximum(1 / x, [(x, 0, 0)])),
    "assumed positive": (
        "assumed",
        lambda: maximum(sp.Symbol("p", positive=True), [(sp.Symbol("p", positive=True), -1, 1)]),
    ),
    "assumed integer": (
        "assumed",
        lambda: maximum(sp.Symbol("n", integer=True), [(sp.Symbol("n", integer=True), 0, 1)]),
    ),
    "gap of zero": ("positive", lambda: maximum(x, [(x, 0, 1)], tolerance=0)),
    "float gap": ("exact", lambda: maximum(x, [(x, 0, 1)], tolerance=0.1)),
    "no budget": ("budget", lambda: maximum(x, [(x, 0, 1)], max_boxes=0)),
    "no digits": ("digits", lambda: maximum(x, [(x, 0, 1)], dps=0)),
    "ragged": ("not a matrix", lambda: maximum_norm([[x, x], [x]], [(x, 0, 1)])),
    "empty": ("not a matrix", lambda: maximum_norm([], [(x, 0, 1)])),
    "ragged balls": ("not a matrix", lambda: largest_singular_value([[arb(1)], []])),
}


@pytest.mark.parametrize(("problem", "call"), BAD.values(), ids=BAD)
def test_bad_input_says_what_to_do(problem: str, call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        call()
    assert caught.value.remedy
