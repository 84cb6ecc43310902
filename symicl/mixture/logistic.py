"""Means of the logistic function and its derivatives over one Gaussian variable, with a bound on every error.

The rule is the trapezoidal one, which converges geometrically for functions analytic in a strip: its error is at most
``2 M / (exp(2 pi a / h) - 1)``, M the integral of the modulus along the edge of the strip of half-width a (Trefethen
and Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 56, 2014, Theorem 5.1). The poles of the
logistic function lie at odd multiples of ``i pi``; the strip used is ``|Im s| <= 3 pi / 4``, where ``|1 + exp(-s)| >=
1/sqrt(2)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, frexp, log, pi, sqrt

import sympy as sp
from flint import acb, arb, fmpq, fmpz_poly

from symicl.arithmetic import ARITHMETICS, Arithmetic, Guarantee, Number, arithmetic

LN10 = log(10)
STRIP = 3 * pi / 4
"""Half-width of the strip in which the logistic function is used, in floats."""

EDGE = (2, 2, 8, 26)
"""Bounds of sigma, sigma', sigma'', sigma''' on the strip: |sigma| and |1 - sigma| are at most sqrt(2) there."""


@dataclass(frozen=True)
class LogisticMeans:
    """``E softplus(s)``, ``E sigma(s)`` and the means of three derivatives of sigma, over a Gaussian s."""

    softplus: Number
    sigma: Number
    first: Number
    second: Number
    third: Number


@dataclass(frozen=True)
class Rule:
    """Nodes ``k step``, ``|k| <= count``; ``strip`` is the half-width a, in units of the standard normal variable."""

    step: sp.Rational
    count: int
    strip: float

    @property
    def end(self) -> float:
        """The last node."""
        return float(self.step) * self.count


def rule_for(widest: float, dps: float) -> Rule:
    """A rule whose errors are near ``10**-dps`` for a function analytic where ``|Im z| * widest <= 3 pi / 4``."""
    digits = max(dps, 3.0) * LN10 + 3
    most = sqrt(2 * digits)
    strip = most if widest * most <= STRIP else 0.999 * STRIP / widest
    step = 2 * pi * strip / (digits + strip**2 / 2)
    mantissa, power = frexp(step)
    short = sp.Rational(int(mantissa * 32), 32) * sp.Rational(2) ** power
    return Rule(short, ceil((most + 1) / float(short)), strip)


@lru_cache(maxsize=256)
def nodes(step: sp.Rational, count: int, name: str, dps: int) -> tuple[tuple[Number, Number], ...]:
    """Nodes ``z = k step``, ``|k| <= count``, with weights ``step * density(z)``, to ``dps`` digits."""
    chosen = arithmetic(name)
    with chosen.working(dps):
        h = chosen.number(step)
        scale = h / chosen.sqrt(chosen.number(2) * circle(chosen, dps))
        found = []
        for k in range(-count, count + 1):
            z = chosen.number(step * k)
            found.append((z, scale * chosen.exp(-z * z / 2)))
        return tuple(found)


def circle(chosen: Arithmetic, dps: int) -> Number:
    """The number pi in an arithmetic, to ``dps`` digits where it has no balls."""
    return arb.pi() if chosen.name == "ball" else chosen.number(sp.Rational(str(sp.pi.evalf(dps + 5))))


def logistic_means(
    mean: Number, scale: Number, chosen: Arithmetic, dps: int, digits: float | None = None
) -> LogisticMeans:
    """Means over ``s = mean + scale z``, z standard normal. Call inside ``chosen.working(dps)``.

    ``digits`` is the accuracy aimed at, ``dps`` where it is not given; balls hold the means in any case.
    """
    widest = abs(chosen.to_float(scale)) if chosen.name != "ball" else float(abs(scale).upper())
    rule = rule_for(widest, dps if digits is None else digits)
    zero = chosen.number(0)
    plus, one, two, three, four = zero, zero, zero, zero, zero
    for z, weight in nodes(rule.step, rule.count, chosen.name, dps):
        s = mean + scale * z
        sigma, other, softplus = logistic(s, chosen)
        slope = sigma * other
        weighted = weight * slope
        plus += weight * softplus
        one += weight * sigma
        two += weighted
        three += weighted * (other - sigma)
        four += weighted * (1 - 6 * slope)
    if chosen.guarantee is Guarantee.CERTIFIED:
        bounded, linear = _errors(rule, mean, scale)
        plus, one = _wider(plus, linear), _wider(one, EDGE[0] * bounded)
        two, three, four = (_wider(x, e * bounded) for x, e in zip((two, three, four), EDGE[1:], strict=True))
    return LogisticMeans(plus, one, two, three, four)


def logistic(s: Number, chosen: Arithmetic) -> tuple[Number, Number, Number]:
    """``sigma(s)``, ``1 - sigma(s)`` and ``softplus(s) = log(1 + exp(s))``; nothing overflows or cancels."""
    if chosen.midpoint(s) > 0:
        e = chosen.exp(-s)
        total = 1 + e
        return 1 / total, e / total, s + chosen.log(total)
    e = chosen.exp(s)
    total = 1 + e
    return e / total, 1 / total, chosen.log(total)


def _wider(x: arb, error: arb) -> arb:
    return x + arb(0, error.upper())


def _errors(rule: Rule, mean: arb, scale: arb) -> tuple[arb, arb]:
    """Bounds on the error for functions at most 1 on the strip, and for softplus, which is at most |s| + 4 there."""
    size, width, a = abs(mean).upper(), abs(scale).upper(), arb(rule.strip)
    if not width * a < arb.pi() * 3 / 4:
        return arb("inf"), arb("inf")
    off = aliasing(rule)
    bounded = off + tail((arb(1),), rule)
    return bounded, off * (size + width * (1 + a) + 4) + tail((size + 1, width), rule)


def aliasing(rule: Rule) -> arb:
    """``2 exp(a^2 / 2) / (exp(2 pi a / h) - 1)``: the trapezoidal error for a function at most 1 on the strip."""
    a, h = arb(rule.strip), arb(fmpq(int(rule.step.p), int(rule.step.q)))
    return 2 * (a * a / 2).exp() / ((2 * arb.pi() * a / h).exp() - 1)


def tail(growth: Sequence[arb], rule: Rule) -> arb:
    """What nodes left out can add to a function at most ``c0 + c1 |z| + c2 z^2``: the sums lie below integrals."""
    end = arb(fmpq(int(rule.step.p), int(rule.step.q))) * rule.count
    density = (-end * end / 2).exp() / (2 * arb.pi()).sqrt()
    parts = (1 / end, arb(1), end + 1 / end)
    return sum((2 * c * part * density for c, part in zip(growth, parts, strict=False)), arb(0))


@lru_cache(maxsize=64)
def derivative_polynomial(order: int) -> tuple[int, ...]:
    """The coefficients, lowest first, of the polynomial in sigma that the derivative of this order is.

    From ``sigma' = sigma - sigma^2`` by the chain rule.
    """
    found, slope = fmpz_poly([0, 1]), fmpz_poly([0, 1, -1])
    for _ in range(order):
        found = found.derivative() * slope
    return tuple(int(c) for c in found.coeffs())


@lru_cache(maxsize=4096)
def moment(order: int, power: int, distance: sp.Rational, dps: int) -> arb:
    """``E[sigma^(order)(s) s^power]`` for ``s ~ N(D/2, D)``, D the squared distance: a ball, by ``acb.integral``.

    What lies beyond the ends of the integral is bounded: the derivative by the sum of its coefficients, the density by
    its slope at the end (its logarithm is concave).
    """
    coefficients = derivative_polynomial(order)
    with ARITHMETICS["ball"].working(dps + 15):
        centre, scale = (arb(fmpq(int(x.p), int(x.q))) for x in (distance / 2, distance))
        scale = scale.sqrt()
        end = arb(ceil(sqrt(2 * (dps + 10 + 2 * power) * LN10)) + 4)

        def integrand(z: acb, _: bool) -> acb:
            s = centre + scale * z
            sigma = 1 / (1 + (-s).exp())
            value = acb(0)
            for c in reversed(coefficients):
                value = value * sigma + c
            return value * s**power * (-(z * z) / 2).exp()

        inside = acb.integral(integrand, -end, end).real / (2 * arb.pi()).sqrt()
        most = arb(sum(map(abs, coefficients)))
        reach = centre + scale * end
        slope = end - power * scale / reach
        outside = 2 * most * reach**power * (-end * end / 2).exp() / slope
        if not slope > 0:
            outside = arb("inf")
        return inside + arb(0, outside.upper())


__all__ = [
    "LogisticMeans",
    "Rule",
    "aliasing",
    "derivative_polynomial",
    "logistic",
    "logistic_means",
    "moment",
    "nodes",
    "tail",
]
