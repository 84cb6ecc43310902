"""Loss, gradient and Hessian of a mixture at given numbers W, in any arithmetic: one Gaussian integral a task, or two.

Given the statistic p, the logit ``s = p'Wq/2`` of a query ``q ~ N(mu, Lambda)`` is Gaussian, and with ``a = W'p/2``
Stein's lemma takes the components of q out: ``E[f(s) q] = mu E f + Lambda a E f'``. At infinite prompt length p is
fixed. In one dimension equal norms make the means u and -u, so p is Gaussian whatever the labels are, and one outer
integral remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from flint import arb

from symicl.arithmetic import Arithmetic, Guarantee, Number
from symicl.errors import InputError
from symicl.mixture.logistic import LN10, LogisticMeans, Rule, aliasing, logistic_means, nodes, rule_for, tail
from symicl.systems.gaussian_mixture import MixtureData, Task

Matrix = list[list[Number]]


@dataclass(frozen=True)
class Values:
    """Loss, gradient (d x d) and Hessian (d^2 x d^2, row ``j d + k`` for W[j, k]; None where it was not asked for)."""

    loss: Number
    gradient: Matrix
    hessian: Matrix | None


def has_balls(data: MixtureData) -> bool:
    """Whether values come with a bound on every error: at infinite prompt length, and in one dimension."""
    return data.length is sp.oo or data.dimension == 1


def values(
    data: MixtureData, weights: Sequence[Sequence[Number]], chosen: Arithmetic, dps: int, *, second: bool
) -> Values:
    """Values at W; ``second`` asks for the Hessian. Call inside ``chosen.working(dps)``.

    Balls hold the values for all W in the balls given. Raises ``InputError`` for finite prompts in two dimensions and
    more, which ``symicl.mixture.floats`` has.
    """
    if data.length is sp.oo:
        parts = [_infinite(data, task, weights, chosen, dps, second) for task in data.tasks]
    elif data.dimension == 1:
        parts = [_line(data, task, weights[0][0], chosen, dps, second) for task in data.tasks]
    else:
        raise InputError(
            f"finite prompts in {data.dimension} dimensions have no balls",
            where=f"N = {data.length}",
            remedy="use --arithmetic float64, one dimension, or N = inf",
        )
    return _mixed([chosen.number(weight) for weight in data.weights], parts)


def _mixed(shares: Sequence[Number], parts: Sequence[Values]) -> Values:
    def total(pick: Sequence[Number]) -> Number:
        weighted = [share * value for share, value in zip(shares, pick, strict=True)]
        return sum(weighted[1:], weighted[0])

    def matrix(found: Sequence[Matrix]) -> Matrix:
        rows, columns = range(len(found[0])), range(len(found[0][0]))
        return [[total([each[i][j] for each in found]) for j in columns] for i in rows]

    hessians = [part.hessian for part in parts if part.hessian is not None]
    return Values(
        total([part.loss for part in parts]),
        matrix([part.gradient for part in parts]),
        matrix(hessians) if hessians else None,
    )


def _infinite(
    data: MixtureData, task: Task, weights: Sequence[Sequence[Number]], chosen: Arithmetic, dps: int, second: bool
) -> Values:
    number, size = chosen.number, range(data.dimension)
    plus, minus = ([number(x) for x in mean] for mean in task)
    gap = [number(x - y) for x, y in zip(*task, strict=True)]
    covariance = [[number(x) for x in row] for row in data.covariance]
    a = [_dot(gap, [weights[j][k] for j in size]) / 2 for k in size]
    along = [_dot(row, a) for row in covariance]
    scale = _root(_dot(a, along), chosen)
    m = [_dot(a, mean) for mean in (plus, minus)]
    up, down = (logistic_means(centre, scale, chosen, dps) for centre in m)
    loss = (up.softplus - m[0] + down.softplus) / 2
    force = [(plus[k] * (up.sigma - 1) + minus[k] * down.sigma + along[k] * (up.first + down.first)) / 4 for k in size]
    gradient = [[gap[j] * force[k] for k in size] for j in size]
    if not second:
        return Values(loss, gradient, None)
    curvature = [
        [(_second(covariance, plus, along, up, k, i) + _second(covariance, minus, along, down, k, i)) / 8 for i in size]
        for k in size
    ]
    hessian = [[gap[j] * gap[i] * curvature[k][n] for i in size for n in size] for j in size for k in size]
    return Values(loss, gradient, hessian)


def _second(
    covariance: Matrix, mean: Sequence[Number], along: Sequence[Number], found: LogisticMeans, k: int, i: int
) -> Number:
    """``E[sigma'(s) q_k q_i]``: Stein's lemma twice."""
    return (
        (covariance[k][i] + mean[k] * mean[i]) * found.first
        + (mean[k] * along[i] + along[k] * mean[i]) * found.second
        + along[k] * along[i] * found.third
    )


def _line(data: MixtureData, task: Task, w: Number, chosen: Arithmetic, dps: int, second: bool) -> Values:
    """One dimension, means u and -u: by symmetry the query may be taken of class +1, ``p ~ N(2u, 4 Lambda / N)``."""
    u, variance = chosen.number(task[0][0]), chosen.number(data.covariance[0][0])
    deviation = chosen.sqrt(variance)
    spread = 2 * chosen.sqrt(chosen.number(data.covariance[0][0] / data.length))
    inner_end = rule_for(0.0, dps).end
    reach = abs(_float(u, chosen)) + _float(deviation, chosen) * inner_end
    rule = rule_for(_float(w, chosen) * reach * _float(spread, chosen) / 2 * 1.001, dps)
    loss, slope, curvature = chosen.number(0), chosen.number(0), chosen.number(0)
    for z, weight in nodes(rule.step, rule.count, chosen.name, dps):
        p = 2 * u + spread * z
        a = w * p / 2
        # A node of little weight needs few digits.
        needed = dps - chosen.to_float(z) ** 2 / (2 * LN10)
        found = logistic_means(a * u, a * deviation, chosen, dps, max(needed, 2.0))
        along = variance * a
        loss += weight * (found.softplus - a * u)
        slope += weight * p / 2 * (u * (found.sigma - 1) + along * found.first)
        if second:
            square = (variance + u * u) * found.first + 2 * u * along * found.second + along * along * found.third
            curvature += weight * chosen.power(p, 2) / 4 * square
    if chosen.guarantee is Guarantee.CERTIFIED:
        errors = _line_errors(rule, inner_end, w, u, deviation, spread)
        loss, slope, curvature = (x + arb(0, e.upper()) for x, e in zip((loss, slope, curvature), errors, strict=True))
    return Values(loss, [[slope]], [[curvature]] if second else None)


def _line_errors(rule: Rule, end: float, w: arb, u: arb, deviation: arb, spread: arb) -> tuple[arb, arb, arb]:
    """Bounds on the errors of the outer rule for loss, gradient and Hessian.

    The inner integral over ``|z'| <= end`` is analytic in z where ``|w| (|u| + deviation end) spread |Im z| / 2`` is at
    most 3 pi / 4; what lies beyond ``end`` is bounded apart, in the integral and (at most 4 times that) in the rule.
    """
    size, mean, width, step = (abs(x).upper() for x in (w, u, deviation, spread))
    a, cut = arb(rule.strip), arb(end)
    if not size * (mean + width * cut) * step * a / 2 < arb.pi() * 3 / 4:
        return (arb("inf"),) * 3
    largest = 2 * mean + step * (1 + a)  # E|p| and sqrt(E p^2) on the edge of the strip are at most this
    one, two = mean + width, (mean + width) ** 2  # E|q| and E q^2
    density = (-cut * cut / 2).exp() / (2 * arb.pi()).sqrt()
    beyond = 2 * density * (mean / cut + width)
    beyond2 = 2 * density * (mean**2 / cut + 2 * mean * width + width**2 * (cut + 1 / cut))
    real = 2 * mean + step
    off = aliasing(rule)
    linear, quadratic = (2 * mean, step), (4 * mean**2, 4 * mean * step, step**2)
    loss = off * (size * largest * one / 2 + 4) + 4 * (size * real * beyond / 2 + density)
    loss += tail((size * linear[0] * one / 2 + 1, size * linear[1] * one / 2), rule)
    slope = off * largest * one + 4 * real * beyond + tail([c * one for c in linear], rule)
    curvature = off * largest**2 * two + 4 * real**2 * beyond2 + tail([c * two for c in quadratic], rule)
    return loss, slope, curvature


def _float(x: Number, chosen: Arithmetic) -> float:
    """The largest modulus in a ball, as a float; the modulus of a number."""
    return float(abs(x).upper()) if chosen.name == "ball" else abs(chosen.to_float(x))


def _root(square: Number, chosen: Arithmetic) -> Number:
    """The root of what is a square; a ball that rounding took below zero starts at 0."""
    if chosen.name != "ball":
        return chosen.sqrt(square) if square > 0 else chosen.number(0)
    low, high = square.lower(), square.upper()
    return (low.sqrt() if low > 0 else arb(0)).union(high.sqrt() if high > 0 else arb(0))


def _dot(left: Sequence[Number], right: Sequence[Number]) -> Number:
    products = [x * y for x, y in zip(left, right, strict=True)]
    return sum(products[1:], products[0])


__all__ = ["Matrix", "Values", "has_balls", "values"]
