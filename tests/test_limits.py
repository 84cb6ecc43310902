"""Limits of quotients of sums: proved exactly when they are the limit, refuted by a point when they are not.

Properties: the limit of a random quotient of polynomials is what its leading coefficients say, and no other number is
proved; what hides the symbol, or whose denominator may vanish, is never proved.
"""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from proofs.huang2024.systems import P1, K, balanced, underrepresented
from symicl import InputError, Verdict, check, claim, tends_to, update
from symicl.claims.check import kind_of

RARE = underrepresented(N="inf")
A, B1, B = sp.symbols("A B1 B", real=True)
w, x, root = sp.symbols("w x root", positive=True)
ETA = RARE.step_size
coefficients = st.lists(st.integers(0, 4), min_size=1, max_size=4)


def verdict(expression: sp.Expr | str, limit: sp.Expr | str, symbol: sp.Symbol | str = "K") -> Verdict:
    return check(claim(tends_to(RARE, expression, symbol, limit))).verdict


def polynomial(values: list[int]) -> sp.Expr:
    """Coefficients from the constant on, each times a power of w."""
    return sp.Add(*(c * w**c * K**power for power, c in enumerate(values)))


@given(above=coefficients, below=coefficients)
def test_leading_coefficients_decide(above: list[int], below: list[int]) -> None:
    """Against SymPy's own limit, at w = 2."""
    top, bottom = polynomial(above), polynomial(below)
    assume(top != 0 and bottom != 0)
    size = sp.Symbol("size", positive=True)
    wanted = sp.limit((top / bottom).subs({K: size, w: 2}), size, sp.oo)
    if wanted == sp.oo:
        assert verdict(top / bottom, 1) is Verdict.REFUTED
        return
    up, down = (sp.Poly(side, K) for side in (top, bottom))
    limit = up.LC() / down.LC() if up.degree() == down.degree() else sp.S.Zero
    assert limit.subs(w, 2) == wanted
    assert verdict(top / bottom, limit) is Verdict.PROVED
    assert verdict(top / bottom, limit + 1) is Verdict.REFUTED


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        (update(RARE, "A").xreplace({A: B, B1: B}) / ETA, 0),
        (K**2 * update(RARE, "A").xreplace({A: B, B1: B}) / ETA, (1 - P1) ** 2 * (1 + P1**2)),
        (K * update(RARE, "B1").xreplace({B1: B}) / ETA, -(P1**2) * (1 - P1) ** 2),
        ("(K - 1)/K", 1),
        ("p1", "p1"),
        ("(K**2 + 1)/((K + p1)*K*(1 - p1))", "1/(1 - p1)"),
    ],
)
def test_limits_are_proved(expression: sp.Expr | str, limit: sp.Expr | str) -> None:
    """At the start p_k = (1-p1)/K: alpha is p_k^2 (1 + p1^2), and beta_1 is p_k p1 (p1^2 - p1)."""
    assert verdict(expression, limit) is Verdict.PROVED


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        ("(K - 1)/K", 0),
        ("(K - 1)/K", "1 + p1"),
        ("K", 1),
        ("1/K", "p1"),
        ("(K*p1 + 1)/(K + 1)", "1 - p1"),
    ],
)
def test_what_is_no_limit_is_refuted(expression: str, limit: sp.Expr | str) -> None:
    """With a point; the symbol that grows is no part of it."""
    found = check(claim(tends_to(RARE, expression, "K", limit)))
    assert found.verdict is Verdict.REFUTED
    assert "at K" not in dict(found.outcome.evidence.details)


@pytest.mark.parametrize(
    ("expression", "limit", "symbol"),
    [
        (sp.exp(K) / K, 0, K),  # hides the symbol
        (sp.sqrt(K) / (1 + sp.sqrt(K)), 1, K),
        (sp.log(K) / K, 0, K),
        (1 + 1 / (K * A), 1, K),  # the denominator may vanish, as A may
        (K * (w - x) / (K * (w - x) + 1), 1, K),
        (update(underrepresented(), "A"), 0, K),  # a mean over prompts
    ],
)
def test_what_cannot_be_decided_is_not_proved(expression: sp.Expr, limit: sp.Expr, symbol: sp.Symbol) -> None:
    """Whether it is true or not: K (w-x)/(K (w-x) + 1) tends to 0 at w = x."""
    assert verdict(expression, limit, symbol) is Verdict.UNDECIDED


def test_another_symbol_may_grow() -> None:
    """K = root^2 and exp(B1) = w/root: what shrinks with K is written so."""
    expression = update(RARE, "B1").xreplace({B1: sp.log(w / root), A: 0, B: 0}).xreplace({K: root**2})
    assert verdict(root**4 * expression / ETA, -(w**2) * P1**2 / (1 - P1), root) is Verdict.PROVED
    assert verdict(root**4 * expression / ETA, -(w**2) * P1 / (1 - P1), root) is Verdict.REFUTED


def test_bad_statements_are_refused() -> None:
    """Each with what was wrong."""
    with pytest.raises(InputError, match="holds K"):
        tends_to(RARE, "K", "K", "K")
    with pytest.raises(InputError, match="no parameter Q"):
        tends_to(RARE, "K", "Q", 1)
    with pytest.raises(InputError, match="never positive"):
        tends_to(RARE, "K", sp.Symbol("m", negative=True), 1)
    with pytest.raises(InputError, match="float"):
        tends_to(RARE, sp.Float(0.5), "K", sp.Rational(1, 2))
    for limit in (sp.oo, -sp.oo, sp.nan, sp.zoo):
        with pytest.raises(InputError, match="finite"):
            tends_to(RARE, K, K, limit)
    with pytest.raises(InputError, match="another symbol"):
        tends_to(RARE, sp.Symbol("K") / (sp.Symbol("K") + 1), "K", 1)
    with pytest.raises(InputError, match="stays below"):
        tends_to(RARE, 1 / (1 - P1), P1, 0)
    assert kind_of(claim(tends_to(balanced(N="inf"), "1/K", "K", 0))) == "limit"
