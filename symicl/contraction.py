"""The linear rate of gradient descent on a mixture: the condition number at W*, and a contraction factor around W*.

A step moves W by ``-eta`` times the gradient, so ``W(t+1) - W* = (1 - eta H) (W(t) - W*)``, H the mean of the Hessian
between the two. Where ``|1 - eta H| <= k < 1`` for every W at a distance of at most R from W*, in Frobenius norm, that
distance shrinks by k each step. The Hessian degenerates far from W*: there is no one rate for all W.

Around W* it is Lipschitz: along a direction V its derivative is ``E[sigma''(s) (p'Vq/2) (p'Uq/2)^2]``, and
``|sigma''| <= 1/(6 sqrt(3))``, so ``|H(W) - H(W*)| <= L |W - W*|`` with ``L = E |p|^3 |q|^3 / (48 sqrt(3))``, where
``E |x|^3 <= sqrt(E |x|^2 E |x|^4)`` and p, q are independent given the means.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from flint import arb, arb_mat, fmpq

from symicl.arithmetic import ARITHMETICS, Guarantee
from symicl.enclosure import largest_singular_value
from symicl.errors import InputError
from symicl.mixture.minimiser import minimiser
from symicl.mixture.values import has_balls, values
from symicl.systems.gaussian_mixture import MixtureData

DIGITS = 18
RADIUS = sp.Rational(1, 50)


@dataclass(frozen=True)
class Contraction:
    """Eigenvalues of the Hessian at W*, from ``least`` to ``largest``, and the ``factor`` of a step of size eta there.

    ``on_ball`` bounds the factor wherever W is within ``radius`` of W* in Frobenius norm, ``lipschitz`` how fast the
    Hessian changes, anywhere. All are certified.
    """

    eta: sp.Rational
    radius: sp.Rational
    least: arb
    largest: arb
    factor: arb
    on_ball: arb
    lipschitz: arb

    @property
    def condition(self) -> arb:
        """``largest / least``."""
        return self.largest / self.least

    @property
    def best_eta(self) -> arb:
        """``2 / (least + largest)``, at which the factor at W* is ``(condition - 1) / (condition + 1)``."""
        return 2 / (self.least + self.largest)


def contraction(data: MixtureData, eta: sp.Rational | None = None, radius: sp.Rational = RADIUS) -> Contraction:
    """The rate at a step size (about the best one where none is given), certified around W*.

    Raises ``InputError`` where W* is not known in balls: finite prompts in two dimensions and more, or degenerate
    means.
    """
    if not has_balls(data):
        raise InputError(
            "no contraction factor is certified at finite prompts in two dimensions and more",
            where=f"d = {data.dimension}, N = {data.length}",
            remedy="take N = inf, or one dimension",
        )
    if not (radius.is_Rational and radius > 0):
        raise InputError(f"the radius is {radius}", where="radius", remedy="give a number greater than 0")
    ball = ARITHMETICS["ball"]
    star = minimiser(data, DIGITS)
    assert star.guarantee is Guarantee.CERTIFIED
    with ball.working(DIGITS):
        at_star = _matrix(values(data, star.weights, ball, DIGITS, second=True).hessian)
        largest = largest_singular_value(_rows(at_star))
        try:
            least = 1 / largest_singular_value(_rows(at_star.inv()))
        except ZeroDivisionError:
            raise InputError("the Hessian at W* is not surely regular", where="rate", remedy="mend the data") from None
        if eta is None:
            eta = sp.Rational(round(float(2 / (least + largest)) * 16), 16) or sp.Rational(1, 16)
        factor, slope = _factor(at_star, eta), _lipschitz(data)
        return Contraction(eta, radius, least, largest, factor, factor + _number(eta) * slope * _number(radius), slope)


def _lipschitz(data: MixtureData) -> arb:
    """``L`` from exact second and fourth moments."""
    covariance, total = sp.Matrix(data.covariance), arb(0)
    for (plus, minus), weight in zip(data.tasks, data.weights, strict=True):
        query = [_moments(sp.Matrix(mean), covariance) for mean in (plus, minus)]
        two, four = (sum(each) / 2 for each in zip(*query, strict=True))
        noise = sp.zeros(*covariance.shape) if data.length is sp.oo else 4 * covariance / data.length
        p_two, p_four = _moments(sp.Matrix(plus) - sp.Matrix(minus), noise)
        total += _number(weight) * (_number(two) * _number(four) * _number(p_two) * _number(p_four)).sqrt()
    return total / (48 * arb(3).sqrt())


def _moments(mean: sp.Matrix, covariance: sp.Matrix) -> tuple[sp.Rational, sp.Rational]:
    """``E |x|^2`` and ``E |x|^4`` for ``x ~ N(mean, covariance)``."""
    two = (mean.T * mean)[0] + covariance.trace()
    return two, two**2 + 2 * (covariance * covariance).trace() + 4 * (mean.T * covariance * mean)[0]


def _factor(hessian: arb_mat, eta: sp.Rational) -> arb:
    size, rate = hessian.nrows(), _number(eta)
    return largest_singular_value([[int(i == j) - rate * hessian[i, j] for j in range(size)] for i in range(size)])


def _matrix(rows: list[list[arb]] | None) -> arb_mat:
    assert rows is not None
    return arb_mat(rows)


def _rows(matrix: arb_mat) -> list[list[arb]]:
    return [[matrix[i, j] for j in range(matrix.ncols())] for i in range(matrix.nrows())]


def _number(value: sp.Rational) -> arb:
    return arb(fmpq(int(value.p), int(value.q)))


__all__ = ["Contraction", "contraction"]
