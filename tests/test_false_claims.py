"""Lemmas that are false must not pass, and what is not proved must not be called proved.

Property: every statement in ``FALSE`` is a claim of arXiv 2310.05249 with one thing wrong with it (a sign, an index, a
factor, a missing term, an exponent, a multiplicity, a step), and every one is refuted, with a witness. Statements that
are true, nearly true or malformed never get a verdict stronger than they deserve.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import sympy as sp

from proofs.huang2024.systems import K, N, balanced, dominant, generic, underrepresented
from symicl import (
    LOSS,
    Expectation,
    InputError,
    SumOver,
    TokenCounts,
    Verdict,
    always,
    at_start,
    check,
    claim,
    commutation_defects,
    conserved,
    equal,
    first_step,
    infimum,
    nonnegative,
    nonpositive,
    partial,
    reduce_system,
    restrict,
    simplex,
    sooner,
    update,
)
from symicl.claims.base import Claim, Outcome
from symicl.claims.check import CHECKERS
from symicl.claims.statements import Identity, Infimum, Sign
from symicl.errors import BudgetError
from symicl.systems.structured_features import COUNTS, PROBABILITIES, QUERY, SCORES, TOKEN

S, p, k, n = SCORES, PROBABILITIES, QUERY, TOKEN
PROMPTS = TokenCounts(COUNTS, N, PROBABILITIES, K)
eta = generic().step_size


def sum_over(term: Callable[[sp.Symbol], sp.Expr], *excluded: sp.Symbol, size: sp.Expr = K) -> sp.Expr:
    index = sp.Dummy("m", integer=True, positive=True)
    return SumOver(term(index), index, size, excluded)


def attention(weights: sp.IndexedBase, m: sp.Symbol, query: sp.Symbol = k) -> sp.Expr:
    return weights[m] * sp.exp(S[m, query]) / sum_over(lambda j: weights[j] * sp.exp(S[j, query]))


def squares(weights: sp.IndexedBase, *excluded: sp.Symbol) -> sp.Expr:
    return sum_over(lambda m: attention(weights, m) ** 2, *excluded)


FINITE, INFINITE = generic(), generic(N="inf")
# Attention at infinite prompt length, where weights are probabilities; and over counts, under an expectation.
a_k, a_n, rest = attention(p, k), attention(p, n), squares(p, k)
c_k, c_n, c_rest = attention(COUNTS, k), attention(COUNTS, n), squares(COUNTS, k)


def own(drift: sp.Expr) -> Claim:
    """What the own score is claimed to gain in a step, at infinite prompt length."""
    return claim(equal(INFINITE, update(INFINITE, S[k, k]), eta * drift))


def other(drift: sp.Expr) -> Claim:
    return claim(equal(INFINITE, update(INFINITE, S[n, k]), eta * drift))


def own_finite(drift: sp.Expr, weight: sp.Expr = p[k], prompts: TokenCounts = PROMPTS) -> Claim:
    return claim(equal(FINITE, update(FINITE, S[k, k]), eta * weight * Expectation(drift, prompts)))


def other_finite(drift: sp.Expr) -> Claim:
    return claim(equal(FINITE, update(FINITE, S[n, k]), eta * p[k] * Expectation(drift, PROMPTS)))


def loss_is(per_query: sp.Expr) -> Claim:
    return claim(equal(INFINITE, INFINITE.loss, sum_over(lambda q: p[q] * per_query.xreplace({k: q}))))


alpha, beta = p[k] * a_k * (rest + (1 - a_k) ** 2), p[k] * a_n * (rest - a_n - a_k * (1 - a_k))
finite_alpha, finite_beta = c_k * (c_rest + (1 - c_k) ** 2), c_n * (c_rest - c_n - c_k * (1 - c_k))
FLOOR = "(1 + 1/N + (N-1)/(N*(K-1)))/2"

fast = balanced(K=4, N="inf")
rare = underrepresented(K=4, N="inf", p1="1/2")
short = underrepresented(K=4, N=3, p1="1/2")


def reduced_D() -> Claim:
    """The update of the reduced coordinate, claimed to be that of A alone."""
    recurrence = reduce_system(balanced())
    lift = dict(zip(recurrence.states, recurrence.lift, strict=True))
    a_alone = restrict(balanced()).states[0].update.xreplace(lift)
    return claim(equal(balanced(), recurrence.updates[0], a_alone))


def doubled_lift() -> Claim:
    """Reducing and updating commute, up to one more step."""
    recurrence = reduce_system(underrepresented(N="inf"))
    defect = commutation_defects(recurrence)[0] + restrict(underrepresented(N="inf")).states[0].update.xreplace(
        dict(zip(recurrence.states, recurrence.lift, strict=True))
    )
    return claim(equal(underrepresented(N="inf"), defect, 0))


def slope(system: object) -> sp.Expr:
    recurrence = reduce_system(system)
    return partial(recurrence.loss, recurrence.coordinates[0])


def drift(system: object) -> sp.Expr:
    return reduce_system(system).updates[0]


FALSE: dict[str, Callable[[], Claim]] = {
    # the updates, index by index, at infinite prompt length
    "own: sign of the step": lambda: own(-alpha),
    "own: no step size": lambda: claim(equal(INFINITE, update(INFINITE, S[k, k]), alpha)),
    "own: factor of two": lambda: own(2 * alpha),
    "own: p_n for p_k": lambda: own(alpha / p[k] * p[n]),
    "own: p_k forgotten": lambda: own(alpha / p[k]),
    "own: missing square": lambda: own(p[k] * a_k * rest),
    "own: missing sum": lambda: own(p[k] * a_k * (1 - a_k) ** 2),
    "own: wrong exponent": lambda: own(p[k] * a_k * (rest + (1 - a_k))),
    "own: own feature in the sum": lambda: own(p[k] * a_k * (squares(p) + (1 - a_k) ** 2)),
    "own: n left out of the sum": lambda: own(p[k] * a_k * (squares(p, k, n) + (1 - a_k) ** 2)),
    "own: square of the sum": lambda: own(p[k] * a_k * (sum_over(lambda m: attention(p, m), k) ** 2 + (1 - a_k) ** 2)),
    "own: K-1 features": lambda: own(
        p[k] * a_k * (sum_over(lambda m: attention(p, m) ** 2) * (K - 1) / K + (1 - a_k) ** 2)
    ),
    "other: sign of the step": lambda: other(-beta),
    "other: a_k for a_n": lambda: other(p[k] * a_k * (rest - a_n - a_k * (1 - a_k))),
    "other: p_n for p_k": lambda: other(beta / p[k] * p[n]),
    "other: missing term": lambda: other(p[k] * a_n * (rest - a_k * (1 - a_k))),
    "other: sign of a term": lambda: other(p[k] * a_n * (rest - a_n + a_k * (1 - a_k))),
    "other: n left out of the sum": lambda: other(p[k] * a_n * (squares(p, k, n) - a_n - a_k * (1 - a_k))),
    "other: wrong exponent": lambda: other(p[k] * a_n * (rest - a_n**2 - a_k * (1 - a_k))),
    "other: query and token swapped": lambda: other(beta.xreplace({k: n, n: k})),
    "columns sum to zero: own score left out": lambda: claim(
        equal(INFINITE, sum_over(lambda m: beta.xreplace({n: m}), k), 0)
    ),
    "columns sum to zero: own score counted twice": lambda: claim(
        equal(INFINITE, 2 * alpha + sum_over(lambda m: beta.xreplace({n: m}), k), 0)
    ),
    # and at finite prompt length
    "own, finite: sign": lambda: own_finite(-finite_alpha),
    "own, finite: N+1 tokens": lambda: own_finite(finite_alpha, prompts=TokenCounts(COUNTS, N + 1, p, K)),
    "own, finite: p_n": lambda: own_finite(finite_alpha, p[n]),
    "own, finite: mean of the square for the square of the mean": lambda: claim(
        equal(FINITE, Expectation(COUNTS[k] ** 2, PROMPTS), N**2 * p[k] ** 2)
    ),
    "own, finite: counts for frequencies": lambda: claim(equal(FINITE, update(FINITE, S[k, k]), eta * alpha)),
    "other, finite: missing term": lambda: other_finite(c_n * (c_rest - c_k * (1 - c_k))),
    "other, finite: n for k": lambda: other_finite(finite_beta.xreplace({k: n, n: k})),
    # the loss
    "loss: factor 1/2 forgotten": lambda: loss_is((1 - a_k) ** 2 + rest),
    "loss: missing sum": lambda: loss_is((1 - a_k) ** 2 / 2),
    "loss: own feature in the sum": lambda: loss_is(((1 - a_k) ** 2 + squares(p)) / 2),
    "loss: of one query": lambda: claim(equal(INFINITE, INFINITE.loss, ((1 - a_k) ** 2 + rest) / 2)),
    # conserved quantities, multiplicities
    "conserved: K for K-1": lambda: claim(conserved(balanced(), "A + K*B")),
    "conserved: sign": lambda: claim(conserved(balanced(), "A - (K-1)*B")),
    "conserved: swapped": lambda: claim(conserved(dominant(), "(K-1)*A + B")),
    "conserved: K-1 for K-2": lambda: claim(conserved(underrepresented(), "A + B1 + (K-1)*B")),
    "conserved: the dominant feature left out": lambda: claim(conserved(underrepresented(), "A + (K-2)*B")),
    "conserved: a state": lambda: claim(conserved(balanced(N="inf"), "B")),
    "conserved: almost": lambda: claim(conserved(balanced(), "A + (K-1 + 1/10**9)*B")),
    "other scores: -A/K": lambda: claim(
        equal(balanced(N="inf"), reduce_system(balanced(N="inf")).lift[1], -reduce_system(balanced()).lift[0] / K)
    ),
    "reduction: A alone": reduced_D,
    "reduction: one step too many": doubled_lift,
    # signs
    "sign: own score falls": lambda: claim(nonpositive(INFINITE, update(INFINITE, S[k, k]))),
    "sign: own score falls, finite": lambda: claim(nonpositive(FINITE, update(FINITE, S[k, k]))),
    "sign: other scores fall": lambda: claim(nonpositive(INFINITE, update(INFINITE, S[n, k]))),
    "sign: other scores fall, finite": lambda: claim(nonpositive(FINITE, update(FINITE, S[n, k]))),
    "sign: other scores rise": lambda: claim(nonnegative(INFINITE, update(INFINITE, S[n, k]))),
    "sign: B rises": lambda: claim(nonnegative(balanced(), update(balanced(), "B"))),
    "sign: B1 falls": lambda: claim(nonpositive(underrepresented(N="inf"), update(underrepresented(N="inf"), "B1"))),
    "sign: B falls": lambda: claim(nonpositive(underrepresented(), update(underrepresented(), "B"))),
    "sign: B1 rises at the start": lambda: claim(
        nonnegative(
            underrepresented(N="inf"), at_start(underrepresented(N="inf"), update(underrepresented(N="inf"), "B1"))
        )
    ),
    "sign: the loss rises": lambda: claim(nonnegative(balanced(), slope(balanced()))),
    "sign: D falls": lambda: claim(nonpositive(dominant(), drift(dominant()))),
    "sign: K >= 3": lambda: claim(nonnegative(balanced(), "K - 3")),
    "sign: p1 <= 1/2": lambda: claim(nonpositive(dominant(), "p1 - 1/2")),
    "sign: on the simplex": lambda: claim(
        nonnegative(balanced(), (lambda x, y, z: x**2 + y**2 - z)(*simplex("x y z")))
    ),
    # infima
    "infimum: zero": lambda: claim(infimum(balanced(), 0)),
    "infimum: of long prompts": lambda: claim(infimum(balanced(), "(1 - 1/K)**N * (1 + 1/(K-1))/2")),
    "infimum: N+1": lambda: claim(infimum(balanced(), f"(1 - 1/K)**(N+1) * {FLOOR}")),
    "infimum: K for K-1": lambda: claim(infimum(balanced(), "(1 - 1/K)**N * (1 + 1/N + (N-1)/(N*K))/2")),
    "infimum: p1 for 1-p1": lambda: claim(infimum(dominant(), f"p1**N * {FLOOR}")),
    "infimum: factor 1/2 forgotten": lambda: claim(infimum(dominant(), f"2 * (1 - p1)**N * {FLOOR}")),
    "infimum: of one token": lambda: claim(infimum(balanced(N=1), 0)),
    "infimum: positive at infinite length": lambda: claim(infimum(balanced(N="inf"), "1/10**60")),
    # runs
    "time: a step too early": lambda: claim(first_step(balanced(K=32, N="inf"), "loss <= 1/100", "==", 2527)),
    "time: a step too late": lambda: claim(first_step(balanced(K=32, N="inf"), "loss <= 1/100", "==", 2529)),
    "time: at most one step less": lambda: claim(first_step(balanced(K=32, N="inf"), "loss <= 1/100", "<=", 2527)),
    "time: at least one step more": lambda: claim(first_step(balanced(K=32, N="inf"), "loss <= 1/100", ">=", 2529)),
    "time: at the start": lambda: claim(first_step(short, "loss <= 1/2", "==", 0)),
    "time: already met": lambda: claim(first_step(fast, "loss <= 1", ">=", 1)),
    "order: swapped": lambda: claim(sooner(rare, dominant(K=4, N="inf", p1="1/2"), "loss <= 1/20")),
    "order: with itself": lambda: claim(sooner(fast, fast, "loss <= 1/20")),
    "order: larger K first": lambda: claim(sooner(balanced(K=8, N="inf"), fast, "loss <= 1/20")),
    "always: strict from the start": lambda: claim(always(fast, "A > 0", to=3)),
    "always: a step too long": lambda: claim(always(fast, "loss > 1/20", to="loss <= 1/20")),
    "always: from step 1, wrong sign": lambda: claim(always(fast, "A < 0", start=1, to=3)),
    "always: narrow window": lambda: claim(
        always(
            underrepresented(K=16, N="inf", p1="1/2"),
            "B1 >= -0.51*log(16)",
            since="B1 <= -0.49*log(16)",
            to="loss <= 1/100",
        )
    ),
    "always: B = O(log K / K) with constant 1": lambda: claim(
        always(balanced(K=32, N="inf"), "B >= -log(32)/32", to="loss <= 1/1000")
    ),
    "always: the loss at finite length": lambda: claim(always(short, "loss <= 1/4", to=5)),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_statement_is_refuted(name: str) -> None:
    """Each variant of a true statement is refuted, by a witness that the evidence shows."""
    checked = check(FALSE[name]())
    assert checked.verdict is Verdict.REFUTED, f"{checked.verdict}: {checked.outcome.evidence}"
    assert checked.outcome.evidence.details or checked.outcome.evidence.summary


def test_the_true_statements_that_the_false_ones_vary_are_proved() -> None:
    """The builders above make true claims of true ingredients, so what refutes the variants is the variation."""
    for true in (own(alpha), other(beta), own_finite(finite_alpha), other_finite(finite_beta)):
        assert check(true).verdict is Verdict.PROVED
    assert check(loss_is(((1 - a_k) ** 2 + rest) / 2)).verdict is Verdict.PROVED
    assert check(claim(infimum(balanced(), f"(1 - 1/K)**N * {FLOOR}"))).verdict is Verdict.PROVED


A, B = sp.Symbol("A", real=True), sp.Symbol("B", real=True)
x, y, z = (sp.Symbol(name, nonnegative=True) for name in "xyz")

NEVER_PROVED: dict[str, Callable[[], Claim]] = {
    "an identity off by 10**-60": lambda: claim(equal(balanced(), "A*B", "A*B*(1 + 10**(-60))")),
    "a constant off by 10**-60": lambda: claim(equal(balanced(), "A", "A + 10**(-60)")),
    "negative on a tiny interval": lambda: claim(nonnegative(balanced(), "(A - 1/3)**2 - 10**(-60)")),
    "negative in a tiny disc": lambda: claim(nonnegative(balanced(), "(A-1/7)**2 + (B-1/9)**2 - 10**(-40)")),
    "negative for a sliver of p1": lambda: claim(nonnegative(dominant(), "(p1 - 1/3)**2 - 10**(-60)")),
    "negative for tiny p1": lambda: claim(nonnegative(dominant(), "p1 - 10**(-30)")),
    "negative at large K alone": lambda: claim(nonnegative(balanced(), "10**9 - K")),
    "an exponential below a tiny gap": lambda: claim(nonnegative(balanced(), "(exp(A) - 22/7)**2 - 10**(-80)")),
    "a power of a negative base": lambda: claim(nonnegative(dominant(), "(2*p1 - 1)**N")),
    "a power of a state": lambda: claim(nonnegative(balanced(), "A**N")),
    "(-1)**N": lambda: claim(nonnegative(balanced(), sp.Integer(-1) ** N)),
    "log of the square": lambda: claim(equal(balanced(), "log(A**2)", "2*log(A)")),
    "root of the square": lambda: claim(equal(balanced(), "sqrt(A**2)", "A")),
    "the absolute value": lambda: claim(equal(balanced(), "abs(A)", "A")),
    "a logarithm": lambda: claim(nonnegative(dominant(), "log(p1)")),
    "the larger of two": lambda: claim(nonnegative(balanced(), "max(A, B)")),
    "a pole": lambda: claim(nonnegative(balanced(), "1/(exp(A) - 1)")),
    "a symbol nobody declared": lambda: claim(nonnegative(balanced(), sp.Symbol("q"))),
    "conserved: a symbol that is no state": lambda: claim(conserved(balanced(), sp.Symbol("A"))),
    "conserved: an entry": lambda: claim(conserved(balanced(), S[k, k])),
    "conserved: the loss": lambda: claim(conserved(balanced(), balanced().loss)),
    "conserved: the name of the loss": lambda: claim(conserved(balanced(), LOSS)),
    "conserved: the reduced coordinate": lambda: claim(conserved(balanced(), reduce_system(balanced()).coordinates[0])),
    "conserved: a product": lambda: claim(conserved(balanced(), "A*B")),
    "a mean under negative chances": lambda: claim(nonnegative(dominant(), "E(b**2, trials=N, a=2*p1, b=1-2*p1)")),
    "a mean with a free count beside it": lambda: claim(
        equal(FINITE, COUNTS[k] * Expectation(COUNTS[n], PROMPTS), Expectation(COUNTS[k] * COUNTS[n], PROMPTS))
    ),
    "a mean of a mean": lambda: claim(
        equal(
            FINITE,
            Expectation(COUNTS[k] * Expectation(COUNTS[k], PROMPTS), PROMPTS),
            Expectation(COUNTS[k] ** 2, PROMPTS),
        )
    ),
    "an empty range": lambda: claim(always(fast, "A <= -1", start=5, to=3)),
    "a range that ends before it starts": lambda: claim(
        always(fast, "A <= -1", since="loss <= 1/100", to="loss <= 1/3")
    ),
    "a double sum over features that may coincide": lambda: claim(
        equal(
            INFINITE,
            sum_over(lambda q: sum_over(lambda j: p[q] + 0 * p[j], q, k)),
            (K - 2) * sum_over(lambda q: p[q]),
        )
    ),
}


@pytest.mark.parametrize("name", NEVER_PROVED)
def test_what_is_not_true_is_never_proved(name: str) -> None:
    """False by a hair, false out of sight, or meaningless: whatever the verdict, it is not proved or certified."""
    try:
        verdict = check(NEVER_PROVED[name]()).verdict
    except InputError:
        return  # refused before it was judged
    assert verdict not in (Verdict.PROVED, Verdict.CERTIFIED)


w = sp.IndexedBase(sp.Symbol("w", positive=True))
j = sp.Symbol("j", integer=True, positive=True)

NEVER_REFUTED: dict[str, Callable[[], Claim]] = {
    "means of nonnegative symbols": lambda: claim(nonnegative(balanced(), x**3 + y**3 + z**3 - 3 * x * y * z)),
    "means of positive entries": lambda: claim(
        nonnegative(INFINITE, w[k] ** 3 + w[n] ** 3 + w[j] ** 3 - 3 * w[k] * w[n] * w[j])
    ),
    "probabilities sum to one": lambda: claim(equal(INFINITE, sum_over(lambda m: p[m]), 1)),
    "no feature beside the query": lambda: claim(equal(INFINITE, sum_over(lambda m: p[m], k), 1 - p[k])),
    "true at every integer K alone": lambda: claim(nonnegative(balanced(), "(K-3)*(K-4)")),
    "exponentials that Sturm decides": lambda: claim(nonnegative(balanced(), "exp(A) - exp(2*A) + exp(3*A)")),
    "a power that vanishes": lambda: claim(equal(balanced(), "(K-2)**(N-1)*(K-2)", "(K-2)**N")),
    "the query is balanced too": lambda: claim(equal(balanced(), p[k], 1 / K)),
    "the loss": lambda: claim(nonnegative(balanced(), LOSS)),
}


@pytest.mark.parametrize("name", NEVER_REFUTED)
def test_what_is_true_is_never_refuted(name: str) -> None:
    """Hard or impossible to prove here, but true under the stated assumptions: no witness may be claimed."""
    try:
        verdict = check(NEVER_REFUTED[name]()).verdict
    except InputError:
        return  # refused before it was judged
    assert verdict is not Verdict.REFUTED


@pytest.mark.parametrize(
    "statement",
    [
        lambda: equal(balanced(), A, 0.5 * A),
        lambda: nonnegative(balanced(), A**2 + 0.1),
        lambda: conserved(balanced(), A + (K - 1) * B * 1.0),
        lambda: infimum(balanced(), sp.Float("0.1")),
        lambda: first_step(fast, "loss <= 1/20", "==", 10, eta=0.1),
        lambda: always(fast, "A >= 0", eta=1.0, to=3),
    ],
)
def test_a_float_is_refused(statement: Callable[[], object]) -> None:
    """A float is not the number its author wrote, so a statement with one is an error of input."""
    with pytest.raises(InputError, match="float"):
        statement()


@pytest.mark.parametrize(
    "smuggled",
    [
        lambda: Identity(balanced(), A, A * sp.Float(1)),
        lambda: Sign(balanced(), A**2 + sp.Float("0.5"), ">="),
        lambda: Infimum(balanced(), sp.Float(0)),
    ],
)
def test_a_float_is_refused_at_the_back_door_too(smuggled: Callable[[], object]) -> None:
    """Statements built without the functions that read like sentences are held to the same rule."""
    with pytest.raises(InputError, match="float"):
        smuggled()


def test_a_relation_that_does_not_exist_is_not_decided() -> None:
    """``>`` is no relation of a sign statement: refused, and at any rate not taken for another one."""
    try:
        statement = Sign(balanced(), -sp.Symbol("x", positive=True), ">")
        verdict = check(claim(statement)).verdict
    except InputError:
        return
    assert verdict not in (Verdict.PROVED, Verdict.CERTIFIED)


def test_a_verdict_has_no_truth_value() -> None:
    """``if verdict`` would take "refuted" for true."""
    for verdict in Verdict:
        with pytest.raises(TypeError, match="no truth value"):
            bool(verdict)


def test_which_verdicts_meet_which() -> None:
    """Stronger meets weaker, in the order proved, certified, supported, undecided; refuted meets refuted alone."""
    order = [Verdict.UNDECIDED, Verdict.SUPPORTED, Verdict.CERTIFIED, Verdict.PROVED]
    for i, mine in enumerate(order):
        for m, expected in enumerate(order):
            assert mine.meets(expected) is (i >= m)
        assert not mine.meets(Verdict.REFUTED)
        assert not Verdict.REFUTED.meets(mine)
    assert Verdict.REFUTED.meets(Verdict.REFUTED)


@pytest.mark.parametrize("error", [BudgetError("the budget is spent"), RuntimeError("the budget is spent")])
def test_an_error_in_a_checker_is_undecided_with_its_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A checker that gives up, or that has a defect, leaves the claim undecided, and says why."""

    def gives_up(statement: Identity) -> Outcome:
        raise error

    monkeypatch.setitem(CHECKERS, Identity, gives_up)  # type: ignore[arg-type]
    checked = check(claim(equal(balanced(), A, A)))
    assert checked.verdict is Verdict.UNDECIDED
    assert "the budget is spent" in checked.outcome.evidence.summary


@pytest.mark.parametrize(
    "statement",
    [
        lambda: nonnegative(balanced(), "exp(4*A) - 3*exp(2*A) + 3"),
        lambda: equal(balanced(K=2, N=3), p[k] * w[n] * w[j], 0),
        lambda: equal(FINITE, sum_over(lambda m: p[m], size=K - 1), 0),
        lambda: always(fast, "exp(exp(A)) <= 1", to=2),
    ],
)
def test_odd_statements_get_an_answer(statement: Callable[[], object]) -> None:
    """What a checker has no method for ends in a verdict or in an error of input, not in a crash."""
    with contextlib.suppress(InputError):
        assert check(claim(statement())).outcome.evidence.method != "internal error"


def test_what_is_no_statement_is_refused() -> None:
    """A malformed claim is an error of input, not an undecided claim."""
    with pytest.raises(InputError, match="not a kind of statement"):
        check(claim("A = B"))
    with pytest.raises(InputError, match="no verdict"):
        claim(equal(balanced(), A, A), expect="true")
