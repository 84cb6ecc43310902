"""Rewriting for the reader changes how an expression looks and nothing else.

Properties: the attention form of a derived update or loss equals it exactly once the definition of attention is put
back; so does the readable form of every derived expression; and the form is the one of arXiv 2310.05249.
"""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs.huang2024.systems import balanced, dominant, generic, underrepresented
from symicl.algebra import identically_zero
from symicl.attention import (
    ATTENTION,
    arranged,
    attention_form,
    readable,
    softmax_weights,
    without_attention,
)
from symicl.derive import derive
from symicl.expectation import Expectation, integrands
from symicl.indices import SumOver, canonical
from symicl.reduce import reduce_system
from symicl.systems.base import System
from symicl.systems.structured_features import PROBABILITIES

K = sp.Symbol("K", integer=True, positive=True)
k = sp.Symbol("k", integer=True, positive=True)
n = sp.Symbol("n", integer=True, positive=True)
REGIMES = {"finite": {}, "infinite": {"N": sp.oo}}


def vanishes(expression: sp.Expr, features: tuple[sp.Symbol, ...] = ()) -> bool:
    """Whether the expression is zero, exactly, under each of its expectations."""
    plain, merged = integrands(expression)
    return all(canonical(part, features).is_zero for part in (plain, *merged.values()))


def without_expectations(expression: sp.Expr) -> sp.Expr:
    return expression.replace(lambda node: isinstance(node, Expectation), lambda node: node.body)


def published() -> tuple[sp.Expr, sp.Expr]:
    """alpha_k and beta_kn of arXiv 2310.05249, without the expectation."""
    m = sp.Symbol("m", integer=True, positive=True)
    squares = SumOver(ATTENTION[m, k] ** 2, m, K, (k,))
    own, other = ATTENTION[k, k], ATTENTION[n, k]
    return PROBABILITIES[k] * own * (squares + (1 - own) ** 2), PROBABILITIES[k] * other * (
        squares - other - own * (1 - own)
    )


@pytest.mark.parametrize("regime", REGIMES)
def test_general_updates_are_the_published_ones(regime: str) -> None:
    system = generic(**REGIMES[regime])
    for update, rate in zip(derive(system), published(), strict=True):
        weights = softmax_weights(update.expression)
        form = attention_form(update.expression, weights, update.features)
        assert form != update.expression
        assert identically_zero(without_expectations(form) - system.step_size * rate)
        assert not form.has(sp.exp)


@pytest.mark.parametrize("regime", REGIMES)
def test_definition_put_back_gives_the_update_again(regime: str) -> None:
    for update in derive(generic(**REGIMES[regime])):
        weights = softmax_weights(update.expression)
        form = attention_form(update.expression, weights, update.features)
        restored = without_attention(form, weights, update.expression)
        assert not restored.has(ATTENTION)
        assert vanishes(restored - update.expression, update.features)


@pytest.mark.parametrize("regime", REGIMES)
def test_loss_of_one_query(regime: str) -> None:
    """``L_k = 1/2 E[(1 - a_k)^2 + sum over m != k of a_m^2]``."""
    system = balanced(**REGIMES[regime])
    weights = softmax_weights(derive(system)[0].expression)
    form = attention_form(system.loss, weights, (k,))
    m = sp.Symbol("m", integer=True, positive=True)
    squares = SumOver(ATTENTION[m, k] ** 2, m, K, (k,))
    assert identically_zero(without_expectations(form) - ((1 - ATTENTION[k, k]) ** 2 + squares) / 2)


@pytest.mark.parametrize("regime", REGIMES)
def test_population_loss_stays_a_sum_over_queries(regime: str) -> None:
    system = generic(**REGIMES[regime])
    weights = softmax_weights(derive(system)[0].expression)
    form = attention_form(system.loss, weights, ())
    assert isinstance(form, SumOver)
    assert form.has(ATTENTION)
    assert not form.has(sp.exp, sp.KroneckerDelta)


def test_what_is_not_a_function_of_attention_comes_back_unchanged() -> None:
    """Weights that do not cancel, a power sum with the wrong exponents, a float: none is rewritten."""
    S, N, m = sp.IndexedBase("S"), sp.IndexedBase("N"), sp.Dummy("m", integer=True, positive=True)
    total = SumOver(N[m] * sp.exp(S[m, k]), m, K)
    assert softmax_weights(total) == N
    for expression in (
        N[k] * sp.exp(2 * S[k, k]) / total,
        total,
        SumOver(N[m] * sp.exp(2 * S[m, k]), m, K) / total**2,
        sp.Float(0.5) * N[k] * sp.exp(S[k, k]) / total,
    ):
        assert attention_form(expression, N, (k,)) == expression
    assert attention_form(N[k] * sp.exp(S[k, k]) / total, N, (k,)) == ATTENTION[k, k]


def derived_expressions(system: System) -> list[sp.Expr]:
    recurrence = reduce_system(system)
    symmetric = recurrence.symmetric
    return [
        *(update.expression for update in derive(system)),
        *(state.update for state in symmetric.states),
        symmetric.loss,
        *recurrence.updates,
        *recurrence.readings,
        *recurrence.lift,
        *recurrence.conserved,
        recurrence.loss,
    ]


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("family", [balanced, dominant, underrepresented], ids=lambda family: family.id)
def test_readable_is_equal(family, regime: str) -> None:
    for expression in derived_expressions(family(**REGIMES[regime])):
        shown = readable(expression)
        assert not shown.has(sp.Float)
        assert vanishes(shown - expression)


def test_readable_signs() -> None:
    """A parameter in (0, 1) is subtracted from 1, numbers are subtracted from counts of features."""
    p1 = sp.Symbol("p1", positive=True)
    assert readable((p1 - 1) ** 2 * (2 - K)) == -((1 - p1) ** 2) * (K - 2)
    assert (1 - p1) ** 2 in sp.Mul.make_args(readable(K * (p1 - 1) ** 2))


SYMBOLS = (K, sp.Symbol("p1", positive=True), sp.exp(sp.Symbol("A", real=True)), sp.Symbol("n_k", integer=True))


@st.composite
def polynomials(draw: st.DrawFn) -> sp.Expr:
    terms = draw(st.lists(st.tuples(st.integers(-3, 3), *(st.integers(0, 2) for _ in SYMBOLS)), min_size=1, max_size=5))
    return sp.Add(*(c * sp.Mul(*(x**e for x, e in zip(SYMBOLS, es, strict=True))) for c, *es in terms))


@given(polynomials(), polynomials())
def test_arranging_is_exact(top: sp.Expr, bottom: sp.Expr) -> None:
    """However the factors of a quotient are collected, the quotient is the same."""
    expression = top if bottom == 0 else top / bottom
    for groups in ([], [SYMBOLS[2:3], SYMBOLS[3:]], [SYMBOLS[:1]]):
        assert identically_zero(arranged(expression, groups) - expression)
