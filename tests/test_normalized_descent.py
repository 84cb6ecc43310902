"""Normalised descent is a looped softmax layer: closed form, trace and forward pass agree, on any data.

Properties, at random data (separable or not), n, d and number of steps: a trace in mpmath lies in the balls, and the
float64 trace and the looped layer on token matrices, which knows neither loss nor gradient, are near it; what a run
reports of its states is what a computation from scratch gives; the derived update is the difference quotient of R and
of log R.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import InputError, Run, System, Trajectory, arithmetic, compile_expressions, derive, iterate
from symicl.descent import process_of, state_symbols
from symicl.entries import array_of, compile_entries
from symicl.iterate import Row
from symicl.separation import separate
from symicl.simulate.normalized_descent import data as float_data
from symicl.simulate.normalized_descent import descend, layer, looped, risk, tokens, weights
from symicl.systems.normalized_descent import (
    ATTENTION,
    ClassificationData,
    Least,
    classification,
    on_data,
    sizes,
)
from symicl.testing import rationals

BALL, MP, FLOAT64 = (arithmetic(name) for name in ("ball", "mp", "float64"))
ROUNDING = 2.0**-48
"""Some ten roundings of an operation; each is of the size that the data and w bound."""


@st.composite
def problems(draw: st.DrawFn, *, objective: str | None = None, separable: bool | None = None) -> ClassificationData:
    """Points of eighths within 2 of zero, which float64 holds exactly; where asked, one coordinate separates them.

    Plain descent starts near zero: from afar its steps are exponentials of exponentials.
    """
    chosen = objective or draw(st.sampled_from(["normalized", "plain"]))
    n, d = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    entry = st.integers(-16, 16).map(lambda k: sp.Rational(k, 8))
    points = [[draw(entry) for _ in range(d)] for _ in range(n)]
    labels = [draw(st.sampled_from([sp.S.One, sp.S.NegativeOne])) for _ in range(n)]
    if separable:
        points = [[y * (abs(row[0]) + sp.Rational(1, 8)), *row[1:]] for y, row in zip(labels, points, strict=True)]
    if separable is False:
        points, labels = [*points, points[0]], [*labels, -labels[0]]
    start = [draw(entry) / (2 if chosen == "normalized" else 16) for _ in range(d)]
    return ClassificationData(tuple(map(tuple, points)), tuple(labels), tuple(start), chosen)


def system_of(data: ClassificationData) -> System:
    return on_data(data, id="drawn", title="")


def floats(values: Any) -> np.ndarray[Any, Any]:
    return np.array([[float(x) for x in row] if isinstance(row, tuple) else float(row) for row in values])


def path(data: ClassificationData, run: Run, number_type: str) -> tuple[Trajectory, list[Row]]:
    rows: list[Row] = []
    return iterate(process_of(system_of(data)), run, number_type, on_row=rows.append), rows


def around(value: Any, digits: int) -> arb:
    """A ball around a number of mpmath's of which this many digits are right."""
    mantissa, exponent = value.man_exp
    number = Fraction(int(mantissa)) * (-1 if value < 0 else 1) * Fraction(2) ** int(exponent)
    middle = arb(fmpq(number.numerator, number.denominator))
    return middle + arb(0, (1 + abs(middle)) * arb(10) ** -digits)


# ------------------------------------------------------------------------------------------------ closed form and layer


@given(problems(objective="normalized"), st.sampled_from(["1/4", "1"]), st.integers(1, 6))
def test_a_looped_layer_takes_the_steps(data: ClassificationData, eta: str, steps: int) -> None:
    """T layers of softmax attention on token matrices, against T steps in balls: states and losses of every row.

    An error of w grows at most by ``1 + eta |H|`` a step, with ``|H| <= max |x_i|^2 / 4 * 2 <= |x|^2``.
    """
    size = sp.Rational(eta)
    certified, balls = path(data, Run(size, steps=steps, dps=25), "ball")
    assert certified.guarantee.label == "certified"
    largest = max(1.0, float(np.linalg.norm(floats(data.points), axis=1).max()))
    growth = (1 + float(size) * largest**2) ** steps
    rows = islice(
        looped(floats(data.points), floats(data.labels), floats(data.start), value_scale=float(size)), steps + 1
    )
    for row, ball in zip(rows, balls, strict=True):
        exact = floats(ball.states)
        allowed = ROUNDING * growth * (steps + 1) * (1 + np.abs(exact).max()) * largest
        assert row.step == ball.step
        assert np.abs(row.w - exact).max() <= allowed
        assert abs(math.log(row.loss) - float(ball.loss.log())) <= 4 * allowed * largest


@given(problems(), st.sampled_from(["1/4", "1"]))
def test_balls_hold_the_reference_and_floats_are_near(data: ClassificationData, eta: str) -> None:
    """Three number types, plain and normalised: mpmath at three times the digits lies in balls, which are small."""
    steps, size = (3, sp.Rational(eta)) if data.objective == "normalized" else (2, sp.Rational(1, 16))
    _, balls = path(data, Run(size, steps=steps, dps=25), "ball")
    _, reference = path(data, Run(size, steps=steps, dps=75), "mp")
    _, rough = path(data, Run(size, steps=steps), "float64")
    with BALL.working(60):
        for ball, near, rounded in zip(balls, reference, rough, strict=True):
            # A number on its way through zero has few digits of its own: it counts against the largest one.
            largest = max((abs(value).upper() for value in (*ball.states, ball.loss)), key=float)
            for enclosure, value, number in zip(
                (*ball.states, ball.loss), (*near.states, near.loss), (*rounded.states, rounded.loss), strict=True
            ):
                assert enclosure.overlaps(around(value, 45))
                assert enclosure.rad() <= largest * arb(10) ** -23
                assert math.isinf(number) or abs(number - float(value)) <= 1e-9 * (1 + abs(float(value)))


@given(problems(objective="plain"), st.integers(0, 2))
def test_plain_descent_by_its_terms(data: ClassificationData, steps: int) -> None:
    """The oracle adds one term of the loss at a time; relative to the size of the moves, which exp can make large."""
    eta = sp.Rational(1, 16)
    points, labels, start = floats(data.points), floats(data.labels), floats(data.start)
    _, balls = path(data, Run(eta, steps=steps, dps=25), "ball")
    w = [mpmath.mpf(float(x)) for x in start]
    with mpmath.workdps(60):
        for row in balls:
            with BALL.working(50):
                assert all(ball.overlaps(around(value, 30)) for ball, value in zip(row.states, w, strict=True))
            moves = [mpmath.exp(-y * mpmath.fdot(x, w)) * y * x for x, y in zip(points, labels, strict=True)]
            w = [w[k] + mpmath.mpf(1) / 16 * mpmath.fsum(move[k] for move in moves) for k in range(len(w))]
    first, second = islice(descend(points, labels, start, eta=0.0625), 2)
    scale = 0.0625 * float(np.exp(-labels * (points @ start)) @ np.abs(points).max(axis=1))
    slope = sum(np.exp(-y * (x @ start)) * y * x for x, y in zip(points, labels, strict=True))
    assert np.abs(second.w - first.w - 0.0625 * slope).max() <= ROUNDING * (1 + scale)


@given(problems(), st.floats(0.1, 3), st.floats(-2, 2))
def test_the_matrices_are_the_formula(data: ClassificationData, key_scale: float, value_scale: float) -> None:
    """One pass moves the query token by the softmax of ``-kappa y w'x`` and leaves what tokens carry alone."""
    points, labels, w = floats(data.points), floats(data.labels), floats(data.start)
    d = points.shape[1]
    before = tokens(points, labels, w)
    after = layer(before, weights(d, key_scale=key_scale, value_scale=value_scale))
    signed = labels[:, None] * points
    scores = np.exp(-key_scale * signed @ w)
    expected = w + value_scale * scores @ signed / scores.sum()
    assert np.abs(after[-1, d:] - expected).max() <= 1e-11 * (1 + np.abs(expected).max())
    assert (after[:, :d] == before[:, :d]).all()


@given(problems(objective="normalized"), st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_the_effective_step_is_the_product_of_the_scales(data: ClassificationData, key_scale: float) -> None:
    """In ``kappa w`` the loop with scales (kappa, v) is the loop with (1, kappa v): powers of two round alike."""
    x, y, w = floats(data.points), floats(data.labels), floats(data.start)
    scaled = islice(looped(x, y, w, value_scale=0.5, key_scale=key_scale), 5)
    plain = islice(looped(x, y, key_scale * w, value_scale=0.5 * key_scale), 5)
    for one, other in zip(scaled, plain, strict=True):
        assert np.abs(key_scale * one.w - other.w).max() <= 1e-10 * (1 + np.abs(other.w).max())


def test_without_the_mask_it_is_another_step() -> None:
    """Attention of the query token to itself, with weight exp(0), would shrink the step: the mask matters."""
    points, labels, w = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([1.0, -1.0]), np.array([0.25, 0.5])
    hidden, matrices = tokens(points, labels, w), weights(2, key_scale=1.0, value_scale=1.0)
    scores = np.exp(hidden[-1] @ matrices.query.T @ (hidden @ matrices.key.T).T)
    unmasked = w + (scores[:-1] / scores.sum()) @ (labels[:, None] * points)
    assert np.abs(layer(hidden, matrices)[-1, 2:] - unmasked).max() > 0.1


# ------------------------------------------------------------------------------------------------ gradients


@given(problems(), st.data())
def test_updates_are_difference_quotients(data: ClassificationData, drawn: st.DataObject) -> None:
    """``-eta d/dw_j`` of R or log R, by central differences at 90 digits; R is summed here term by term."""
    system = system_of(data)
    w = [drawn.draw(rationals(-1, 1, max_denominator=4)) for _ in data.start]
    (update,) = derive(system)
    one = update.expression.xreplace({system.step_size: sp.S.One})

    def objective(at: list[Any]) -> Any:
        terms = [mpmath.exp(-mpmath.fdot([mpmath.mpf(z.p) / z.q for z in row], at)) for row in data.signed()]
        return mpmath.log(mpmath.fsum(terms)) if data.objective == "normalized" else mpmath.fsum(terms)

    with MP.working(90), mpmath.workdps(90):
        (array,) = compile_entries(system, [(one, tuple(update.variable.indices))], MP)(array_of(w, MP))
        h, at = mpmath.mpf(10) ** -30, [mpmath.mpf(z.p) / z.q for z in w]
        for j, value in enumerate(array):
            up, down = ([x + sign * h * (k == j) for k, x in enumerate(at)] for sign in (1, -1))
            slope = (objective(up) - objective(down)) / (2 * h)
            assert abs(value + slope) < mpmath.mpf(10) ** -45 * (1 + abs(slope))


@given(problems(), st.data())
def test_the_notation_means_what_it_says(data: ClassificationData, drawn: st.DataObject) -> None:
    """``a_i`` is the share of point i in R: positive, with sum 1; the loss is R; one array for both."""
    system = system_of(data)
    w = [drawn.draw(rationals(-1, 1, max_denominator=4)) for _ in data.start]
    i = sizes(sp.Integer(len(data.points)), sp.Integer(len(w))).data.index("i")
    with BALL.working(40):
        shares, loss = compile_entries(system, [(ATTENTION[i], (i,)), (system.loss, ())], BALL)(array_of(w, BALL))
        assert abs(sum(shares, arb(0)) - 1) < arb(10) ** -35
        for share, row in zip(shares, data.signed(), strict=True):
            margin = sum((z * x for z, x in zip(row, w, strict=True)), sp.S.Zero)
            assert (share * loss).overlaps(BALL.exp(BALL.number(-margin)))
    assert float(loss) == pytest.approx(risk(floats(data.points), floats(data.labels), floats(tuple(w))), rel=1e-12)


# ------------------------------------------------------------------------------------------------ observables


@given(st.sampled_from([True, False]).flatmap(lambda s: problems(separable=s)), st.data())
def test_observables_are_what_they_are_called(data: ClassificationData, drawn: st.DataObject) -> None:
    """Least margin, margin, gap and turn at random w, against NumPy; gap and turn exactly where data are separable."""
    system = system_of(data)
    w = [drawn.draw(rationals(-3, 3, max_denominator=4)) for _ in data.start]
    if not any(w):
        w[0] = sp.S.One
    names = [name for name, _ in system.observables]
    evaluate = compile_expressions([e for _, e in system.observables], state_symbols(system), BALL, 40)
    with BALL.working(40):
        values = {name: value for name, value in zip(names, evaluate(*array_of(w, BALL)), strict=True)}
        assert all(value.is_finite() for value in values.values())
    signed, at = floats(data.labels)[:, None] * floats(data.points), floats(tuple(w))
    least = float((signed @ at).min())
    expected = {"least": least, "margin": least / float(np.linalg.norm(at))}
    best = separate(data.signed())
    if best.separable:
        direction = floats(best.point) / np.linalg.norm(floats(best.point))
        expected["gap"] = float((signed @ direction).min()) - expected["margin"]
        expected["turn"] = 1 - float(direction @ at) / float(np.linalg.norm(at))
    assert names == list(expected)
    for name, value in expected.items():
        assert float(values[name]) == pytest.approx(value, abs=1e-12)
    if best.separable:
        assert not values["gap"] < 0
        assert not values["turn"] < 0


def test_the_best_direction_has_neither_gap_nor_turn() -> None:
    """At the separator itself both are 0, up to the radius."""
    data = ClassificationData(((1, 2), (3, sp.Rational(1, 2))), (1, 1), (0, 0))
    system, best = system_of(data), separate(data.signed())
    with BALL.working(30):
        evaluate = compile_expressions([e for _, e in system.observables], state_symbols(system), BALL, 30)
        least, margin, gap, turn = evaluate(*array_of(best.point, BALL))
        assert gap.contains(0)
        assert turn.contains(0)
        assert max(gap.rad(), turn.rad()) < arb(10) ** -25
        assert (margin**2).overlaps(BALL.number(best.squared_margin))
        assert least.overlaps(BALL.number(best.squared_margin))


def test_many_points_are_no_trouble() -> None:
    """A least of 500 terms is made and compiled in moments; SymPy's own would compare all pairs."""
    rows = tuple((sp.Integer(1 + k % 7), sp.Rational(k * k % 101, 8), sp.Integer(k % 13)) for k in range(500))
    system = system_of(ClassificationData(rows, (sp.S.One,) * 500, (sp.S.Zero,) * 3))
    result = iterate(process_of(system), Run(sp.S.One, steps=2, dps=20), "ball")
    evaluate = compile_expressions([system.observables[0][1]], state_symbols(system), FLOAT64, 15)
    signed = floats(rows)
    assert evaluate(*map(float, result.states))[0] == pytest.approx((signed @ floats(result.states)).min(), rel=1e-12)


def test_least_is_written_and_replaced_as_it_stands() -> None:
    """Not rearranged, equal terms or not; a condition prints it in the grammar."""
    a, b = sp.symbols("a b", real=True)
    node = Least(b, a, a + 1)
    assert node.args == (b, a, a + 1)
    assert str(node) == "min(b, a, a + 1)"
    assert node.xreplace({a: sp.Integer(2)}).args == (b, 2, 3)
    assert node.has(b)
    with FLOAT64.working(15):
        assert compile_expressions([node], [a, b], FLOAT64, 15)(3.0, 5.0) == (3.0,)


# ------------------------------------------------------------------------------------------------ bad data


GOOD = ClassificationData(((1, 2), (3, 4)), (1, -1), (0, 0))


@pytest.mark.parametrize(
    ("data", "problem", "where"),
    [
        (ClassificationData((), (), ()), "the data set is empty", "bad"),
        (ClassificationData(((),), (1,), ()), "the data set is empty", "bad"),
        (ClassificationData(((1, 2), (3,)), (1, 1), (0, 0)), "point 1 has 1 coordinates, point 0 has 2", "x[1]"),
        (ClassificationData(((1, 2),), (1, 1), (0, 0)), "2 labels for 1 points", "y"),
        (ClassificationData(((1, 2), (3, 4)), (1, 0), (0, 0)), "the label is 0", "y[1]"),
        (ClassificationData(((1, 2), (3, 4)), (2, 1), (0, 0)), "the label is 2", "y[0]"),
        (ClassificationData(((1, 2), (3, 4)), (1, -1), (0,)), "the start has 1 numbers, not 2", "w"),
        (ClassificationData(((1, 2), (3, sp.oo)), (1, -1), (0, 0)), "an entry of x is oo", "bad"),
        (ClassificationData(((1, 2), (3, 4)), (1, -1), (0, 0), "fast"), "there is no objective 'fast'", "bad"),
    ],
)
def test_bad_data_are_refused(data: ClassificationData, problem: str, where: str) -> None:
    """Before anything is computed; the error names the entry."""
    with pytest.raises(InputError, match=problem) as caught:
        on_data(data, id="bad", title="")
    assert caught.value.where.endswith(where)
    assert caught.value.remedy


@pytest.mark.parametrize("place", ["points", "labels", "start"])
def test_floats_are_no_data(place: str) -> None:
    """Not even 1.0, which equals a label."""
    bad = {"points": ((1.0, 2), (3, 4)), "labels": (1.0, -1), "start": (0.0, 0)}[place]
    with pytest.raises(InputError, match="is a float"):
        on_data(replace(GOOD, **{place: bad}), id="bad", title="")


@given(problems())
def test_data_may_be_any_exact_numbers(data: ClassificationData) -> None:
    """Python's integers and fractions, text and lists mean what SymPy's rationals do."""
    written = ClassificationData(
        [[str(x) for x in row] for row in data.points],  # type: ignore[arg-type]
        tuple(int(y) for y in data.labels),
        tuple(Fraction(int(w.p), int(w.q)) for w in data.start),
        data.objective,
    )
    assert system_of(written) == system_of(data)


def test_another_objective_is_refused() -> None:
    """At symbolic sizes too."""
    n, d = sp.symbols("n d", integer=True, positive=True)
    with pytest.raises(InputError, match="there is no objective 'newton'"):
        classification(n, d, id="bad", title="", objective="newton")


@pytest.mark.parametrize(
    ("x", "y", "problem"),
    [
        ([], [], r"the points have shape \(0,\)"),
        ([1.0, 2.0], [1, 1], r"the points have shape \(2,\)"),
        ([[1.0]], [1, 1], "not one label 1 or -1 a point"),
        ([[1.0], [2.0]], [1, 0], "not one label 1 or -1 a point"),
        ([[1.0]], [math.nan], "not one label 1 or -1 a point"),
        ([[math.nan]], [1], "a coordinate is not finite"),
        ([[math.inf]], [1], "a coordinate is not finite"),
    ],
)
def test_the_oracle_refuses_bad_data(x: Any, y: Any, problem: str) -> None:
    """In float64 there are NaN and infinities as well."""
    with pytest.raises(InputError, match=problem):
        float_data(x, y)


@pytest.mark.parametrize("w", [[0.0], [math.nan, 0.0], [[0.0, 0.0]]])
def test_the_oracle_refuses_a_bad_start(w: Any) -> None:
    """Of the wrong shape, or not finite; looped and plain."""
    for rows in (looped([[1.0, 2.0]], [1], w, value_scale=1.0), descend([[1.0, 2.0]], [1], w, eta=1.0)):
        with pytest.raises(InputError, match="start"):
            next(rows)


def test_plain_descent_that_overflows_says_so() -> None:
    """A step so large that exp overflows is an error with a remedy; the normalised loop cannot overflow so."""
    opposite = ([[30.0], [-30.0]], [1, 1], [1.0])
    with pytest.raises(InputError, match="overflows at step"):
        list(islice(descend(*opposite, eta=1.0), 20))
    assert all(math.isfinite(row.w[0]) for row in islice(looped(*opposite, value_scale=1.0), 20))


def test_good_data_are_good() -> None:
    """The data that the bad ones above were made from."""
    assert [name for name, _ in on_data(GOOD, id="good", title="").observables] == ["least", "margin", "gap", "turn"]
