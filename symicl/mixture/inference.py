"""How wrong the prediction is at a test prompt of length M, W being trained at length N: leading terms and a bound.

With ``W / 2 = P + G``, ``p = delta + xi`` and ``s*`` the true log odds, ``s - s* = xi' P q + delta' G q + ...``, where
``E xi xi' = C/M`` and ``G = G1/N + O(N^-2)``. So

    E (sigma - sigma*)^2 = E[sigma'^2 q'P C P q] / M + E[sigma'^2 (delta' G1 q)^2] / N^2 + ...
    E |sigma - sigma*|  ->  sqrt(2/pi) E[sigma' sqrt(q'P C P q)] / sqrt(M)   (N = inf)
    E |sigma - sigma*|  ->  E[sigma' |delta' G1 q|] / N                      (M = inf)

xi being Gaussian in the limit. ``sigma'^2 = (sigma' - sigma''')/6`` brings the squares to moments. As sigma has slope
at most 1/4, ``E|sigma - sigma*| <= sqrt(E q'P C P q / M) / 4`` at N = inf, for every M.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt

import sympy as sp
from flint import acb, arb, fmpq

from symicl.arithmetic import ARITHMETICS
from symicl.mixture.expansion import Expansion, Polynomial, TaskForms, algebra_of, expand, form_value, total
from symicl.mixture.logistic import LN10
from symicl.systems.gaussian_mixture import MixtureData, Task, spanning


@dataclass(frozen=True)
class Inference:
    """Constants of the inference error, as balls.

    Squared error: ``squared_test / M + squared_train / N^2``. Mean error: ``absolute_test / sqrt(M)`` at N = inf and
    ``absolute_train / N`` at M = inf; they are the constants themselves in one dimension (``exact``), and upper bounds
    by Cauchy and Schwarz beyond. ``bound``: the mean error is at most ``bound / sqrt(M)`` at N = inf, for every M.
    """

    squared_test: arb
    squared_train: arb
    absolute_test: arb
    absolute_train: arb
    exact: bool
    bound: arb


def inference(data: MixtureData, dps: int = 20, expansion: Expansion | None = None) -> Inference:
    """The constants to about ``dps`` digits. Raises ``InputError`` as :func:`symicl.mixture.expansion.expand`."""
    spanning(data, "inference error")
    found = expansion or expand(data, dps)
    algebra = algebra_of(data.dimension)
    tasks = [TaskForms(algebra, data, task) for task in data.tasks]
    with ARITHMETICS["ball"].working(dps + 10):
        unknown = [2 * entry for row in found.first for entry in row]

        def mean(pick: Callable[[TaskForms], dict[int, Polynomial]]) -> arb:
            return form_value(total(data.weights, [task.mean(pick(task)) for task in tasks]), unknown, dps)

        squared_test = mean(lambda t: {2: t.square / 6, 4: -t.square / 6})
        squared_train = mean(lambda t: {2: t.moving**2 / 6, 4: -(t.moving**2) / 6})
        if data.dimension == 1:
            test, train = _line(data, unknown[0], dps)
        else:
            slope = mean(lambda t: {2: algebra.context.constant(1)})
            test = (2 / arb.pi() * slope * mean(lambda t: {2: t.square})).sqrt()
            train = (slope * mean(lambda t: {2: t.moving**2})).sqrt()
        bound = sum((_number(w) * _trace(data, task) for task, w in zip(data.tasks, data.weights, strict=True)), arb(0))
        return Inference(squared_test, squared_train, test, train, data.dimension == 1, bound.sqrt() / 4)


def _line(data: MixtureData, one: arb, dps: int) -> tuple[arb, arb]:
    """In one dimension q = delta s / D^2: ``q'P C P q = 4 s^2 / D^2`` and ``delta' G1 q = (W1 / 2) Lambda s``."""
    test, train = arb(0), arb(0)
    for (plus, minus), weight in zip(data.tasks, data.weights, strict=True):
        distance = (plus[0] - minus[0]) ** 2 / data.covariance[0][0]
        moment = absolute_moment(distance, dps)
        test += _number(weight) * 2 * moment / _number(distance).sqrt()
        train += _number(weight) * moment
    return test * (2 / arb.pi()).sqrt(), train * abs(one) / 2 * _number(data.covariance[0][0])


def _trace(data: MixtureData, task: Task) -> arb:
    """``E q'P C P q``, exact."""
    plus, minus = sp.Matrix(task[0]), sp.Matrix(task[1])
    covariance, precision = sp.Matrix(data.covariance), data.precision
    total = plus + minus
    noise = total * total.T + 4 * covariance
    second = covariance + (plus * plus.T + minus * minus.T) / 2
    return _number((precision * noise * precision * second).trace())


def absolute_moment(distance: sp.Rational, dps: int) -> arb:
    """``E[sigma'(s) |s|]`` for ``s ~ N(D^2/2, D^2)``: a ball, in two pieces meeting at s = 0."""
    with ARITHMETICS["ball"].working(dps + 15):
        scale = _number(distance).sqrt()
        end = arb(ceil(sqrt(2 * (dps + 12) * LN10)) + 4)

        def integrand(z: acb, _: bool) -> acb:
            s = scale * scale / 2 + scale * z
            e = (-s).exp()
            return e / (1 + e) ** 2 * s * (-(z * z) / 2).exp()

        zero = -scale / 2
        inside = acb.integral(integrand, zero, end + scale).real - acb.integral(integrand, -end - scale, zero).real
        # Beyond the ends sigma' |s| is less than 1.
        outside = 2 * (-end * end / 2).exp() / end
        return (inside + arb(0, outside.upper())) / (2 * arb.pi()).sqrt()


def _number(value: sp.Rational) -> arb:
    return arb(fmpq(int(value.p), int(value.q)))


__all__ = ["Inference", "absolute_moment", "inference"]
