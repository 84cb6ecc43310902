"""Training on arrays: every number type takes the same steps, and so does an oracle that knows no derivation.

Properties, at random problems: balls hold the path at three times the digits, float64 and the oracle stay within their
rounding of it; a step taken on balls holds the step of every point in them; conditions and digits mean what they say.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import assume, given
from hypothesis import strategies as st

from symicl import InputError, Run, System, Trajectory, UndecidedError, arithmetic, iterate
from symicl.descent import Descent, Rule, process_of, state_symbols
from symicl.grammar import parse_condition
from symicl.iterate import Row
from symicl.process import LOSS
from symicl.simulate.softmax_regression import Problem, descend, gradient_in_weights, loss, newton, predict
from symicl.systems.softmax_regression import MATRIX, POINT, RegressionData, on_data, softmax_regression
from symicl.testing import rationals

BALL, MP, FLOAT64 = (arithmetic(name) for name in ("ball", "mp", "float64"))
ROUNDING = 1e-14
"""One rounding for each of some ten operations, each of the size that the norms of A and b bound."""


@st.composite
def data_of(draw: st.DrawFn, train: str = "x", *, regularized: bool = False, rows: int = 3, columns: int = 2) -> Any:
    """A problem of eighths within 2 of zero, so that float64 holds it exactly; b in the simplex up to rounding."""
    n, d = draw(st.integers(1, rows)), draw(st.integers(1, columns))

    def vector(size: int, least: int = -16) -> tuple[sp.Rational, ...]:
        return tuple(sp.Rational(draw(st.integers(least, 16)), 8) for _ in range(size))

    matrix = tuple(vector(d) for _ in range(n))
    shares = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n).filter(any))
    target = tuple(sp.Rational(share, sum(shares)) for share in shares)
    # Weights of at least 1 make the Hessian definite: without them it is A'BA with B > -1/4.
    return RegressionData(matrix, target, vector(d), vector(n, 8) if regularized else None, train)


def system_of(data: RegressionData) -> System:
    return on_data(data, id="drawn", title="")


def floats(values: Any) -> np.ndarray[Any, Any]:
    return np.array([[float(x) for x in row] if isinstance(row, tuple) else float(row) for row in values])


def exact(value: Any) -> Fraction:
    """The rational number that a number of mpmath's is."""
    mantissa, exponent = value.man_exp
    return Fraction(int(mantissa)) * (-1 if value < 0 else 1) * Fraction(2) ** int(exponent)


def around(value: Any, digits: int) -> arb:
    """A ball around a number of mpmath's of which this many digits are right."""
    number = exact(value)
    scale = arb(fmpq(number.numerator, number.denominator))
    return scale + arb(0, (1 + abs(scale)) * arb(10) ** -digits)


def path(system: System, run: Run, number_type: str, rule: Rule = Rule.GRADIENT) -> tuple[Trajectory, list[Row]]:
    rows: list[Row] = []
    return iterate(process_of(system, rule), run, number_type, on_row=rows.append), rows


def growth(data: RegressionData, eta: float, steps: int) -> float:
    """How much an error of the start can grow in some steps: |H| <= |A|^2 (or |x|^2) for b in the simplex."""
    own = np.linalg.norm(floats(data.matrix), 2) if data.train == "x" else np.linalg.norm(floats(data.point))
    return float((1 + eta * own**2) ** steps)


# ------------------------------------------------------------------------------------------------ one path


@given(st.sampled_from(["x", "A"]).flatmap(data_of), st.sampled_from(["1/10", "1/2", "1"]))
def test_balls_hold_the_reference_and_floats_are_near(data: RegressionData, eta: str) -> None:
    """Every state, loss and prediction of every row, in x and in A."""
    system, size, steps = system_of(data), sp.Rational(eta), 4
    result, balls = path(system, Run(size, steps=steps, dps=30), "ball")
    _, reference = path(system, Run(size, steps=steps, dps=90), "mp")
    _, rough = path(system, Run(size, steps=steps), "float64")
    assert result.guarantee.label == "certified"
    allowed = ROUNDING * 10 * steps * growth(data, float(size), steps) * (1 + np.abs(floats(data.matrix)).max()) ** 2
    with BALL.working(100):
        for ball, near, rounded in zip(balls, reference, rough, strict=True):
            triples = (
                *zip(ball.states, near.states, rounded.states, strict=True),
                *zip(ball.prediction, near.prediction, rounded.prediction, strict=True),
                (ball.loss, near.loss, rounded.loss),
            )
            for enclosure, value, number in triples:
                assert enclosure.overlaps(around(value, 80))
                assert enclosure.rad() < (1 + abs(enclosure)) * arb(10) ** -30
                assert abs(number - float(value)) <= allowed


@given(data_of())
def test_the_oracle_takes_the_same_steps_in_x(data: RegressionData) -> None:
    """Reverse mode in NumPy, sharing nothing with the derivation: states, losses and predictions of every row."""
    steps, eta = 5, 0.5
    rows = descend(Problem(floats(data.matrix), floats(data.target)), floats(data.point), eta, steps)
    _, ours = path(system_of(data), Run(sp.Rational(1, 2), steps=steps), "mp")
    allowed = ROUNDING * 10 * steps * growth(data, eta, steps) * (1 + np.abs(floats(data.matrix)).max()) ** 2
    for row, own in zip(rows, ours, strict=True):
        assert np.abs(row.x - floats(own.states)).max() <= allowed
        assert np.abs(row.f - floats(own.prediction)).max() <= allowed
        assert abs(row.loss - float(own.loss)) <= allowed


@given(data_of("A"))
def test_the_oracle_takes_the_same_steps_in_the_matrix(data: RegressionData) -> None:
    """The same for A, whose states are listed row by row."""
    steps, eta = 5, 0.5
    _, ours = path(system_of(data), Run(sp.Rational(1, 2), steps=steps), "mp")
    matrix, target, point = floats(data.matrix), floats(data.target), floats(data.point)
    allowed = ROUNDING * 10 * steps * growth(data, eta, steps) * (1 + np.abs(point).max()) ** 2
    for own in ours:
        problem = Problem(matrix, target)
        assert np.abs(matrix.ravel() - floats(own.states)).max() <= allowed
        assert abs(loss(problem, point) - float(own.loss)) <= allowed
        assert np.abs(predict(problem, point) - floats(own.prediction)).max() <= allowed
        matrix = matrix - eta * gradient_in_weights(problem, point)


@given(data_of(regularized=True))
def test_newton_steps_are_the_oracles(data: RegressionData) -> None:
    """Regularised, so that the system is definite; in balls, mpmath and float64."""
    A, b, x, w = (floats(v) for v in (data.matrix, data.target, data.point, data.weights))
    singular_values = np.linalg.svd(A, compute_uv=False)
    assume(A.shape[1] <= A.shape[0] and singular_values[-1] > 0.1)  # else A'diag(w)^2 A is singular, or nearly
    system, steps = system_of(data), 2
    rows = newton(Problem(A, b), x, steps, w)
    run = Run(sp.S.One, steps=steps, dps=30)
    (_, balls), (_, near), (_, rough) = (path(system, run, name, Rule.NEWTON) for name in ("ball", "mp", "float64"))
    # The condition number of the system: at most (4 + 1/3) / (1 - 1/4) that of A'A; a step passes on what it gets.
    condition = (6 * float(singular_values[0] / singular_values[-1]) ** 2) ** 2
    allowed = condition * 10 * ROUNDING * len(b) * (1 + np.abs(x).max()) * (1 + singular_values[0]) ** 2
    for row, ball, reference, rounded in zip(rows, balls, near, rough, strict=True):
        for enclosure, value in zip(ball.states, reference.states, strict=True):
            assert enclosure.overlaps(around(value, 20))
            assert float(enclosure.rad()) < 1e-25
        assert np.abs(row.x - floats(ball.states)).max() <= allowed
        assert np.abs(row.x - floats(rounded.states)).max() <= allowed


@given(data_of(regularized=True))
def test_a_damped_newton_step_is_a_fraction_of_a_full_one(data: RegressionData) -> None:
    """``eta`` times the step, in balls, exactly in the sense that they overlap."""
    A = floats(data.matrix)
    assume(A.shape[1] <= A.shape[0] and np.linalg.svd(A, compute_uv=False)[-1] > 0.1)
    system = system_of(data)
    (_, full), (_, part) = (
        path(system, Run(eta, steps=1), "ball", Rule.NEWTON) for eta in (sp.S.One, sp.Rational(1, 3))
    )
    with BALL.working(40):
        for start, whole, third in zip(full[0].states, full[1].states, part[1].states, strict=True):
            assert (third - start).overlaps((whole - start) / 3)


# ------------------------------------------------------------------------------------------------ balls hold all points


@given(st.sampled_from(["x", "A"]).flatmap(data_of), st.data())
def test_steps_on_balls_hold_the_steps_of_their_points(data: RegressionData, drawn: st.DataObject) -> None:
    """From balls of radius up to 1/4, the paths of exact points of them, at 3 times the digits, stay in the balls."""
    eta, steps = drawn.draw(st.sampled_from([sp.Rational(1, 10), sp.Rational(1, 2), sp.Integer(2)])), 3
    radii = drawn.draw(st.sampled_from([Fraction(1, 4), Fraction(1, 20), Fraction(1, 10**6)]))
    system = system_of(data)
    moved = shifted(data, drawn, radii)
    _, reference = path(system_of(moved), Run(eta, steps=steps, dps=90), "mp")
    with BALL.working(30):
        code = Descent(system).code(eta, None, BALL, 30)
        point = tuple(y + arb(0, arb(fmpq(radii.numerator, radii.denominator))) for y in code.start())
        for row in reference:
            assert all(ball.overlaps(around(value, 80)) for ball, value in zip(point, row.states, strict=True))
            assert code.loss(*point).overlaps(around(row.loss, 80))
            predicted = code.prediction(*point)
            assert all(ball.overlaps(around(value, 80)) for ball, value in zip(predicted, row.prediction, strict=True))
            point = code.advance(*point)


def shifted(data: RegressionData, drawn: st.DataObject, radius: Fraction) -> RegressionData:
    """The problem at another start, no entry of it further away than the radius."""

    def near(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(near, value))
        share = drawn.draw(rationals(-1, 1, max_denominator=4))
        return value + share * sp.Rational(radius.numerator, radius.denominator)

    return replace(data, point=near(data.point)) if data.train == "x" else replace(data, matrix=near(data.matrix))


def test_radii_grow_as_nearby_points_part() -> None:
    """At a minimum steps contract: after 200 of them a ball of radius 1e-6 is smaller, where plain balls explode."""
    data = RegressionData(((1, 0), (0, 1), (-1, -1)), (sp.Rational(1, 3),) * 3, (0, 0))
    with BALL.working(40):
        code = Descent(system_of(data)).code(sp.S.One, None, BALL, 40)
        point = tuple(arb(0, 1e-6) for _ in code.start())
        for _ in range(200):
            point = code.advance(*point)
        assert all(ball.contains(0) and float(ball.rad()) < 1e-6 for ball in point)


@given(data_of(), st.sampled_from([5, 30, 60]))
def test_digits_are_correct_digits(data: RegressionData, dps: int) -> None:
    """At least as many digits as asked for, and no more than there are, against twice the digits."""
    system, steps = system_of(data), 6
    result = iterate(process_of(system), Run(sp.S.One, steps=steps, dps=dps), "ball")
    reference = iterate(process_of(system), Run(sp.S.One, steps=steps, dps=2 * dps + 60), "mp")
    assert result.digits is not None
    with BALL.working(2 * dps + 80):
        for ball, value in zip((*result.states, result.loss), (*reference.states, reference.loss), strict=True):
            truth = around(value, 2 * dps + 40)
            assert ball.overlaps(truth)
            if result.digits >= dps and not truth.contains(0):
                assert abs(ball.mid() - truth) <= abs(truth) * arb(10) ** (1 - dps)


def test_exact_zeros_have_all_digits() -> None:
    """At a symmetric minimum every state and the loss are exactly 0: nothing is uncertain about that."""
    data = RegressionData(((1, 0), (0, 1)), (sp.S.Half, sp.S.Half), (0, 0))
    result = iterate(process_of(system_of(data)), Run(sp.S.One, steps=3, dps=20), "ball")
    assert [*result.states, result.loss] == [0, 0, 0]
    assert result.digits is not None
    assert result.digits >= 20


# ------------------------------------------------------------------------------------------------ conditions


PROBLEM = RegressionData(
    ((1, 2), (sp.S.Half, -1), (sp.Rational(3, 10), 0)),
    (sp.S.Half, sp.Rational(1, 3), sp.Rational(1, 6)),
    (1, sp.Rational(-1, 2)),
)


@pytest.mark.parametrize("number_type", ["ball", "mp", "float64"])
@pytest.mark.parametrize("condition", ["loss <= 1/100", "x1 >= 107/100", "loss + x2**2 < 1/50", "x1*x2 > -1/10"])
def test_until_is_the_first_step_that_meets_the_condition(condition: str, number_type: str) -> None:
    """The rows before it do not meet it, and it does; the same step in every number type."""
    system = system_of(PROBLEM)
    names = {str(state): state for state in state_symbols(system)} | {"loss": LOSS}
    wanted = parse_condition(condition, names)
    result, rows = path(system, Run(sp.S.One, until=wanted, dps=20), number_type)
    assert (result.outcome, rows[-1].step) == ("reached", result.step)
    for row in rows:
        values = dict(zip(names.values(), map(float, (*row.states, row.loss)), strict=True))
        left, right = (
            float(side.xreplace({s: sp.Float(v) for s, v in values.items()})) for side in (wanted.left, wanted.right)
        )
        met = left <= right if wanted.relation[0] == "<" else left >= right
        assert met == (row.step == result.step)
    assert iterate(process_of(system), Run(sp.S.One, until=wanted, dps=20), "ball").step == result.step
    assert result.step > 0


def test_until_counts_from_not_before_and_stops_at_its_budget() -> None:
    """A condition met at the start is not looked at before ``not_before``; a budget ends a run that meets none."""
    system = system_of(PROBLEM)
    met = parse_condition("loss <= 1", {"loss": LOSS})
    assert iterate(process_of(system), Run(sp.S.One, until=met, dps=20), "ball").step == 0
    assert iterate(process_of(system), Run(sp.S.One, until=met, dps=20, not_before=3), "ball").step == 3
    never = parse_condition("loss >= 10", {"loss": LOSS})
    result = iterate(process_of(system), Run(sp.S.One, until=never, dps=20, max_steps=7), "ball")
    assert (result.step, result.outcome) == (7, "max-steps")


def test_a_condition_on_its_boundary_is_undecided() -> None:
    """Two forms of one irrational number are told apart at no precision: nothing is guessed."""
    system = system_of(RegressionData(((1,), (2,)), (1, 0), (sp.Rational(1, 3),)))
    run = Run(sp.S.One, until=parse_condition("(loss - loss**2) < loss*(1 - loss)", {"loss": LOSS}), dps=10, max_dps=60)
    with pytest.raises(UndecidedError, match="undecided at 60 digits"):
        iterate(process_of(system), run, "ball")


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "matrix",
    [
        ((1,), (1,), (1,)),  # f does not depend on x
        ((sp.Rational(3, 10),) * 2, (sp.Rational(7, 10),) * 2, (1, 1)),  # dependent columns
        ((1, 0, 0), (0, 1, 0), (0, 0, 1)),  # 1 is in the range of A
    ],
)
def test_a_singular_newton_system_is_undecided_in_balls(matrix: Any) -> None:
    """At any precision: the error says so and names the remedy; no step is taken on rounding noise."""
    data = RegressionData(
        matrix, (sp.S.Half, sp.S.Half, 0), tuple(sp.Rational(1, 3 + k) for k in range(len(matrix[0])))
    )
    with pytest.raises(UndecidedError, match="singular") as caught:
        iterate(process_of(system_of(data), Rule.NEWTON), Run(sp.S.One, steps=1, dps=20, max_dps=100), "ball")
    assert "regularization" in caught.value.remedy


def test_a_regularised_newton_run_ends_at_a_stationary_point() -> None:
    """Its gradient vanishes to the digits asked for, and further steps do not move it."""
    data = replace(PROBLEM, weights=(1, 1, 1))
    system = system_of(data)
    far = iterate(process_of(system, Rule.NEWTON), Run(sp.S.One, steps=8, dps=40), "ball")
    stay = iterate(process_of(system, Rule.NEWTON), Run(sp.S.One, steps=9, dps=40), "ball")
    assert all(abs(a - b) < arb(10) ** -38 for a, b in zip(far.states, stay.states, strict=True))
    moved = RegressionData(data.matrix, data.target, tuple(map(rational, far.states)), data.weights)
    start, step = path(system_of(moved), Run(sp.S.One, steps=1, dps=40), "ball")[1]
    assert all(abs(a - b) < arb(10) ** -38 for a, b in zip(start.states, step.states, strict=True))


def rational(ball: arb) -> sp.Rational:
    mantissa, exponent = ball.mid().man_exp()
    return sp.Rational(int(mantissa)) * sp.Integer(2) ** int(exponent)


def test_newton_is_for_a_vector_on_arrays() -> None:
    """Not for A, nor for a system without arrays or sizes; the error says what to do."""
    in_a = process_of(system_of(replace(PROBLEM, train="A")), Rule.NEWTON)
    with pytest.raises(InputError, match=r"one trained vector.*train x"):
        iterate(in_a, Run(sp.S.One, steps=1), "ball")
    n, d = sp.symbols("n d", integer=True, positive=True)
    symbolic = softmax_regression(n, d, id="symbolic", title="")
    assert state_symbols(symbolic) == ()
    with pytest.raises(InputError, match="no value"):
        iterate(process_of(symbolic), Run(sp.S.One, steps=1), "ball")
    numeric = softmax_regression(sp.Integer(2), sp.Integer(2), id="numeric", title="")
    with pytest.raises(InputError, match="no values for"):
        iterate(process_of(numeric), Run(sp.S.One, steps=1), "ball")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (RegressionData(((1, 2), (3,)), (0, 1), (1, 1)), "rows of different lengths"),
        (RegressionData((), (), ()), "no entries"),
        (RegressionData(((),), (1,), ()), "no entries"),
        (RegressionData(((1, 2), (3, 4)), (0, 1, 0), (1, 1)), "b has 3 numbers, and A is 2 x 2"),
        (RegressionData(((1, 2), (3, 4)), (0, 1), (1,)), "x has 1 numbers, and A is 2 x 2"),
        (RegressionData(((1, 2), (3, 4)), (0, 1), (1, 1), (1,)), "w has 1 numbers, and A is 2 x 2"),
        (RegressionData(((1, 0.5),), (1,), (1, 1)), "0.5 is a float"),
        (RegressionData(((1, 2),), (sp.oo,), (1, 1)), "an entry of b is oo"),
        (RegressionData(((1, sp.Symbol("y")),), (1,), (1, 1)), "not an exact number"),
        (RegressionData(((1, sp.pi),), (1,), (1, 1)), "not an exact number"),
        (RegressionData(((1, 2),), (1,), (1, 1), train="B"), "no B to train"),
    ],
)
def test_bad_data_are_refused(data: RegressionData, problem: str) -> None:
    """Shapes that do not match, and what is no exact finite number, before anything is computed."""
    with pytest.raises(InputError, match=problem):
        on_data(data, id="bad", title="")


@given(data_of())
def test_data_may_be_any_exact_numbers(data: RegressionData) -> None:
    """Python's integers and fractions, text and lists mean what SymPy's rationals do."""
    written = RegressionData(
        [[str(x) for x in row] for row in data.matrix],  # type: ignore[arg-type]
        tuple(Fraction(int(b.p), int(b.q)) for b in data.target),
        tuple(int(x) if x.is_Integer else x for x in data.point),
    )
    assert system_of(written) == system_of(data)


def test_states_are_named_by_their_place() -> None:
    """``x1, x2, ...`` for a vector, ``A1_1, A1_2, ...`` for a matrix, row by row; starts are the data's."""
    in_x, in_a = system_of(PROBLEM), system_of(replace(PROBLEM, train="A"))
    assert [str(s) for s in state_symbols(in_x)] == ["x1", "x2"]
    assert [str(s) for s in state_symbols(in_a)] == ["A1_1", "A1_2", "A2_1", "A2_2", "A3_1", "A3_2"]
    assert in_x.coordinates[0].variable.base == POINT
    assert in_a.coordinates[0].variable.base == MATRIX
    start = iterate(process_of(in_a), Run(sp.S.One, steps=0), "float64")
    assert start.states == (1.0, 2.0, 0.5, -1.0, 0.3, 0.0)
