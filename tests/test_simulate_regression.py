"""The regression oracle is the map and its derivatives: checked against differences of the loss at 50 digits or more.

The reference is written here, in mpmath, from the definition of the loss alone: it knows no derivative.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from symicl.errors import InputError
from symicl.simulate.attention import Array
from symicl.simulate.softmax_regression import (
    Problem,
    descend,
    gradient,
    gradient_in_weights,
    hessian,
    lipschitz_jacobian,
    loss,
    newton,
    predict,
    softmax,
)

# Entries are eighths below 4 and d <= 3, so A x is exact in float64. What is left is one rounding for each of some ten
# operations, each of a size that the norms of A and b bound.
ROUNDING = 1e-14


def exact(values: Any) -> Any:
    """An mpmath matrix, or column, of float64 numbers, without rounding."""
    return mpmath.matrix(np.asarray(values, dtype=float).tolist())


def reference_f(A: Any, x: Any) -> list[Any]:
    """Softmax of A x by its definition, at the precision in force."""
    powers = [mpmath.exp(z) for z in A * x]
    return [power / mpmath.fsum(powers) for power in powers]


def reference_loss(A: Any, b: Any, x: Any, w: Any = None) -> Any:
    """The loss, with the penalty where there are weights w, by its definition."""
    squares = [(f - target) ** 2 for f, target in zip(reference_f(A, x), b, strict=True)]
    if w is not None:
        squares += [(weight * z) ** 2 for weight, z in zip(w, A * x, strict=True)]
    return mpmath.fsum(squares) / 2


def slopes(function: Callable[[Any], Any], at: Any) -> Any:
    """Central first differences in every entry of ``at``; with D digits they err by about 10^(-2D/3)."""
    h = mpmath.mpf(10) ** (-mpmath.mp.dps // 3)
    result = mpmath.matrix(at.rows, at.cols)
    for i in range(at.rows):
        for j in range(at.cols):
            up, down = at.copy(), at.copy()
            up[i, j] += h
            down[i, j] -= h
            result[i, j] = (function(up) - function(down)) / (2 * h)
    return result


def curvature(function: Callable[[Any], Any], at: Any) -> Any:
    """Central second differences in every pair of entries of the column ``at``; they err by about 10^(-D/2)."""
    h, d = mpmath.mpf(10) ** (-mpmath.mp.dps // 4), at.rows
    result = mpmath.matrix(d, d)

    def moved(i: int, j: int, one: int, two: int) -> Any:
        point = at.copy()
        point[i] += one * h
        point[j] += two * h
        return function(point)

    for i in range(d):
        for j in range(d):
            corners = moved(i, j, 1, 1) - moved(i, j, 1, -1) - moved(i, j, -1, 1) + moved(i, j, -1, -1)
            result[i, j] = corners / (4 * h * h)
    return result


def floats(matrix: Any) -> Array:
    """Rounded to float64, with the shape of the matrix."""
    return np.array([[float(matrix[i, j]) for j in range(matrix.cols)] for i in range(matrix.rows)])


@st.composite
def problems(draw: st.DrawFn, *, in_simplex: bool = False) -> tuple[Problem, Array]:
    """A problem with n <= 4, d <= 3 and a point x, all of exact eighths."""
    n, d = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    eighths = st.integers(-31, 31).map(lambda k: k / 8)
    A = draw(st.lists(st.lists(eighths, min_size=d, max_size=d), min_size=n, max_size=n))
    x = draw(st.lists(eighths, min_size=d, max_size=d))
    b = draw(st.lists(eighths, min_size=n, max_size=n))
    if in_simplex:
        shares = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n).filter(any))
        b = [share / sum(shares) for share in shares]
    return Problem(np.array(A), np.array(b)), np.array(x)


def size(problem: Problem) -> float:
    """What a rounding is multiplied by on its way to dL/dz: n terms, each of the size of the residual."""
    return len(problem.b) * (1 + float(np.abs(problem.b).max()))


@given(problems())
def test_loss_and_prediction_are_their_definition(drawn: tuple[Problem, Array]) -> None:
    """Prediction f and loss agree with the definition at 50 digits; f lies in the simplex, its sum 1 up to rounding."""
    problem, x = drawn
    f = predict(problem, x)
    with mpmath.workdps(50):
        A, b, point = exact(problem.A), exact(problem.b), exact(x)
        assert f == pytest.approx([float(v) for v in reference_f(A, point)], rel=ROUNDING)
        error = float(abs(reference_loss(A, b, point) - loss(problem, x)))
    assert error <= ROUNDING * size(problem) ** 2
    assert f.min() >= 0
    assert math.fsum(f) == pytest.approx(1, abs=ROUNDING)


@given(problems())
def test_gradients_are_the_derivatives_of_the_loss(drawn: tuple[Problem, Array]) -> None:
    """Reverse mode agrees with central differences at 50 digits in every entry of x and of A."""
    problem, x = drawn
    with mpmath.workdps(50):
        A, b, point = exact(problem.A), exact(problem.b), exact(x)
        in_x = floats(slopes(lambda v: reference_loss(A, b, v), point))[:, 0]
        in_A = floats(slopes(lambda M: reference_loss(M, b, point), A))
    bound = ROUNDING * size(problem)
    assert np.abs(gradient(problem, x) - in_x).max() <= bound * np.abs(problem.A).max()
    assert np.abs(gradient_in_weights(problem, x) - in_A).max() <= bound * np.abs(x).max()


@given(problems())
def test_hessian_is_the_second_derivative_of_the_loss(drawn: tuple[Problem, Array]) -> None:
    """Forward over reverse agrees with second differences at 50 digits in every entry."""
    problem, x = drawn
    with mpmath.workdps(50):
        A, b = exact(problem.A), exact(problem.b)
        expected = floats(curvature(lambda v: reference_loss(A, b, v), exact(x)))
    bound = ROUNDING * size(problem) * len(problem.b) * np.abs(problem.A).max() ** 2
    # Second differences at 50 digits err by h^2 = 1e-24 times a fourth derivative, at most some |A|^4.
    assert np.abs(hessian(problem, x) - expected).max() <= bound + 1e-18


@given(problems())
def test_jacobian_norm_is_that_of_the_map(drawn: tuple[Problem, Array]) -> None:
    """The spectral norm of df/dx is that of central differences of f, and at most |A| / 2 (arXiv 2304.13276)."""
    problem, x = drawn
    n, spectral = len(problem.b), float(np.linalg.norm(problem.A, 2))
    with mpmath.workdps(50):
        A = exact(problem.A)
        rows = [floats(slopes(lambda v, i=i: reference_f(A, v)[i], exact(x)))[:, 0] for i in range(n)]
    found = lipschitz_jacobian(problem, x)
    assert abs(found - float(np.linalg.norm(np.array(rows), 2))) <= ROUNDING * n * spectral
    assert found <= spectral / 2 * (1 + ROUNDING * n)


def test_jacobian_norm_attains_its_bound() -> None:
    """At f = (1/2, 1/2) and A along (1, -1) the norm is |A| / 2."""
    assert lipschitz_jacobian(Problem(np.array([[3.0], [-3.0]]), np.zeros(2)), np.zeros(1)) == pytest.approx(
        3 / math.sqrt(2), rel=1e-15
    )


@given(problems(), st.integers(-(2**20), 2**20))
def test_a_constant_added_to_the_scores_changes_nothing(drawn: tuple[Problem, Array], shift: int) -> None:
    """A column of ones and any coordinate for it: same f and loss, and neither slope nor curvature that way."""
    problem, x = drawn
    wide = Problem(np.column_stack([problem.A, np.ones(len(problem.b))]), problem.b)
    far = np.append(x, shift)
    assert np.array_equal(predict(wide, far), predict(problem, x))
    assert loss(wide, far) == loss(problem, x)
    bound = ROUNDING * size(problem) * len(problem.b) * max(1.0, float(np.abs(problem.A).max())) ** 2
    assert np.abs(gradient(wide, far) - np.append(gradient(problem, x), 0)).max() <= bound
    found, expected = hessian(wide, far), np.zeros((len(far), len(far)))
    expected[:-1, :-1] = hessian(problem, x)
    assert np.abs(found - expected).max() <= bound


@pytest.mark.parametrize("scores", [(0.0, -60.0, -61.0), (-240.0, 0.0, -120.0), (-30.0, -31.0, 0.0)])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_no_digit_is_lost_near_a_vertex(scores: tuple[float, ...], target: int) -> None:
    """With one weight 1 up to rounding, loss, gradient and Hessian keep their relative accuracy, tiny entries too."""
    x, b = np.array(scores), np.eye(3)[target]
    problem = Problem(np.eye(3), b)
    with mpmath.workdps(800):

        def reference(v: Any) -> Any:
            return reference_loss(mpmath.eye(3), exact(b), v)

        expected = float(reference(exact(x)))
        first, second = floats(slopes(reference, exact(x)))[:, 0], floats(curvature(reference, exact(x)))
    assert loss(problem, x) == pytest.approx(expected, rel=1e-14, abs=0)
    assert gradient(problem, x) == pytest.approx(first, rel=1e-14, abs=0)
    assert hessian(problem, x) == pytest.approx(second, rel=1e-13, abs=0)


@pytest.mark.parametrize("scale", [1e6, 5e29])
def test_huge_entries_neither_overflow_nor_warn(scale: float) -> None:
    """Scores far beyond the range of exp leave everything finite: the largest has all the weight, ties share it."""
    A = scale * np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, -1.0]])
    problem = Problem(A, np.array([1.0, 0.0, 0.0]))
    cases = (
        ([0.0, 1.0], [1.0, 0.0, 0.0], 0.0),
        ([1.0, 0.0], [0.0, 1.0, 0.0], 1.0),
        ([1.0, 1.0], [0.5, 0.5, 0.0], 0.25),
    )
    with np.errstate(all="raise"):
        for x, f, value in cases:
            at = np.array(x)
            assert predict(problem, at).tolist() == f
            assert loss(problem, at) == value
            for derivative in (gradient, gradient_in_weights, hessian):
                assert np.all(np.isfinite(derivative(problem, at)))
            assert math.isfinite(lipschitz_jacobian(problem, at))


def test_softmax_is_zero_only_below_the_least_float() -> None:
    """The weight e^-744 is kept, e^-746 is zero, and scores at both ends of float64 do not overflow."""
    with np.errstate(all="raise"):
        f = softmax(np.array([1e6, 1e6 - 744, 1e6 - 746]))
        ends = softmax(np.array([1.7e308, -1.7e308]))
    assert f[1] == pytest.approx(math.exp(-744), abs=5e-324)
    assert f[1] > 0
    assert (f[0], f[2]) == (1, 0)
    assert ends.tolist() == [1, 0]


@given(problems(in_simplex=True))
def test_descent_repeats_its_step_and_goes_down(drawn: tuple[Problem, Array]) -> None:
    """Each row is the last one less eta dL/dx; for b in the simplex and eta <= 1/|A|^2 the loss never rises.

    The second part holds because the Hessian is A'BA with |B| <= 1: the norm found is below 1/3.
    """
    problem, x0 = drawn
    eta = 1 / max(1.0, float(np.linalg.norm(problem.A, 2)) ** 2)
    rows = descend(problem, x0, eta, 4)
    assert [row.step for row in rows] == [0, 1, 2, 3, 4]
    assert np.array_equal(rows[0].x, x0)
    for before, after in itertools.pairwise(rows):
        with mpmath.workdps(50):
            A, b = exact(problem.A), exact(problem.b)
            slope = floats(slopes(lambda v: reference_loss(A, b, v), exact(before.x)))[:, 0]  # noqa: B023
        # x is no longer made of eighths: rounding A x moves f by at most 2^-53 d |A x|, some 1e-14.
        allowed = 10 * ROUNDING * size(problem) * (1 + np.abs(problem.A).max()) ** 2
        assert np.abs(after.x - (before.x - eta * slope)).max() <= eta * allowed + 1e-15 * (1 + np.abs(after.x).max())
        assert after.loss <= before.loss + 1e-14
    assert rows[4].loss == loss(problem, rows[4].x)
    assert np.array_equal(rows[4].f, predict(problem, rows[4].x))


@given(problems(in_simplex=True), st.data())
def test_a_newton_step_solves_the_newton_system(drawn: tuple[Problem, Array], data: st.DataObject) -> None:
    """One step is that of a linear solve at 50 digits, with the differences of the penalised loss as its matrix."""
    problem, x0 = drawn
    # Weights of at least 1 make the matrix definite: the Hessian is A'BA with B > -1/4 for b in the simplex.
    w = np.array(data.draw(st.lists(st.integers(8, 16), min_size=len(problem.b), max_size=len(problem.b)))) / 8
    singular_values = np.linalg.svd(problem.A, compute_uv=False)
    assume(problem.A.shape[1] <= problem.A.shape[0] and singular_values[-1] > 0.1)
    with mpmath.workdps(60):
        A, b, at = exact(problem.A), exact(problem.b), exact(x0)

        def penalised(v: Any) -> Any:
            return reference_loss(A, b, v, w)

        step = mpmath.lu_solve(curvature(penalised, at), slopes(penalised, at))
        expected, value = floats(at - step)[:, 0], float(penalised(at))
    first, second = newton(problem, x0, 1, w)
    # The condition number of the system: at most (4 + 1/3) / (1 - 1/4) that of A'A.
    condition = 6 * float(singular_values[0] / singular_values[-1]) ** 2
    assert np.abs(second.x - expected).max() <= condition * ROUNDING * size(problem) * (1 + np.abs(x0).max())
    assert first.loss == pytest.approx(value, rel=1e-13)


def test_newton_converges_quadratically_to_a_stationary_point() -> None:
    """Near the minimum of the penalised loss the gradient's size squares from step to step, down to rounding."""
    rng = np.random.default_rng(7)
    A, w = rng.normal(size=(4, 2)), np.full(4, 0.1)
    problem = Problem(A, np.array([0.7, 0.1, 0.1, 0.1]))
    weighted = w[:, None] * A
    sizes = [
        float(np.linalg.norm(gradient(problem, row.x) + weighted.T @ weighted @ row.x))
        for row in newton(problem, np.zeros(2), 8, w)
    ]
    assert sizes[-1] < 1e-15
    near = [(one, two) for one, two in itertools.pairwise(sizes) if 1e-7 < one < 0.1]
    assert len(near) >= 2
    assert all(two <= 10 * one * one for one, two in near)


def test_zero_steps_give_the_start_and_rows_are_read_only() -> None:
    """Asked for no step, the rows are the start alone; no row can be changed, nor does it share the caller's array."""
    problem, x0 = Problem(np.eye(2), np.array([1.0, 0.0])), np.zeros(2)
    for rows in (descend(problem, x0, 1.0, 0), newton(problem, x0, 0, np.ones(2))):
        assert len(rows) == 1
        assert rows[0].loss == 0.25
        with pytest.raises(ValueError, match="read-only"):
            rows[0].x[0] = 1.0
    x0[0] = 5.0
    assert rows[0].x.tolist() == [0, 0]


def test_a_problem_keeps_its_own_arrays() -> None:
    """Arrays are copied to read-only float64, so what the caller does to theirs does not matter."""
    A, b = np.array([[1, 2], [3, 4]]), [Fraction(1, 2), 0.5]
    problem = Problem(A, b)  # type: ignore[arg-type]
    A[0, 0] = 99
    assert problem.A.tolist() == [[1, 2], [3, 4]]
    assert problem.A.dtype == problem.b.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        problem.A[0, 0] = 0.0


@pytest.mark.parametrize(
    ("A", "b", "message"),
    [
        ([[1.0, math.nan], [0, 1]], [0, 1], r"A\[0\]\[1\] is nan"),
        ([[1.0, 0], [0, 1]], [0, -math.inf], r"b\[1\] is -inf"),
        ([[1.0, 0], [0, 1e31]], [0, 1], r"A\[1\]\[1\] is 1e\+31"),
        ([[1.0, 0], [0, 1]], [0, 1, 0], r"shape is \(3,\), but A has 2 rows.*in b"),
        ([[1.0, 0], [0, 1]], [[0], [1]], r"shape is \(2, 1\), but A has 2 rows.*in b"),
        ([1.0, 2.0], [0, 1], r"shape is \(2,\).*in A"),
        ([], [], "in A.*at least one row"),
        ([[], []], [0, 1], "in A.*at least one row and one column"),
        ([[1.0], [2.0, 3.0]], [0, 1], "not an array of numbers.*in A"),
        ([["one"], ["two"]], [0, 1], "not an array of numbers.*in A"),
        ([[1j], [0]], [0, 1], "not an array of numbers: complex.*in A"),
        ([[1.0], [0]], [{}, 0], "not an array of numbers.*in b"),
    ],
)
def test_wrong_problems_are_named(A: Any, b: Any, message: str) -> None:
    """Wrong input raises InputError that names the array, and the entry or the shape at fault."""
    with pytest.raises(InputError, match=message):
        Problem(A, b)


@pytest.mark.parametrize("function", [predict, loss, gradient, gradient_in_weights, hessian, lipschitz_jacobian])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0], r"shape is \(1,\), but A has 2 columns.*in x"),
        ([1.0, math.nan], r"x\[1\] is nan"),
        ([1e61, 0.0], r"x\[0\] is 1e\+61"),
    ],
)
def test_wrong_points_are_named(function: Callable[[Problem, Any], object], x: list[float], message: str) -> None:
    """Every function of x refuses one that does not fit A, or is not finite."""
    with pytest.raises(InputError, match=message):
        function(Problem(np.eye(2), np.array([1.0, 0])), x)


@pytest.mark.parametrize("z", [[], [[1.0, 2.0]], [math.nan], [0.0, math.inf]])
def test_softmax_refuses_what_has_none(z: list[Any]) -> None:
    """Scores that are empty, not a vector or not finite have no softmax."""
    with pytest.raises(InputError, match="z"):
        softmax(np.array(z))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda p: descend(p, np.zeros(2), -1.0, 3), "eta is -1"),
        (lambda p: descend(p, np.zeros(2), math.nan, 3), "eta is nan"),
        (lambda p: descend(p, np.zeros(2), 1.0, -3), "steps is -3"),
        (lambda p: descend(p, np.zeros(3), 1.0, 3), "A has 2 columns.*in x0"),
        (lambda p: descend(p, np.zeros(2), 1e62, 3), r"passes 1e\+60 at step 1.*eta = 1e\+62.*smaller step"),
        (lambda p: descend(Problem(1e30 * p.A, p.b), np.zeros(2), 1e308, 1), "smaller step"),
        (lambda p: newton(p, np.zeros(2), 2.5, np.ones(2)), r"steps is 2\.5"),
        (lambda p: newton(p, np.zeros(2), 1, np.ones(3)), "A has 2 rows.*in regularization"),
        (lambda p: newton(p, np.zeros(2), 1, np.array([1.0, -0.5])), r"regularization\[1\] is -0\.5"),
        (lambda p: newton(p, np.zeros(2), 1, np.array([1.0, math.nan])), r"regularization\[1\] is nan"),
        (lambda p: newton(Problem(np.ones((2, 2)), p.b), np.zeros(2), 1, np.ones(2)), "singular.*columns of A"),
        (lambda p: newton(Problem(np.zeros((2, 1)), p.b), np.zeros(1), 1, np.ones(2)), "singular.*number is 0"),
    ],
)
def test_wrong_runs_are_named(run: Callable[[Problem], object], message: str) -> None:
    """Wrong steps, step sizes, starts and weights raise InputError; so does an x that overflows."""
    with pytest.raises(InputError, match=message):
        run(Problem(np.eye(2), np.array([1.0, 0])))


@given(problems(in_simplex=True))
def test_a_singular_newton_system_is_refused(drawn: tuple[Problem, Array]) -> None:
    """With 1 in the range of A and no weights there is no Newton step, and the reciprocal condition number says so."""
    problem, x = drawn
    wide = Problem(np.column_stack([problem.A, np.ones(len(problem.b))]), problem.b)
    with pytest.raises(InputError, match=r"singular: its reciprocal condition number is .*regularization"):
        newton(wide, np.append(x, 1.0), 1, np.zeros(len(problem.b)))


def test_a_newton_system_of_lost_digits_is_refused() -> None:
    """A weight of e^-700 has all its digits and a Newton step; of e^-741 float64 keeps five bits, and there is none."""
    problem = Problem(np.array([[0.0], [-1.0]]), np.array([0.0, 1.0]))
    step = newton(problem, np.array([700.0]), 1, np.zeros(2))[1].x - 700
    # With f_2 = s small, L = (1 - s)^2 and s' = -s up to order s^2: gradient 2 s, curvature -2 s, a step of +1.
    assert step == pytest.approx([1.0], rel=1e-12)
    with pytest.raises(InputError, match="singular"):
        newton(problem, np.array([741.0]), 1, np.zeros(2))


def test_newton_overflow_asks_for_a_smaller_step() -> None:
    """A Newton step that leaves the range of x is refused with what to change."""
    problem = Problem(np.array([[1e-90], [-1e-90]]), np.array([1.0, 0.0]))
    with pytest.raises(InputError, match=r"passes 1e\+60 at step 1.*smaller step.*regularization"):
        newton(problem, np.zeros(1), 1, np.zeros(2))
