"""Gradient descent in one coordinate over any number of steps, by the Abel function of the step.

A reduced coordinate that moves by ``y <- y + eta c h`` with ``h = u^p (1-u)^q``, ``u = z/(1+z)`` and ``z = alpha
exp(-lambda y)`` (balanced and dominant queries at infinite prompt length: p = 2, q = 1) has an asymptotic series for
the function that counts its steps, ``n(y + step) = n(y) + 1``. With ``Y = lambda y`` and ``epsilon = eta c lambda``,

    n = B_0 / epsilon + B_1 + epsilon B_2 + ...,   b_j = dB_j/dY,
    b_0 = 1/h,   b_j = - sum over m = 2..j+1 of h^(m-1)/m! (d/dY)^(m-1) b_(j+1-m),

from ``n(Y + epsilon h) - n(Y) = 1`` order by order. For j >= 1 it is ``b_j = h^(j-1) c_j`` with polynomials c_j in u,
so every B_j is a rational function and logarithms. What the truncated series misses in one step is a Lagrange
remainder, enclosed in balls on pieces of the path and added up: the steps counted, and the states read off, are
certified. (Backward error analysis; P. Chartier, E. Hairer, G. Vilmart, "Numerical integrators based on modified
differential equations", Math. Comp. 76, 2007.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import comb, factorial, inf

import sympy as sp
from flint import arb, arb_poly, fmpq, fmpq_poly

from symicl.algebra import Polynomial, field_of
from symicl.arithmetic import ARITHMETICS
from symicl.errors import DerivationError
from symicl.reduce import Recurrence

ORDERS = (4, 8, 12, 16, 20, 24, 28, 32, 40)
PIECES = 300
CUTS = 256
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
        rest = sum(
            (_largest(derived(j, order + 1 - j)) / factorial(order + 2 - j) for j in range(1, order + 1)), arb(0)
        )
        first = _largest(inverse[order + 1]) / factorial(order + 2)
        sizes = tuple(_largest(derived(j, 0)) for j in range(1, order + 1))
    b = tuple(h ** (j - 1) * c[j - 1][0] for j in range(1, order + 1))
    return Series(p, q, order, b, tuple(map(_integral, b)), first, rest, sizes)


def _integral(polynomial: fmpq_poly) -> tuple[fmpq, fmpq, fmpq_poly]:
    at_zero, at_one = polynomial(fmpq(0)), polynomial(fmpq(1))
    rest = polynomial - fmpq_poly([at_zero, at_one - at_zero])
    return at_zero, at_one, (rest // fmpq_poly([0, 1, -1])).integral()


def _along(polynomial: fmpq_poly) -> fmpq_poly:
    """``d/dY`` of a polynomial in u: ``-u (1-u) d/du``."""
    return fmpq_poly([0, -1, 1]) * polynomial.derivative()


def _largest(polynomial: fmpq_poly) -> arb:
    """An upper bound of the absolute value on [0, 1], by pieces, each expanded around its middle."""
    coefficients = arb_poly([arb(c) for c in polynomial.coeffs()])
    radius = arb(fmpq(1, 2 * CUTS))
    most = arb(0)
    for k in range(CUTS):
        middle = arb(fmpq(2 * k + 1, 2 * CUTS))
        shifted = coefficients(arb_poly([middle, arb(1)]))
        most = most.max(abs(shifted(arb(0, radius.upper()))).upper())
    return most


def counted(known: Series, epsilon: arb, log_z: arb) -> arb:
    """``n`` at a ball of log z, up to a constant; it rises as log z falls."""
    z = log_z.exp()
    total = -_first(known, z) / epsilon
    u, log_rest = z / (1 + z), -(1 + z).log()
    log_u, power = log_z + log_rest, arb(1)
    for at_zero, at_one, integral in known.integrals:
        total -= power * (arb(at_zero) * log_u - arb(at_one) * log_rest + _value(integral, u))
        power *= epsilon
    return total


def _first(known: Series, z: arb) -> arb:
    """``integral of dz / (z h)``: ``sum of C(b, k) z^(k-p-1)`` integrated, b = p + q."""
    p, b = known.p, known.p + known.q
    total = comb(b, p) * z.log()
    for k in range(b + 1):
        if k != p:
            power = z ** (k - p) if k > p else 1 / z ** (p - k)
            total += comb(b, k) * power / (k - p)
    return total


def per_step(known: Series, epsilon: arb, log_z: arb) -> arb:
    """``dn/dY`` at a ball of log z: the sum of ``epsilon^(j-1) b_j``."""
    z = log_z.exp()
    u = z / (1 + z)
    total, power = 1 / (epsilon * step_height(known, log_z)), arb(1)
    for polynomial in known.b:
        total += power * _value(polynomial, u)
        power *= epsilon
    return total


def step_height(known: Series, log_z: arb) -> arb:
    """``h = z^p / (1+z)^(p+q)``."""
    z = log_z.exp()
    return z**known.p / (1 + z) ** (known.p + known.q)


def _value(polynomial: fmpq_poly, u: arb) -> arb:
    result = arb(0)
    for coefficient in reversed(polynomial.coeffs()):
        result = result * u + arb(coefficient)
    return result


def missed(known: Series, epsilon: arb, first: arb, last: arb) -> arb:
    """An upper bound of what the series miscounts, in steps, on the way from ``log z = first`` down to ``last``.

    It is infinite where the height cannot be told from 0, or where the series might not rise along the path: that it
    does is what makes a count of steps a place.
    """
    with ARITHMETICS["ball"].working(BOUND_DIGITS):
        ends = [first + (last - first) * k / PIECES for k in range(PIECES + 1)]
        total, tallest = arb(0), arb(0)
        for high, low in pairwise(ends):
            total += _piece(known, epsilon, high, low)
            tallest = tallest.max(_heights(known, high, low).upper())
        # epsilon h dn/dY = 1 + sum of (epsilon h)^j c_j
        wobble = sum(((epsilon * tallest) ** j * size for j, size in enumerate(known.sizes, start=1)), arb(0))
        return total.upper() if wobble < 1 else arb(inf)


def _piece(known: Series, epsilon: arb, high: arb, low: arb) -> arb:
    """The same on one piece: what a step misses there, times at most how many steps there are."""
    here = _heights(known, high, low)
    # A remainder is taken between a point of the piece and the next one, which is at most this much further on.
    beyond = _heights(known, high, low - epsilon * here.upper())
    if not (here.lower() > 0 and beyond.lower() > 0):
        return arb(inf)
    most = beyond.upper()
    per = (epsilon * most) ** (known.order + 1) * (known.rest + known.first * most / beyond.lower())
    return (per * ((high - low) / (epsilon * here.lower()) + 1)).upper()


def _heights(known: Series, high: arb, low: arb) -> arb:
    """H on a piece of log z: ``u^p`` and ``(1-u)^q`` between their ends."""
    top, bottom = high.exp(), low.exp()
    u, rest = (top / (1 + top)).union(bottom / (1 + bottom)), (1 / (1 + top)).union(1 / (1 + bottom))
    return u**known.p * rest**known.q
