"""Means over Gaussian vectors are integrals: against quadrature, and against moments that are known.

Properties: at random means, variances, linear exponents and polynomials of degree two, in one and two dimensions, the
mean is the integral against the density, to the digits of the quadrature. What is no such body is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl import DerivationError, SumOver, System
from symicl.algebra import field_of
from symicl.gaussian_vector import GaussianVector
from symicl.indices import Index, resolve
from symicl.systems.base import IndexRange
from symicl.systems.trained_layer import MEANS, attended, population_loss, taught
from symicl.testing import rationals
from symicl.unroll import unroll

Z, C, A, B = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in ("z", "c", "a", "b"))
D = sp.Symbol("d", integer=True, positive=True)
S = sp.Symbol("s", positive=True)
J, K = Index("j", "coordinates"), Index("k", "coordinates")
LAW = GaussianVector(Z, J, D, lambda k: C[k], S)
DIGITS = 20


def total(body: Any) -> sp.Expr:
    """The sum over the coordinates of ``body(j)``."""
    return SumOver(body(J), J, D)


def same(left: sp.Expr, right: sp.Expr) -> bool:
    difference = resolve(sp.expand(left - right), ())
    return bool(field_of([difference])(difference).is_zero)


# ------------------------------------------------------------------------------------------------ quadrature


def written_out(
    expression: sp.Expr, entries: dict[sp.IndexedBase, tuple[sp.Expr, ...]], places: dict[Any, int]
) -> sp.Expr:
    """A scalar at as many coordinates as there are entries."""
    d = len(entries[C])
    over = IndexRange("coordinates", sp.Integer(d), ("j", "k"))
    at = expression.xreplace({D: sp.Integer(d)})
    return unroll(System("plain", "", sp.S.Zero, sp.S.Zero, (), ranges=(over,)), at, entries, places)


def integral(body: sp.Expr, variables: tuple[sp.Symbol, ...], centre: tuple[sp.Expr, ...], variance: sp.Expr) -> Any:
    """``E[body]`` by Gauss-Hermite quadrature: 36 points an axis are far beyond what these exponents need."""
    function = sp.lambdify(variables, body, "mpmath")
    middle, scale = [mpmath.mpf(c.p) / c.q for c in centre], mpmath.sqrt(2 * mpmath.mpf(variance.p) / variance.q)
    nodes = hermite()
    if len(variables) == 1:
        sums = [weight * function(middle[0] + scale * x) for x, weight in nodes]
        return mpmath.fsum(sums) / mpmath.sqrt(mpmath.pi)
    sums = [v * w * function(middle[0] + scale * x, middle[1] + scale * y) for x, v in nodes for y, w in nodes]
    return mpmath.fsum(sums) / mpmath.pi


POINTS = 36


@lru_cache
def hermite() -> tuple[tuple[Any, Any], ...]:
    """Nodes and weights for the weight ``exp(-x^2)``: roots of the Hermite polynomial, polished by Newton's method."""
    found = []
    with mpmath.workdps(DIGITS + 15):
        for start in np.polynomial.hermite.hermgauss(POINTS)[0]:
            x = mpmath.mpf(float(start))
            for _ in range(4):
                x -= mpmath.hermite(POINTS, x) / (2 * POINTS * mpmath.hermite(POINTS - 1, x))
            below = mpmath.hermite(POINTS - 1, x)
            weight = 2 ** (POINTS - 1) * mpmath.factorial(POINTS) * mpmath.sqrt(mpmath.pi) / (POINTS * below) ** 2
            found.append((x, weight))
    return tuple(found)


@st.composite
def problems(draw: st.DrawFn) -> tuple[sp.Expr, dict[sp.IndexedBase, tuple[sp.Expr, ...]], sp.Expr]:
    """A polynomial of degree two at most times the exponential of a linear form, entries for its arrays, a variance."""
    d = draw(st.integers(1, 2))
    entries = {base: tuple(draw(rationals(-1, 1, max_denominator=4)) for _ in range(d)) for base in (C, A, B)}
    linear, other = total(lambda j: A[j] * Z[j]), total(lambda j: B[j] * Z[j])
    polynomial = draw(
        st.sampled_from(
            [
                sp.S.One,
                Z[J],
                Z[J] * Z[K],
                Z[J] ** 2,
                other,
                other**2,
                other * Z[J],
                total(lambda j: Z[j] ** 2),
                total(lambda j: Z[j] ** 2) * B[J] + Z[J] - 3,
            ]
        )
    )
    exponent = draw(st.sampled_from([sp.S.Zero, linear, -linear / 2, linear + Z[K] / 3, Z[J], linear + 1]))
    return polynomial * sp.exp(exponent), entries, draw(st.sampled_from([sp.S.One, sp.Rational(1, 3), sp.Integer(2)]))


@given(problems(), st.integers(0, 1), st.integers(0, 1))
def test_a_mean_is_the_integral(problem: Any, first: int, second: int) -> None:
    """At concrete sizes and numbers, to 15 digits relative to 1; equal indices j = k included."""
    body, entries, variance = problem
    d = len(entries[C])
    places = {J: min(first, d - 1), K: min(second, d - 1)}
    variables = tuple(sp.symbols(f"z1:{d + 1}", real=True))
    mean = resolve(LAW.mean(sp.expand(body)), ()).xreplace({S: variance})
    exact = written_out(mean, entries, places)
    written = written_out(body, {**entries, Z: variables}, places)
    with mpmath.workdps(DIGITS + 15):
        numeric = integral(written, variables, entries[C], variance)
        value = mpmath.mpf(sp.N(exact, DIGITS + 10))
        assert abs(numeric - value) < mpmath.mpf(10) ** -15 * (1 + abs(value))


def test_the_quadrature_is_exact_on_polynomials() -> None:
    """The nodes of this file integrate even moments exactly, so that the comparison means something."""
    with mpmath.workdps(DIGITS + 15):
        for power in range(0, 20, 2):
            found = mpmath.fsum(w * (mpmath.sqrt(2) * x) ** power for x, w in hermite()) / mpmath.sqrt(mpmath.pi)
            assert abs(found - mpmath.fac2(power - 1)) < mpmath.mpf(10) ** -20 * mpmath.fac2(power - 1)


# ------------------------------------------------------------------------------------------------ known moments


def test_moments_at_any_size() -> None:
    """``E z_j = c_j``, ``E z_j z_k = c_j c_k + s delta``, ``E |z|^2 = |c|^2 + s d``, at symbolic d."""
    assert same(LAW.mean(sp.S.One), sp.S.One)
    assert same(LAW.mean(Z[J]), C[J])
    assert same(LAW.mean(Z[J] * Z[K]), C[J] * C[K] + S * sp.KroneckerDelta(J, K))
    assert same(LAW.mean(total(lambda j: Z[j] ** 2)), total(lambda j: C[j] ** 2) + S * D)
    linear = total(lambda j: A[j] * Z[j])
    assert same(LAW.mean(linear**2), total(lambda j: A[j] * C[j]) ** 2 + S * total(lambda j: A[j] ** 2))


def test_the_moment_generating_function_at_any_size() -> None:
    """``E exp(a'z) = exp(a'c + s |a|^2 / 2)``, and ``E z_j exp(a'z)`` is its derivative in a_j."""
    linear = sp.exp(total(lambda j: A[j] * Z[j]))
    generating = sp.exp(total(lambda j: A[j] * C[j]) + S * total(lambda j: A[j] ** 2) / 2)
    assert same(LAW.mean(linear), generating)
    assert same(LAW.mean(Z[J] * linear), (C[J] + S * A[J]) * generating)


def test_means_are_linear() -> None:
    """Sums and factors that are not random come out."""
    one, two = sp.exp(total(lambda j: A[j] * Z[j])), Z[J] ** 2
    assert same(LAW.mean(3 * B[J] * one - D * two), 3 * B[J] * LAW.mean(one) - D * LAW.mean(two))


def test_the_trained_layer_in_closed_form() -> None:
    """Data with mean mu attend to ``mu - kappa w``; the teacher moves by tau (mu - w); hence the population loss."""
    kappa, tau = sp.symbols("kappa tau", positive=True)
    w, j = sp.IndexedBase(sp.Symbol("w", real=True)), Index("j", "coordinates")
    assert same(attended(D, kappa, j), MEANS[j] - kappa * w[j])
    assert same(taught(D, tau, j), tau * (MEANS[j] - w[j]))
    v, m2 = sp.Symbol("v", real=True), sp.Symbol("m2", positive=True)
    real = sp.Symbol("kappa", real=True)
    closed = ((v - tau) ** 2 * m2 + (v * real - tau) ** 2 * S * D) / 2
    assert sp.expand(population_loss(D, S, tau) - closed) == 0


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (Z[J] ** 3, "not of degree two"),
        (Z[J] ** 2 * total(lambda j: Z[j]), "not of degree two"),
        (total(lambda j: Z[j] ** 2) ** 2, "not of degree two"),
        (1 / Z[J], "not of degree two"),
        (sp.sqrt(Z[J]), "not of degree two"),
        (sp.log(Z[J]), "not of degree two"),
        (sp.exp(Z[J] ** 2), "not linear"),
        (sp.exp(total(lambda j: Z[j] ** 2)), "not linear"),
        (sp.exp(Z[J] * Z[K]), "not linear"),
        (1 / (1 + sp.exp(Z[J])), "not of degree two"),
        (sp.sin(Z[J]), "no rule to differentiate sin"),
    ],
)
def test_other_bodies_are_refused(body: sp.Expr, problem: str) -> None:
    """No mean is guessed where the rule does not reach."""
    with pytest.raises(DerivationError, match=problem):
        LAW.mean(body)


@pytest.mark.parametrize(
    "body",
    [sp.exp(Z[J]) ** 2, sp.exp(Z[J]) * sp.exp(-Z[K]), 2 ** Z[J], (sp.exp(Z[J]) + Z[K]) ** 2, sp.exp(Z[J]) * (1 + Z[K])],
)
def test_exponentials_in_other_forms_are_right_or_refused(body: sp.Expr) -> None:
    """Powers, products and brackets: the integral, or an error; nothing in between."""
    try:
        mean = LAW.mean(body)
    except DerivationError:
        return
    numbers = {C: (sp.Rational(1, 2), sp.Rational(-1, 3))}
    z = sp.symbols("z1:3", real=True)
    with mpmath.workdps(DIGITS + 15):
        numeric = integral(written_out(body, {**numbers, Z: z}, {J: 0, K: 1}), z, numbers[C], sp.S.One)
        exact = written_out(resolve(mean, ()).xreplace({S: sp.S.One}), numbers, {J: 0, K: 1})
        assert abs(numeric - mpmath.mpf(sp.N(exact, DIGITS + 10))) < mpmath.mpf(10) ** -14 * abs(numeric)
