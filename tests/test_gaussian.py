"""Expectations over Gaussian vectors: exact rules, and what is proved with them.

Tolerances: quadratures of smooth functions, both ended at 14 deviations, agree to 1e-12.
"""

from __future__ import annotations

import pytest
import sympy as sp
from flint import acb, arb
from hypothesis import given
from hypothesis import strategies as st
from mixture_data import ONE, TWO, plane

from symicl import check, claim, equal, hessian, load_system, nonnegative, update
from symicl.claims.base import Verdict
from symicl.claims.statements import between
from symicl.errors import DerivationError
from symicl.expectation import Expectation
from symicl.gaussian import Gaussian, Joint, Unspecified, averaged, centred, stein
from symicl.indices import SumOver
from symicl.systems.gaussian_mixture import PRECISION as P
from symicl.systems.gaussian_mixture import WEIGHTS as W
from symicl.systems.gaussian_mixture import dimensions, on_data


def one_dimensional(body: object, mean: object, variance: object) -> tuple[Expectation, sp.Expr]:
    over = dimensions(ONE)
    x, index = sp.IndexedBase(sp.Symbol("x", real=True)), over.index("j")
    law = Gaussian(x, lambda _: mean, lambda i, j: variance, index, ONE)
    return Expectation(body(x[index]), law), x[index]  # type: ignore[operator]


def integral(node: sp.Expr, mean: sp.Rational, variance: sp.Rational) -> arb:
    """The mean of a body in x[j] by quadrature, an expression linear in expectations of one dimension."""
    total = arb(0)
    for term in sp.Add.make_args(sp.expand(node)):
        rest, found = term.as_independent(Expectation)
        if found == 1:
            total += arb(int(rest.p)) / int(rest.q)
            continue
        body, centre = found.body, found.law.mean(found.law.index)
        symbol = sp.Dummy("t", real=True)
        flat = body.xreplace({entry: symbol for entry in body.atoms(sp.Indexed)})
        code = sp.lambdify(symbol, flat, modules=[{"exp": lambda z: acb(z).exp()}])
        size = arb(int(variance.p)) / int(variance.q)
        middle = arb(int(centre.p)) / int(centre.q)

        def integrand(z: acb, _: bool, code: object = code, size: arb = size, middle: arb = middle) -> acb:
            return code(acb(middle) + acb(size.sqrt()) * z) * (-(z * z) / 2).exp()  # type: ignore[operator]

        value = acb.integral(integrand, -14, 14).real / (2 * arb.pi()).sqrt()
        total += arb(int(rest.p)) / int(rest.q) * value
    return total


@given(mean=st.fractions(-1, 1, max_denominator=4), variance=st.fractions("1/2", 2, max_denominator=4))
def test_changing_the_measure_and_stein_keep_the_mean(mean: object, variance: object) -> None:
    """``centred`` gives the same number; ``E[x f]`` is what ``stein`` says, by quadrature of both."""
    mean, variance = sp.Rational(str(mean)), sp.Rational(str(variance))
    node, x = one_dimensional(lambda x: 1 / (1 + sp.exp(x)), mean, variance)
    index = x.indices[0]
    weighted = Expectation(node.body * x, node.law)
    assert (
        abs(integral(node, mean, variance) - integral(_plain(centred(node, lambda i, j: 1 / variance)), mean, variance))
        < 1e-12
    )
    assert abs(integral(weighted, mean, variance) - integral(_plain(stein(node, index)), mean, variance)) < 1e-12
    assert (
        abs(integral(weighted, mean, variance) - mean * integral(node, mean, variance)) > 1e-6
    )  # not without the slope


def _plain(expression: sp.Expr) -> sp.Expr:
    """Sums over the one index opened, deltas decided."""

    def opened(node: sp.Expr) -> sp.Expr:
        if isinstance(node, SumOver):
            index, body = node.opened()
            return opened(body.xreplace({index: sp.S.One}))
        if isinstance(node, Expectation):
            return Expectation(opened(node.body), node.law)
        if isinstance(node, sp.KroneckerDelta):
            return sp.S.One
        return node if node.is_Atom or isinstance(node, sp.Indexed) else node.func(*map(opened, node.args))

    return opened(expression)


def test_laws_bind_what_is_random_in_them() -> None:
    """Free symbols of an expectation are those no law in it binds; nested means are one."""
    over = dimensions(sp.Symbol("d", integer=True, positive=True))
    x, m = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "xm")
    j = over.index("j")
    law = Gaussian(x, lambda i: m[i], lambda i, k: sp.KroneckerDelta(i, k), j, over.size)
    inner = Expectation(sp.exp(x[j]), law)
    assert m.label in inner.free_symbols and x.label not in inner.free_symbols
    nested = averaged(inner, Unspecified(m))
    assert isinstance(nested.law, Joint) and not {m.label, x.label} & nested.free_symbols
    with pytest.raises(DerivationError, match="product of expectations"):
        averaged(inner * Expectation(x[j], law), Unspecified(m))
    with pytest.raises(DerivationError, match="over a Gaussian vector"):
        centred(nested, lambda i, k: sp.KroneckerDelta(i, k))


def test_false_statements_are_not_proved() -> None:
    """Slips in the stationary point, the Hessian and the first order are not believed."""
    infinite = load_system("shen2025.mixture")(N="inf")
    over = dimensions(sp.Symbol("d", integer=True, positive=True))
    j, k, l, h = (over.index(name) for name in "jklh")  # noqa: E741
    step = update(infinite, W[j, k])

    def at(factor: sp.Expr) -> sp.Expr:
        return step.xreplace({e: factor * P[e.indices] for e in step.atoms(sp.Indexed) if e.base == W})

    assert check(claim(equal(infinite, at(TWO), sp.S.Zero))).verdict is Verdict.PROVED
    for wrong in (ONE, sp.Integer(3), -TWO):
        assert check(claim(equal(infinite, at(wrong), sp.S.Zero))).verdict is not Verdict.PROVED
    second = hessian(infinite, W[j, k], W[l, h])
    assert check(claim(nonnegative(infinite, second))).verdict is not Verdict.PROVED
    many = load_system("shen2025.classes")()
    step = update(many, W[j, k])
    assert check(claim(equal(many, at(TWO), sp.S.Zero))).verdict is not Verdict.PROVED


def test_numbers_outside_their_interval_are_refuted() -> None:
    """A ball disjoint from the interval refutes; a quantity that is none is said to be none."""
    limit = load_system("shen2025.line")(N="inf", a=1)
    assert check(claim(between(limit, "first", 0, "8/100", place=(1, 1)))).verdict is Verdict.REFUTED
    assert check(claim(between(limit, "first", 0, 1, place=(1, 1)))).verdict is Verdict.CERTIFIED
    for name, place in (("first", (1, 2)), ("first", None), ("third", None)):
        assert check(claim(between(limit, name, 0, 1, place=place))).verdict is Verdict.UNDECIDED
    assert check(claim(between(load_system("shen2025.mixture")(), "bound", 0, 1))).verdict is Verdict.UNDECIDED
    coarse = on_data(plane(20), id="plane", title="plane")
    assert check(claim(between(coarse, "minimiser", 0, 3, place=(1, 1)))).verdict is Verdict.SUPPORTED
