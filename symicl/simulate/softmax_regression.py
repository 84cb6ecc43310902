"""The independent oracle for softmax regression: the map itself and its derivatives, in float64.

Model (arXiv 2304.13276). ``f(x) = softmax(A x)`` with ``A`` (n, d); loss ``L = |f(x) - b|^2 / 2``; trained in x or A.

Nothing here knows a closed form of the gradient or the Hessian. The gradient is reverse mode written out by hand, one
line for each operation of the forward pass; the Hessian is forward mode over that reverse pass, line by line too. If
these agree with derived formulas, it is not because they share one. Everything is float64: results are evidence,
never proof.

Near a vertex of the simplex, where one weight is 1 up to rounding, nothing is computed by subtracting from that weight:
see `_residual` and `_softmax_jacobian`. So gradients keep their digits, not only their size, as far as f does. What f
loses is the rounding of ``A x``: a relative error of about ``d 2^-53 max_i sum_j |A_ij x_j|``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from symicl.errors import InputError
from symicl.simulate.arrays import Array, float_array
from symicl.simulate.attention import _integer, _step_size

# Of A, b and weights; of x. Every product below then stays under the overflow of float64: the largest is |w A x|^2.
_LARGEST_ENTRY = 1e30
_LARGEST_POINT = 1e60
# Rounding gives an exactly singular Newton system a reciprocal condition number of some 1e-16; above this limit a step
# keeps about three digits.
_LEAST_RECIPROCAL_CONDITION = 1e-13


@dataclass(frozen=True, eq=False)
class Problem:
    """One softmax regression: ``A`` (n, d) and the target ``b`` (n,), n, d >= 1; b need not lie in the simplex.

    Arrays are copied to read-only float64. Raises InputError, naming the entry or the shape at fault.
    """

    A: Array
    b: Array

    def __post_init__(self) -> None:
        A, b = float_array(self.A, "A", _LARGEST_ENTRY), float_array(self.b, "b", _LARGEST_ENTRY)
        if A.ndim != 2 or A.size == 0:
            raise InputError(
                f"its shape is {A.shape}", where="A", remedy="give an n x d matrix with at least one row and one column"
            )
        if b.shape != A.shape[:1]:
            raise InputError(
                f"its shape is {b.shape}, but A has {A.shape[0]} rows",
                where="b",
                remedy=f"give a vector of {A.shape[0]} numbers, one for each row of A",
            )
        for name, value in {"A": A, "b": b}.items():
            value.setflags(write=False)
            object.__setattr__(self, name, value)


class Row(NamedTuple):
    """The state after ``step`` steps: ``x`` (d,), the loss that is descended on there, and ``f`` (n,) there."""

    step: int
    x: Array
    loss: float
    f: Array


def _point(problem: Problem, x: object, where: str = "x") -> Array:
    point = float_array(x, where, _LARGEST_POINT)
    if point.shape != problem.A.shape[1:]:
        raise InputError(
            f"its shape is {point.shape}, but A has {problem.A.shape[1]} columns",
            where=where,
            remedy=f"give a vector of {problem.A.shape[1]} numbers, one for each column of A",
        )
    return point


# ---------------------------------------------------------------------------------------------- forward


def softmax(z: Array) -> Array:
    """Return ``exp(z) / sum exp(z)`` (n,) for scores z (n,), n >= 1.

    The largest score is taken off first, as in log-sum-exp: no finite score overflows, and a weight is zero only where
    it is below the least float64, 5e-324. Relative error of a weight: that of ``z - max z``, plus n 2^-53. Raises
    InputError for an empty z or an entry that is not finite.
    """
    scores = float_array(z, "z", np.finfo(np.float64).max)
    if scores.ndim != 1 or scores.size == 0:
        raise InputError(f"its shape is {scores.shape}", where="z", remedy="give a vector of at least one number")
    # 1e308 - (-1e308) overflows to infinity, whose exponential is the right zero.
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp(scores - scores.max())
        f: Array = weights / weights.sum()
    return f


def predict(problem: Problem, x: Array) -> Array:
    """Return ``f(x) = softmax(A x)`` (n,) at x (d,). Raises InputError for a bad x."""
    return softmax(problem.A @ _point(problem, x))


def _residual(f: Array, b: Array) -> Array:
    """Return ``f - b``; the largest weight's entry as ``(1 - b_k) - sum of the others``, which keeps small ones."""
    k = int(f.argmax())
    residual: Array = f - b
    residual[k] = (1 - b[k]) - np.delete(f, k).sum()
    return residual


def loss(problem: Problem, x: Array) -> float:
    """Return ``|f(x) - b|^2 / 2`` at x (d,). Raises InputError for a bad x."""
    residual = _residual(predict(problem, x), problem.b)
    return float(0.5 * residual @ residual)


# ---------------------------------------------------------------------------------------------- derivatives


def _centred(f: Array, v: Array) -> tuple[Array, Array]:
    """Return ``v`` (n, m) less its entry at the largest weight, and the mean (m,) of that under f.

    A softmax does not feel a constant added to its scores, so neither does its Jacobian: taking off the entry of the
    largest weight leaves the mean a sum of small terms only, where one weight is nearly 1.
    """
    shifted = v - v[int(f.argmax())]
    return shifted, f @ shifted


def _softmax_jacobian(f: Array, v: Array) -> Array:
    """Return the softmax's Jacobian times each column of v (n, m); it is symmetric, so forward and reverse share it."""
    shifted, mean = _centred(f, v)
    product: Array = f[:, None] * (shifted - mean)
    return product


def _to_scores(problem: Problem, x: Array) -> Array:
    """Return dL/dz (n,), z = A x, by reverse mode."""
    f = softmax(problem.A @ x)
    to_prediction = _residual(f, problem.b)  # loss -> f
    return _softmax_jacobian(f, to_prediction[:, None])[:, 0]  # f -> z


def _to_scores_tangent(f: Array, b: Array, z_dot: Array) -> Array:
    """Return how dL/dz moves with z, for each column of z_dot (n, m): the tangent of `_to_scores`, line by line."""
    f_dot = _softmax_jacobian(f, z_dot)
    # loss -> f: the residual, whose tangent is f_dot
    shifted, mean = _centred(f, _residual(f, b)[:, None])
    shifted_dot, mean_of_dot = _centred(f, f_dot)
    # f -> z: the product f (shifted - mean), where mean = f . shifted
    mean_dot = shifted[:, 0] @ f_dot + mean_of_dot
    tangent: Array = f_dot * (shifted - mean) + f[:, None] * (shifted_dot - mean_dot)
    return tangent


def gradient(problem: Problem, x: Array) -> Array:
    """Return dL/dx (d,) at x (d,) by reverse mode. Raises InputError for a bad x."""
    to_x: Array = problem.A.T @ _to_scores(problem, _point(problem, x))  # z -> x
    return to_x


def gradient_in_weights(problem: Problem, x: Array) -> Array:
    """Return dL/dA (n, d) at x (d,) by reverse mode. Raises InputError for a bad x."""
    point = _point(problem, x)
    return np.outer(_to_scores(problem, point), point)  # z -> A


def hessian(problem: Problem, x: Array) -> Array:
    """Return the Hessian of L in x, (d, d), at x (d,); symmetric up to rounding. Raises InputError for a bad x.

    Forward over reverse: column j is the tangent of the reverse pass along the unit vector e_j, which moves z by A e_j.
    """
    to_x_dot: Array = problem.A.T @ _to_scores_tangent(predict(problem, x), problem.b, problem.A)  # z -> x
    return to_x_dot


def lipschitz_jacobian(problem: Problem, x: Array) -> float:
    """Return the spectral norm of df/dx (n, d) at x (d,), by forward mode. Raises InputError for a bad x."""
    return float(np.linalg.norm(_softmax_jacobian(predict(problem, x), problem.A), 2))


# ---------------------------------------------------------------------------------------------- training


def descend(problem: Problem, x0: Array, eta: float, steps: int) -> tuple[Row, ...]:
    """Take ``steps`` steps ``x - eta dL/dx`` from x0 (d,): ``steps + 1`` rows, the start first.

    Raises InputError for a bad x0, a negative eta or number of steps, and for an x that overflows.
    """
    number = _integer(steps, "steps", least=0)
    return tuple(islice(descent(problem, x0, eta), number + 1))


def descent(problem: Problem, x0: Array, eta: float, regularization: Array | None = None) -> Iterator[Row]:
    """Gradient descent on ``L + |diag(w) A x|^2 / 2`` from x0 (d,), without end; w = ``regularization`` (n,).

    Raises InputError as `descend` and `newton` do.
    """
    eta = _step_size(eta)
    weighted = _weighted(problem, np.zeros(len(problem.b)) if regularization is None else regularization)

    def step(x: Array) -> Array:
        return eta * (gradient(problem, x) + weighted.T @ (weighted @ x))

    return _walk(problem, x0, step, weighted, place=f"eta = {eta:g}", remedy="take a smaller step: a smaller eta")


def weight_descent(problem: Problem, x: Array, eta: float) -> Iterator[tuple[Problem, Row]]:
    """The rows of gradient descent on A from the problem's own A, x (d,) being fixed; the problem goes with each row.

    Raises InputError for a bad x or eta, and for an A that overflows.
    """
    eta, point, current, number = _step_size(eta), _point(problem, x), problem, 0
    while True:
        yield current, Row(number, point, loss(current, point), predict(current, point))
        with np.errstate(over="ignore", invalid="ignore"):
            entries = current.A - eta * gradient_in_weights(current, point)
        if not np.abs(entries).max() <= _LARGEST_ENTRY:
            raise InputError(
                f"an entry of A passes {_LARGEST_ENTRY:g} at step {number + 1}",
                where=f"eta = {eta:g}",
                remedy="take a smaller step: a smaller eta",
            )
        current, number = Problem(entries, problem.b), number + 1


def newton(problem: Problem, x0: Array, steps: int, regularization: Array) -> tuple[Row, ...]:
    """Take ``steps`` Newton steps on ``L + |diag(w) A x|^2 / 2`` from x0 (d,): ``steps + 1`` rows, the start first.

    ``regularization`` is w (n,), nonnegative. The step is
    ``x - (H + A' diag(w)^2 A)^-1 (dL/dx + A' diag(w)^2 A x)``, and the loss of a row has the penalty in it. Where the
    matrix is indefinite a step heads for a stationary point, which need not be downhill.

    Raises InputError for a bad x0, weight or number of steps, for an x that overflows, and where the matrix is
    singular: its reciprocal condition number with respect to A (see `_reciprocal_condition`) is below 1e-13.
    """
    weighted = _weighted(problem, regularization)

    def step(x: Array) -> Array:
        left, singular_values, right = np.linalg.svd(hessian(problem, x) + weighted.T @ weighted)
        reciprocal = _reciprocal_condition(problem, x, weighted, float(singular_values[-1]))
        if reciprocal < _LEAST_RECIPROCAL_CONDITION:
            raise InputError(
                f"the Newton system is singular: its reciprocal condition number is {reciprocal:.3g}",
                where=f"x = {x.tolist()}",
                remedy="give positive regularization weights, columns of A that are independent, or another x0",
            )
        whole_gradient = gradient(problem, x) + weighted.T @ (weighted @ x)
        solution: Array = right.T @ (left.T @ whole_gradient / singular_values)
        return solution

    number = _integer(steps, "steps", least=0)
    remedy = "take a smaller step: give larger regularization weights, or another x0"
    return tuple(islice(_walk(problem, x0, step, weighted, place="newton", remedy=remedy), number + 1))


def _weighted(problem: Problem, regularization: Array) -> Array:
    """``diag(w) A`` for nonnegative weights w (n,)."""
    weights = float_array(regularization, "regularization", _LARGEST_ENTRY)
    if weights.shape != problem.b.shape:
        raise InputError(
            f"its shape is {weights.shape}, but A has {len(problem.b)} rows",
            where="regularization",
            remedy=f"give {len(problem.b)} weights, one for each row of A",
        )
    if weights.min() < 0:
        i = int(weights.argmin())
        raise InputError(
            f"regularization[{i}] is {weights[i]}", where="regularization", remedy="no weight is negative; 0 is none"
        )
    weighted: Array = weights[:, None] * problem.A
    return weighted


def _reciprocal_condition(problem: Problem, x: Array, weighted: Array, least: float) -> float:
    """Return the least singular value over the size of what the matrix is summed from, A' B A and A' diag(w)^2 A.

    Against its own largest singular value a matrix that is all rounding can look well conditioned. Below the least
    normal float64 B has an absolute rounding, no relative one: hence the term added to it.
    """
    B = _to_scores_tangent(predict(problem, x), problem.b, np.eye(len(problem.b)))
    size_of_B = float(np.linalg.norm(B)) + float(np.finfo(np.float64).tiny)
    scale = float(np.linalg.norm(problem.A, 2)) ** 2 * size_of_B + float(np.linalg.norm(weighted, 2)) ** 2
    return least / scale if scale > 0 else 0.0


def _walk(
    problem: Problem, x0: Array, step: Callable[[Array], Array], weighted: Array, *, place: str, remedy: str
) -> Iterator[Row]:
    """Repeat ``x - step(x)``; every x handed out is a read-only array of its own."""
    x, number = _point(problem, x0, "x0"), 0
    while True:
        x.setflags(write=False)
        penalty = weighted @ x
        yield Row(number, x, loss(problem, x) + float(0.5 * penalty @ penalty), predict(problem, x))
        with np.errstate(over="ignore", invalid="ignore"):
            x = x - step(x)
        largest, number = float(np.abs(x).max()), number + 1
        if not (math.isfinite(largest) and largest <= _LARGEST_POINT):
            raise InputError(f"an entry of x passes {_LARGEST_POINT:g} at step {number}", where=place, remedy=remedy)
