"""Long prompts: ``W* = 2 Lambda^-1 + W1/N + W2/N^2 + ...``, the coefficients as integrals of derivatives of sigma.

The gradient at prompt statistic p is ``g(W, p) = E_q[f'(s) p q'/2]``, ``s = p'Wq/2``, where f(s) is the loss given q,
its derivatives after the first being those of sigma. p = delta + xi with ``E xi xi' = C/N``, ``C = m m' + 4 Lambda``, m
the sum of the means; odd moments vanish and the fourth are Gaussian up to N^-3, for binomial labels as for a Gaussian
p. So with the operator ``A = (1/2) sum C_ab d^2/dp_a dp_b``

    E g(W, p) = g + A g / N + A^2 g / (2 N^2) + O(N^-3)    at p = delta,

and the stationarity condition, differentiated in 1/N, gives with H the Hessian at N = inf

    H W1 = -A g,    H W2 = -(g''[W1, W1]/2 + A g'[W1] + A^2 g / 2)    at W = 2 Lambda^-1, p = delta.

There f' vanishes in the mean (the posterior is exact), and for both classes ``q = m/2 + (delta/D^2) s + zeta`` with
zeta independent of s: what remains is polynomials in s under the moments ``E[sigma^(n)(s) s^k]``, ``s ~ N(D^2/2,
D^2)``. All of it is exact in rationals up to those moments, which are enclosed by rigorous quadrature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import sympy as sp
from flint import Ordering, arb, arb_mat, fmpq, fmpq_mpoly_ctx

from symicl.arithmetic import ARITHMETICS
from symicl.errors import InputError
from symicl.mixture.logistic import moment
from symicl.systems.gaussian_mixture import MixtureData, Task, spanning

Polynomial = Any
"""A ``flint.fmpq_mpoly``."""

Terms = Mapping[int, Polynomial]
"""A function of q and p by the order of the derivative of f that each polynomial multiplies."""

MomentKey = tuple[int, int, sp.Rational]
"""(order n, power k, D^2): the moment ``E[sigma^(n)(s) s^k]``, ``s ~ N(D^2/2, D^2)``."""

Form = Mapping[MomentKey, Polynomial]
"""A combination of moments, with polynomials in the entries of W1 as coefficients."""

MAX_DIMENSION = 4


@dataclass(frozen=True)
class Expansion:
    """``W* / 2 = Lambda^-1 + first / N + second / N^2 + O(N^-3)``: matrices of balls.

    ``hessian`` is that at N = inf and W = 2 Lambda^-1, ``d^2 x d^2`` with row ``j d + k`` for W[j, k].
    ``hessian_forms`` gives its entries, ``right_forms`` those of ``-H W1``, as combinations of moments with exact
    coefficients.
    """

    first: tuple[tuple[arb, ...], ...]
    second: tuple[tuple[arb, ...], ...]
    hessian: tuple[tuple[arb, ...], ...]
    hessian_forms: tuple[tuple[Mapping[MomentKey, sp.Rational], ...], ...]
    right_forms: tuple[Mapping[MomentKey, sp.Rational], ...]


def expand(data: MixtureData, dps: int = 30) -> Expansion:
    """The first two coefficients, to about ``dps`` digits.

    Raises ``InputError`` where the differences of the means do not span the space, and in more than four dimensions.
    """
    spanning(data, "expansion in 1/N")
    if data.dimension > MAX_DIMENSION:
        raise InputError(
            f"the expansion has {data.dimension**2} unknowns",
            where="expansion in 1/N",
            remedy=f"take d <= {MAX_DIMENSION}",
        )
    algebra = algebra_of(data.dimension)
    size = data.dimension**2
    forms = [TaskForms(algebra, data, task) for task in data.tasks]
    shares = list(data.weights)
    hessian = [[total(shares, [f.hessian[i][j] for f in forms]) for j in range(size)] for i in range(size)]
    right = [total(shares, [f.first[i] for f in forms]) for i in range(size)]
    further = [total(shares, [f.second[i] for f in forms]) for i in range(size)]
    with ARITHMETICS["ball"].working(dps + 10):
        matrix = arb_mat([[form_value(form, (), dps) for form in row] for row in hessian])
        one = _solved(matrix, [-form_value(form, (), dps) for form in right])
        two = _solved(matrix, [-form_value(form, one, dps) for form in further])
        rows = range(data.dimension)

        def square(flat: Sequence[arb]) -> tuple[tuple[arb, ...], ...]:
            return tuple(tuple(flat[j * data.dimension + k] / 2 for k in rows) for j in rows)

        return Expansion(
            square(one),
            square(two),
            tuple(tuple(matrix[i, j] for j in range(size)) for i in range(size)),
            tuple(tuple(_constants(form) for form in row) for row in hessian),
            tuple(_constants(form) for form in right),
        )


@lru_cache(maxsize=8)
def algebra_of(d: int) -> Algebra:
    """The polynomials of d dimensions."""
    return Algebra(d)


class Algebra:
    """Polynomials over Q in p, q, the entries V of W1, and s."""

    def __init__(self, d: int) -> None:
        self.d = d
        names = [*(f"p{i}" for i in range(d)), *(f"q{i}" for i in range(d)), *(f"V{i}" for i in range(d * d)), "s"]
        self.context = fmpq_mpoly_ctx.get(names, Ordering.degrevlex)
        gens = self.context.gens()
        self.p, self.q, self.V, self.s = gens[:d], gens[d : 2 * d], gens[2 * d : -1], gens[-1]

    def sum(self, terms: Iterable[Polynomial]) -> Polynomial:
        """The sum of polynomials, none giving 0."""
        return sum(terms, self.context.constant(0))

    def constant(self, value: sp.Rational) -> Polynomial:
        return self.context.constant(fmpq(int(value.p), int(value.q)))

    def heat(self, f: Polynomial, covariance: sp.Matrix, names: Sequence[str]) -> Polynomial:
        """``(1/2) sum C_ab d^2 f / dx_a dx_b``."""
        total = self.context.constant(0)
        for a, b in product(range(self.d), repeat=2):
            if covariance[a, b] != 0:
                total += self.constant(covariance[a, b] / 2) * f.derivative(names[a]).derivative(names[b])
        return total

    def averaged(self, f: Polynomial, covariance: sp.Matrix) -> Polynomial:
        """The mean over a centred Gaussian added to q: ``exp(heat)`` of a polynomial, a finite sum."""
        total, term, order = f, f, 1
        while True:
            term = self.heat(term, covariance, [f"q{i}" for i in range(self.d)]) / order
            if term.is_zero():
                return total
            total, order = total + term, order + 1


class TaskForms:
    """What one pair of means adds to the Hessian, to ``A g`` and to the right-hand side of the second order.

    ``square`` is ``q'P C P q``, ``moving`` is ``p'V q / 2``.
    """

    def __init__(self, algebra: Algebra, data: MixtureData, task: Task) -> None:
        self.algebra, d = algebra, data.dimension
        plus, minus = sp.Matrix(task[0]), sp.Matrix(task[1])
        self.delta, self.middle = plus - minus, (plus + minus) / 2
        self.precision = data.precision
        covariance = sp.Matrix(data.covariance)
        self.distance = (self.delta.T * self.precision * self.delta)[0]
        self.spread = covariance - self.delta * self.delta.T / self.distance
        self.noise = 4 * self.middle * self.middle.T + 4 * covariance
        a, q = algebra, algebra.q
        self.images = [a.sum(a.constant(self.precision[i, j]) * q[j] for j in range(d)) for i in range(d)]
        self.weighted = [a.sum(a.constant(self.noise[i, j]) * self.images[j] for j in range(d)) for i in range(d)]
        self.square = a.sum(self.images[i] * self.weighted[i] for i in range(d))
        self.moving = a.sum(a.p[i] * a.V[i * d + j] * q[j] for i in range(d) for j in range(d)) / 2

    @cached_property
    def hessian(self) -> list[list[Form]]:
        a, d = self.algebra, self.algebra.d
        pairs = [(j, k) for j in range(d) for k in range(d)]
        return [[self.mean({2: a.p[j] * a.q[k] * a.p[i] * a.q[n] / 4}) for i, n in pairs] for j, k in pairs]

    @cached_property
    def first(self) -> list[Form]:
        return [self.mean(self.operator(g)) for g in self.gradients()]

    @cached_property
    def second(self) -> list[Form]:
        found = []
        for gradient in self.gradients():
            once = self.along(gradient)
            twice = self.along(once)
            diffused = self.operator(self.operator(gradient))
            terms: dict[int, Polynomial] = {}
            for part, weight in ((twice, 2), (self.operator(once), 1), (diffused, 2)):
                for order, f in part.items():
                    terms[order] = terms.get(order, self.algebra.context.constant(0)) + f / weight
            found.append(self.mean(terms))
        return found

    def gradients(self) -> list[Terms]:
        """``f'(s) p_j q_k / 2``."""
        a, d = self.algebra, self.algebra.d
        return [{1: a.p[j] * a.q[k] / 2} for j in range(d) for k in range(d)]

    def along(self, terms: Terms) -> Terms:
        """The derivative along V in W, of terms in which W stands in s alone."""
        return {order + 1: f * self.moving for order, f in terms.items()}

    def operator(self, terms: Terms) -> Terms:
        """``(1/2) sum C_ab d^2/dp_a dp_b``, where ``ds/dp_a = (P q)_a`` at W = 2 P."""
        a, names = self.algebra, [f"p{i}" for i in range(self.algebra.d)]
        found: dict[int, Polynomial] = {}

        def add(order: int, f: Polynomial) -> None:
            found[order] = found.get(order, a.context.constant(0)) + f

        for order, f in terms.items():
            add(order, a.heat(f, self.noise, names))
            add(order + 1, a.sum(f.derivative(names[i]) * self.weighted[i] for i in range(a.d)))
            add(order + 2, f * self.square / 2)
        return found

    def mean(self, terms: Terms) -> Form:
        """The mean over q at p = delta, by moments; f' has mean zero, and moments of the wrong parity vanish."""
        a = self.algebra
        form: dict[MomentKey, Polynomial] = {}
        place = {f"p{i}": _fmpq(self.delta[i]) for i in range(a.d)}
        line = [a.constant(self.middle[i]) + a.constant(self.delta[i] / self.distance) * a.s for i in range(a.d)]
        for order, f in terms.items():
            if order < 2:
                continue
            f = a.averaged(f.subs(place), self.spread)
            f = f.compose(*a.p, *line, *a.V, a.s)
            for exponents, coefficient in f.terms():
                power = int(exponents[-1])
                if (order - 1 + power) % 2 == 0:
                    continue
                key = (order - 1, power, self.distance)
                rest = a.context.from_dict({(*exponents[:-1], 0): coefficient})
                form[key] = form.get(key, a.context.constant(0)) + rest
        return form


def _fmpq(value: sp.Rational) -> fmpq:
    return fmpq(int(value.p), int(value.q))


def total(shares: Sequence[sp.Rational], forms: Sequence[Form]) -> Form:
    """The mean of forms."""
    found: dict[MomentKey, Polynomial] = {}
    for share, form in zip(shares, forms, strict=True):
        for key, f in form.items():
            scaled = f * _fmpq(share)
            found[key] = found[key] + scaled if key in found else scaled
    return {key: f for key, f in found.items() if not f.is_zero()}


def form_value(form: Form, unknown: Sequence[arb], dps: int) -> arb:
    """A form at the entries of W1."""
    total = arb(0)
    for (order, power, distance), f in form.items():
        weight = arb(0)
        for exponents, coefficient in f.terms():
            term = arb(coefficient)
            used = exponents[-1 - len(unknown) : -1] if unknown else ()
            for x, n in zip(unknown, used, strict=True):
                term *= x ** int(n)
            weight += term
        total += weight * moment(order, power, distance, dps + 10)
    return total


def _constants(form: Form) -> dict[MomentKey, sp.Rational]:
    """A form without unknowns, as rational coefficients."""
    found = {}
    for key, f in form.items():
        ((_, coefficient),) = f.terms()
        found[key] = sp.Rational(int(coefficient.p), int(coefficient.q))
    return found


def _solved(matrix: arb_mat, right: Sequence[arb]) -> list[arb]:
    solution = matrix.solve(arb_mat([[entry] for entry in right]))
    return [solution[i, 0] for i in range(len(right))]


__all__ = ["Algebra", "Expansion", "Polynomial", "TaskForms", "algebra_of", "expand", "form_value", "total"]
