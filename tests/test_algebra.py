"""Algebra: a difference is zero in the field exactly when it is zero as a function, and nullspaces are nullspaces."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl.algebra import factored, identically_zero, nullspace
from symicl.errors import DerivationError

K, A, B = sp.symbols("K A B", real=True)
N = sp.Symbol("N", integer=True, positive=True)


def test_exponentials_share_generators():
    assert identically_zero(sp.exp(A) * sp.exp(B) - sp.exp(A + B))
    assert identically_zero((sp.exp(A / 2) + 1) ** 2 - sp.exp(A) - 2 * sp.exp(A / 2) - 1)
    assert identically_zero(sp.exp(A - B) * sp.exp(2 * B) - sp.exp(A + B))


def test_powers_with_symbolic_exponents():
    assert identically_zero((1 - 1 / K) ** N - ((K - 1) / K) ** N)
    assert identically_zero((1 - K) ** (N + 1) - (1 - K) ** N * (1 - K))
    assert not identically_zero((1 - 1 / K) ** N - (1 + 1 / K) ** N)


@pytest.mark.parametrize("false", [sp.exp(A) - sp.exp(B), 1 / (K - 1) - 1 / K, sp.Rational(1, 10**60) * sp.exp(A), K])
def test_what_differs_is_not_zero(false):
    assert not identically_zero(false)


def test_floats_and_division_by_zero_are_refused():
    with pytest.raises(DerivationError, match="float"):
        identically_zero(0.5 * A)
    with pytest.raises(DerivationError, match="zero"):
        factored(1 / (sp.exp(A) * sp.exp(B) - sp.exp(A) * (sp.exp(B) + 1) + sp.exp(A)))


def test_huge_exponents_are_refused():
    with pytest.raises(DerivationError, match="too large"):
        factored((K + 1) ** 5000)


polynomials = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(0, 2), st.integers(0, 2), st.integers(-2, 2)), min_size=1, max_size=4
).map(lambda terms: sp.Add(*(c * K**i * A**j * sp.exp(e * B) for c, i, j, e in terms)))


@given(polynomials, polynomials, polynomials)
def test_ring_identities_hold_and_factoring_changes_nothing(f, g, h):
    """Whatever SymPy expands to zero is zero here, and the factored form is the same function."""
    assert identically_zero((f + g) * h - f * h - g * h)
    assert sp.expand(factored(f * g + h) - (f * g + h)) == 0


@given(st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=0, max_size=3))
def test_nullspace_over_the_rationals(rows):
    """Basis vectors are annihilated, independent and as many as the rank leaves room for."""
    exact = [[sp.Integer(e) for e in row] for row in rows]
    basis = nullspace(exact, 3)
    assert len(basis) == 3 - (sp.Matrix(exact).rank() if rows else 0)
    for vector in basis:
        assert next(e for e in vector if e != 0) == 1
        assert all(sum(a * b for a, b in zip(row, vector, strict=True)) == 0 for row in exact)
    assert not basis or sp.Matrix(basis).rank() == len(basis)


def test_nullspace_with_parameters():
    assert nullspace([[sp.S.One, -1 / (K - 1)]], 2) == [[1, K - 1]]
