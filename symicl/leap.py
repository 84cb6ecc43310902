"""Gradient descent in one coordinate over any number of steps, by the Abel function of the step.

A reduced coordinate that moves by ``y <- y + eta c h`` with ``h = u^p (1-u)^q``, ``u = z/(1+z)`` and ``z = alpha
exp(-lambda y)`` (balanced and dominant queries at infinite prompt length: p = 2, q = 1) has an asymptotic series for
the function that counts its steps, ``n(y + step) = n(y) + 1``. With ``Y = lambda y`` and ``epsilon = eta c lambda``,

    n = B_0 / epsilon + B_1 + epsilon B_2 + ...,   b_j = dB_j/dY,
    b_0 = 1/h,   b_j = - sum over m = 2..j+1 of h^(m-1)/m! (d/dY)^(m-1) b_(j+1-m),

from ``n(Y + epsilon h) - n(Y) = 1`` order by order. For j >= 1 it is ``b_j = h^(j-1) c_j`` with polynomials c_j in u,
so every B_j is a rational function and logarithms. What the truncated series misses in one step is a Lagrange
remainder; added up over any number of steps it stays below a bound in closed form: the steps counted, and the states
read off, are certified. (Backward error analysis; P. Chartier, E. Hairer, G. Vilmart, "Numerical integrators based on
modified differential equations", Math. Comp. 76, 2007.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import comb, factorial, inf

import sympy as sp
from flint import arb, arb_mat, arb_poly, fmpq, fmpq_poly

from symicl.algebra import Polynomial, field_of
from symicl.arithmetic import ARITHMETICS
from symicl.errors import DerivationError
from symicl.reduce import Recurrence

ORDERS = (4, 8, 16, 24, 32, 40)
BOUND_DIGITS = 60


@dataclass(frozen=True)
class NormalForm:
    """``y <- y + eta scale u^p (1-u)^q`` with ``u = z/(1+z)``, ``z = alpha exp(-rate y)``; exact, from ``start``."""

    scale: sp.Expr
    alpha: sp.Expr
    rate: sp.Rational
    p: int
    q: int
    start: sp.Expr


def normal_form(recurrence: Recurrence) -> NormalForm:
    """The normal form of a recurrence in one coordinate, parameters symbolic or not.

    Raises ``DerivationError`` where the update is not of that form.
    """
    if len(recurrence.coordinates) != 1:
        raise DerivationError(
            f"a leap needs one coordinate, and {recurrence.symmetric.system.id} has {len(recurrence.coordinates)}",
            remedy="use --method step",
        )
    (y,), (start,) = recurrence.coordinates, recurrence.start
    update = recurrence.updates[0].xreplace({recurrence.symmetric.system.step_size: sp.S.One})
    ratio = field_of([update])(update)
    moving = [atom for atom in ratio.field.atoms if y in atom.free_symbols]
    if len(moving) != 1 or not isinstance(moving[0], sp.exp):
        raise _no_form(recurrence)
    (atom,) = moving
    rate = sp.diff(atom.args[0], y)
    x = sp.Dummy("X", positive=True)
    atoms = [x if each == atom else each for each in ratio.field.atoms]
    top, bottom = (_polynomial(part, atoms, x) for part in (ratio.numerator, ratio.denominator))
    lead, k = _monomial(top), top.degree()
    pole = _one_pole(bottom)
    if (
        lead is None
        or pole is None
        or not rate.is_Rational
        or not rate > 0
        or start.free_symbols & set(recurrence.coordinates)
    ):
        raise _no_form(recurrence)
    constant, a, b, alpha = pole
    p, q = a + b - k, k - a
    if p < 1 or q < 0:
        raise _no_form(recurrence)
    scale = sp.factor(lead / constant * alpha ** (k - a - b))
    return NormalForm(scale, sp.factor(alpha), sp.Rational(rate), p, q, start)


def _polynomial(polynomial: Polynomial, atoms: Sequence[sp.Expr], x: sp.Symbol) -> sp.Poly:
    """A polynomial of the field in other names (SymPy would join the powers of an exponential)."""
    terms = (
        sp.Rational(int(c.p), int(c.q)) * sp.Mul(*(atom**e for atom, e in zip(atoms, exponents, strict=True) if e))
        for exponents, c in polynomial.terms()
    )
    return sp.Poly(sp.Add(*terms), x)


def _no_form(recurrence: Recurrence) -> DerivationError:
    return DerivationError(
        f"the update of {recurrence.symmetric.system.id} is not c X^k / (X + alpha)^b in an exponential X",
        remedy="use --method step; leaps are for balanced and dominant queries at infinite prompt length",
    )


def _monomial(polynomial: sp.Poly) -> sp.Expr | None:
    terms = polynomial.terms()
    return terms[0][1] if len(terms) == 1 else None


def _one_pole(polynomial: sp.Poly) -> tuple[sp.Expr, int, int, sp.Expr] | None:
    """(c, a, b, alpha) with the polynomial being ``c X^a (X + alpha)^b``, alpha > 0."""
    constant, factors = sp.factor_list(polynomial)
    a, b, alpha = 0, 0, None
    for factor, power in factors:
        if factor.degree() == 0:
            constant *= factor.as_expr() ** power
        elif factor.as_expr() == factor.gen:
            a += power
        elif factor.degree() == 1 and alpha is None:
            lead, rest = factor.all_coeffs()
            constant *= lead**power
            alpha, b = rest / lead, power
        else:
            return None
    return None if alpha is None else (constant, a, b, alpha)


# The series, in polynomials of u.


@dataclass(frozen=True)
class Series:
    """The b_j for j = 1..order, as polynomials in u, and what they integrate to.

    ``integrals`` holds for each its values at 0 and 1 and the polynomial r with ``b_j / (u (1-u)) = b_j(0)/u +
    b_j(1)/(1-u) + r'``. ``first`` and ``rest`` bound what is missed: a step at Y misses at most ``epsilon^(order+1)
    H^(order+1) (rest + first H / h)`` where H and h are the largest and least height between Y and the next step.
    ``sizes`` bound the ``c_j``.
    """

    p: int
    q: int
    order: int
    b: tuple[fmpq_poly, ...]
    integrals: tuple[tuple[fmpq, fmpq, fmpq_poly], ...]
    first: arb
    rest: arb
    sizes: tuple[arb, ...]


@lru_cache(maxsize=64)
def series(p: int, q: int, order: int) -> Series:
    """The coefficients for ``h = u^p (1-u)^q``, exact, and certified bounds of the remainder."""
    slope = fmpq_poly([-p, p + q])  # (dh/dY) / h, for du/dY = -u (1-u)
    inverse = [fmpq_poly([1])]  # h (d/dY)^m (1/h)
    for _ in range(order + 1):
        inverse.append(_along(inverse[-1]) - slope * inverse[-1])
    c: list[list[fmpq_poly]] = []  # h^(1-j) (d/dY)^m b_j, by j and m

    def derived(j: int, m: int) -> fmpq_poly:
        known = c[j - 1]
        while len(known) <= m:
            known.append(_along(known[-1]) + (j - 1) * slope * known[-1])
        return known[m]

    for j in range(1, order + 1):
        total = inverse[j] / factorial(j + 1)
        for m in range(2, j + 1):
            total += derived(j + 1 - m, m - 1) / factorial(m)
        c.append([-total])
    h = fmpq_poly([0, 1]) ** p * fmpq_poly([1, -1]) ** q
    with ARITHMETICS["ball"].working(BOUND_DIGITS):
        tops = _largest([inverse[order + 1], *(derived(j, order + 1 - j) for j in range(1, order + 1))])
        first, *rests = (top / factorial(order + 2 - j) for j, top in enumerate(tops))
        sizes = tuple(_largest([derived(j, 0) for j in range(1, order + 1)]))
        rest = sum(rests, arb(0))
    b = tuple(h ** (j - 1) * c[j - 1][0] for j in range(1, order + 1))
    return Series(p, q, order, b, tuple(map(_integral, b)), first, rest, sizes)


def _integral(polynomial: fmpq_poly) -> tuple[fmpq, fmpq, fmpq_poly]:
    at_zero, at_one = polynomial(fmpq(0)), polynomial(fmpq(1))
    rest = polynomial - fmpq_poly([at_zero, at_one - at_zero])
    return at_zero, at_one, (rest // fmpq_poly([0, 1, -1])).integral()


def _along(polynomial: fmpq_poly) -> fmpq_poly:
    """``d/dY`` of a polynomial in u: ``-u (1-u) d/du``."""
    return fmpq_poly([0, -1, 1]) * polynomial.derivative()


@lru_cache(maxsize=64)
def _places(degree: int) -> tuple[tuple[arb, ...], arb]:
    """Chebyshev nodes on [0, 1], and by how much a polynomial of a degree may exceed its largest value at them."""
    count = 2 * degree + 1
    turns = (fmpq(2 * k + 1, 2 * count) for k in range(count))
    return tuple((1 + arb.cos_pi_fmpq(turn)) / 2 for turn in turns), 1 / arb.cos_pi_fmpq(fmpq(degree, 2 * count))


def _largest(polynomials: Sequence[fmpq_poly]) -> list[arb]:
    """For each an upper bound of the absolute value on [0, 1], at most sqrt(2) too large.

    With m > n Chebyshev nodes the maximum of a polynomial of degree n is at most ``1 / cos(pi n / (2 m))`` times that
    at the nodes. (H. Ehlich, K. Zeller, "Schwankung von Polynomen zwischen Gitterpunkten", Math. Z. 86, 1964.)
    """
    degree = max(1, *(each.degree() for each in polynomials))
    nodes, excess = _places(degree)
    columns = [[arb(c) for c in each.coeffs()] + [arb(0)] * (degree - each.degree()) for each in polynomials]
    powers = [[x**k for k in range(degree + 1)] for x in nodes]
    values = (arb_mat(columns) * arb_mat(powers).transpose()).tolist()
    return [(reduce(arb.max, (abs(value).upper() for value in row)) * excess).upper() for row in values]


@dataclass(frozen=True)
class Count:
    """The truncated series summed at one epsilon, at the precision it was made in.

    ``n = -first(z) / epsilon - log_u log u + log_rest log(1-u) - rest(u)`` up to a constant, and
    ``dn/dY = 1/(epsilon h) + rate(u)``.
    """

    known: Series
    epsilon: arb
    log_u: arb
    log_rest: arb
    rest: arb_poly
    rate: arb_poly

    def at(self, log_z: arb) -> arb:
        """``n`` at a ball of log z, up to a constant; it rises as log z falls."""
        z = log_z.exp()
        log_rest = -(1 + z).log()
        series = self.log_u * (log_z + log_rest) - self.log_rest * log_rest + self.rest(z / (1 + z))
        return -_first(self.known, z, log_z) / self.epsilon - series

    def per_step(self, log_z: arb) -> arb:
        """``dn/dY`` at a ball of log z: the sum of ``epsilon^(j-1) b_j``."""
        z = log_z.exp()
        return 1 / (self.epsilon * step_height(self.known, log_z)) + self.rate(z / (1 + z))


def count(known: Series, epsilon: arb) -> Count:
    """The series of the number of steps at a size of steps, at the working precision."""
    log_u, log_rest, power = arb(0), arb(0), arb(1)
    rest, rate = arb_poly(), arb_poly()
    for polynomial, (at_zero, at_one, integral) in zip(known.b, known.integrals, strict=True):
        log_u += power * arb(at_zero)
        log_rest += power * arb(at_one)
        rest += power * arb_poly(integral)
        rate += power * arb_poly(polynomial)
        power *= epsilon
    return Count(known, epsilon, log_u, log_rest, rest, rate)


def _first(known: Series, z: arb, log_z: arb) -> arb:
    """``integral of dz / (z h)``: ``sum of C(b, k) z^(k-p-1)`` integrated, b = p + q."""
    p, b = known.p, known.p + known.q
    total = comb(b, p) * log_z
    for k in range(b + 1):
        if k != p:
            power = z ** (k - p) if k > p else 1 / z ** (p - k)
            total += comb(b, k) * power / (k - p)
    return total


def step_height(known: Series, log_z: arb) -> arb:
    """``h = z^p / (1+z)^(p+q)``."""
    z = log_z.exp()
    return z**known.p / (1 + z) ** (known.p + known.q)


def missed(known: Series, epsilon: arb, start: arb) -> arb:
    """An upper bound of what the series miscounts, in steps, from ``log z = start`` on, however many steps are taken.

    With T the largest height along the path and ``x = max(p, q) epsilon T``, log h changes by at most x within a step.
    So a step at Y misses at most ``epsilon^(m+1) e^((m+1) x) h^(m+1) (rest + first e^x)``, m being the order, and the
    sum of ``epsilon h h^m`` over the steps is at most ``e^(m x)`` times the integral of h^m dY.

    It is infinite where the series might not rise along the path: that it does is what makes a count of steps a place.
    """
    with ARITHMETICS["ball"].working(BOUND_DIGITS):
        top, area, order = _tallest(known, start), _area(known, start), known.order
        # epsilon h dn/dY = 1 + sum of (epsilon h)^j c_j
        wobble = sum(((epsilon * top) ** j * size for j, size in enumerate(known.sizes, start=1)), arb(0))
        if not wobble < 1:
            return arb(inf)
        growth = (max(known.p, known.q) * epsilon * top).exp()
        bound = growth ** (2 * order + 1) * (known.rest + known.first * growth) * epsilon**order * area
        return bound.upper()


def _tallest(known: Series, start: arb) -> arb:
    """The largest height from a place on. It is tallest at ``u = p / (p+q)``, and rises towards there."""
    p, q = known.p, known.q
    if _slope(known, start) > 0:
        return step_height(known, start).upper()
    return arb(fmpq(p**p * q**q, (p + q) ** (p + q))).upper()


def _area(known: Series, start: arb) -> arb:
    """An upper bound of the integral of ``h^order`` over all log z below a place."""
    power, z = known.order, start.exp()
    a, b = known.p * power, known.q * power
    # all of the integral of u^(a-1) (1-u)^(b-1) du
    bound = arb(fmpq(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))) if b else (1 + z).log().upper()
    slope = _slope(known, start)
    if slope > 0:  # log h is concave in log z, hence below its tangent
        bound = bound.min(step_height(known, start) ** power / (power * slope))
    return bound.upper()


def _slope(known: Series, log_z: arb) -> arb:
    """``d log h / d log z``."""
    z = log_z.exp()
    return (known.p - known.q * z) / (1 + z)
