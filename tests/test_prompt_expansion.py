"""Long prompts in powers of 1/N: the coefficients are what the certified means leave, order by order."""

from __future__ import annotations

from math import ceil, exp, lgamma, log, sqrt

import numpy as np
import pytest
import sympy as sp
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from symicl import (
    ARITHMETICS,
    LOSS,
    DerivationError,
    Expectation,
    InputError,
    Run,
    Verdict,
    check,
    claim,
    holds_at,
    iterate,
    load_system,
    multinomial_mean,
    parse_condition,
    prompt_expansion,
    reduce_system,
    unreachable,
    update,
    value_of,
)
from symicl.algebra import identically_zero

BALL = ARITHMETICS["ball"]
N = sp.Symbol("N", integer=True, positive=True)
n1, n2, n3 = TOTALS = sp.symbols("n1 n2 n3", integer=True, nonnegative=True)
P = sp.Symbol("p", positive=True)
BALANCED, RARE = load_system("huang2024.balanced"), load_system("huang2024.underrepresented")


def ball_of(expression, digits=80):
    with BALL.working(digits):
        return arb(value_of(expression, BALL, digits))


def leftovers(body, shares, order, trials):
    """``N^(order+1) (E body - f_0 - .. - f_order/N^order)`` at one length, a ball."""
    law = dict(zip(TOTALS, shares, strict=False))
    terms = prompt_expansion(multinomial_mean(body, N, law), order)
    mean = multinomial_mean(body, N, law).subs(N, trials)
    rest = mean - sum(term / sp.Integer(trials) ** k for k, term in enumerate(terms))
    return ball_of(rest * sp.Integer(trials) ** (order + 1))


@given(data=st.data(), order=st.integers(0, 2))
def test_what_is_left_tends_to_the_next_coefficient(data, order):
    """At N = 10^6 and 10^9, for rational functions of the totals: it differs from that by another order of 1/N."""
    small = st.integers(1, 5)
    cells = 3 if order == 0 else 2
    parts = data.draw(st.lists(small, min_size=cells, max_size=cells))
    shares = [sp.Rational(part, sum(parts)) for part in parts]
    form = sum((data.draw(small) * n for n in TOTALS[:cells]), sp.S.Zero)
    body = n1 * (TOTALS[cells - 1] + data.draw(st.integers(-2, 2))) / form**2
    law = dict(zip(TOTALS, shares, strict=False))
    coming = prompt_expansion(multinomial_mean(body, N, law), order + 1)[-1]
    gaps = [abs(leftovers(body, shares, order, trials) - ball_of(coming)) * trials for trials in (10**6, 10**9)]
    assert gaps[1] < 2 * gaps[0] + arb("1e-3")
    assert gaps[1] < 10**5


@pytest.mark.parametrize("cells", [2, 3])
def test_the_first_correction_is_the_delta_method(cells):
    """Half the trace of the Hessian with the covariances of the frequencies, plus the body's own lower order."""
    a, b = sp.symbols("a b", positive=True)
    shares = [P, 1 - P] if cells == 2 else [P, P**2, 1 - P - P**2]
    totals = TOTALS[:cells]
    form = a * n1 + b * n2 + (n3 if cells == 3 else 0)
    leading, lower = a * n1 * n2 / form**2, (n1 + b * n2) / form**2
    terms = prompt_expansion(multinomial_mean(leading + lower, N, dict(zip(totals, shares, strict=True))))
    frequencies = dict(zip(totals, shares, strict=True))
    by_hand = lower
    for i, x in enumerate(totals):
        for j, y in enumerate(totals):
            covariance = shares[i] * (int(i == j) - shares[j])
            by_hand += sp.diff(leading, x, y) * covariance / 2
    assert identically_zero(terms[0] - leading.xreplace(frequencies))
    assert identically_zero(terms[1] - by_hand.xreplace(frequencies))
    assert not identically_zero(terms[1])


def test_a_polynomial_of_frequencies_has_its_moments():
    """E (n/N)^3 for a binomial: p^3 + 3 p^2 (1-p)/N + p (1-p)(1-2p)/N^2, and nothing after that."""
    terms = prompt_expansion(multinomial_mean(n1**3 / N**3, N, {n1: P, n2: 1 - P}), 4)
    expected = [P**3, 3 * P**2 * (1 - P), P * (1 - P) * (1 - 2 * P), 0, 0]
    assert all(identically_zero(term - value) for term, value in zip(terms, expected, strict=True))


def test_what_stands_outside_the_mean_is_expanded_too():
    """Weights that depend on N, and expressions without any mean."""
    mean = multinomial_mean(n1 / (n1 + 2 * n2), N, {n1: P, n2: 1 - P})
    inside, weighted = prompt_expansion(mean, 1), prompt_expansion(3 + mean * (N - 1) / N, 1)
    assert identically_zero(weighted[0] - 3 - inside[0])
    assert identically_zero(weighted[1] - inside[1] + inside[0])
    assert prompt_expansion(P + 1, 1) == (P + 1, 0)


@pytest.mark.parametrize(
    ("expression", "order", "error", "words"),
    [
        (multinomial_mean(n1 / (n1 + 2 * n2), 10, {n1: P, n2: 1 - P}), 1, InputError, "leave N"),
        (multinomial_mean(n1 / (n1 + 2 * n2), N, {n1: P, n2: 1 - P}), -1, InputError, "order"),
        (multinomial_mean(n1 / (n1 + 2 * n2), N, {n1: P, n2: 1 - P}), 5, InputError, "order"),
        (multinomial_mean(n1, N, {n1: P, n2: 1 - P}), 1, DerivationError, "grows"),
        (multinomial_mean(sp.exp(n1), N, {n1: P, n2: 1 - P}), 1, DerivationError, "rational"),
        (load_system("huang2024.generic")().loss, 1, DerivationError, "classes"),
    ],
)
def test_what_has_no_expansion_is_refused(expression, order, error, words):
    """A number for N, orders out of range, what grows with N or is no rational function, laws of single tokens."""
    with pytest.raises(error, match=words):
        prompt_expansion(expression, order)


def test_means_of_different_lengths_are_refused():
    """There is one N."""
    law = {n1: P, n2: 1 - P}
    two = multinomial_mean(n1 / (n1 + 2 * n2), N, law) + multinomial_mean(n1 / (n1 + n2), N + 1, law)
    assert len(two.atoms(Expectation)) == 2
    with pytest.raises(InputError, match="one symbol"):
        prompt_expansion(two)


@pytest.mark.parametrize(("family", "state"), [(BALANCED, "A"), (RARE, "A"), (RARE, "B1")])
def test_the_limit_is_the_system_of_infinite_prompts(family, state):
    """f_0 of an update is the update at N = inf, identically in everything."""
    assert identically_zero(prompt_expansion(update(family(), state), 0)[0] - update(family(N="inf"), state))


def outcome_of(statement):
    return check(claim(statement)).outcome


def test_an_inequality_at_a_point_is_decided_by_balls():
    """Either way; equal sides exactly."""
    system = BALANCED(K=4, N=7)
    values = {"A": 1, "B": "-1/3", "eta": "1/2"}
    move = update(system, "A")
    assert outcome_of(holds_at(system, move, ">", 0, values)).verdict is Verdict.CERTIFIED
    assert outcome_of(holds_at(system, move, "<=", 0, values)).verdict is Verdict.REFUTED
    assert outcome_of(holds_at(system, move, "<=", move, values)).verdict is Verdict.PROVED
    assert outcome_of(holds_at(system, move, "<", move, values)).verdict is Verdict.REFUTED
    close = sp.sqrt(2) + sp.Rational(1, 10**200)
    assert outcome_of(holds_at(system, sp.sqrt(2), "<", close, {})).verdict is Verdict.UNDECIDED
    nothing = sp.log(move - move.subs(system.step_size, 2 * system.step_size))
    assert outcome_of(holds_at(system, nothing, "<=", nothing, values)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("left", "relation", "at", "words"),
    [
        (update(BALANCED(K=4, N=7), "A"), "<=", {"A": 1}, "no value for B, eta"),
        (sp.Float(0.5), "<=", {}, "float"),
        (sp.Integer(1), "==", {}, "relation"),
        (sp.Integer(1), "<=", {"C": 1}, "has no C"),
        (sp.Symbol("A", real=True) < 2, "<=", {"A": 1}, "no expression"),
        (True, "<=", {}, "no expression"),
        ("A", "<=", {}, "no expression"),
        (sp.Integer(1), "<=", {"A": "inf"}, "A is oo"),
        (sp.Integer(1), "<=", {"A": -sp.oo}, "exact"),
        (sp.Integer(1), "<=", {"A": 0.5}, "float"),
    ],
)
def test_malformed_inequalities_are_refused(left, relation, at, words):
    """Values are missing or unknown, numbers are floats, the relation is none."""
    with pytest.raises(InputError, match=words):
        holds_at(BALANCED(K=4, N=7), left, relation, 1, at)


@pytest.mark.parametrize("size", [3, 8, 20])
def test_targets_below_the_infimum_are_unreachable(size):
    """Exactly at the lengths at which the formula of the infimum lies above the target."""

    def floor(trials):
        return (1 - 1 / size) ** trials * (1 + 1 / trials + (trials - 1) / (trials * (size - 1))) / 2

    first = next(trials for trials in range(1, 1000) if floor(trials) <= 0.05)
    short, enough = (outcome_of(unreachable(BALANCED(K=size, N=t), "1/20")).verdict for t in (first - 1, first))
    assert (short, enough) == (Verdict.CERTIFIED, Verdict.REFUTED)


def test_a_floor_of_two_coordinates_certifies_and_a_state_refutes():
    """An under-represented query at N = 3, with the share of prompts that miss its feature far above the target."""
    assert outcome_of(unreachable(RARE(K=4, N=3, p1="1/2"), "1/10")).verdict is Verdict.CERTIFIED
    assert outcome_of(unreachable(RARE(K=4, N=3, p1="1/2"), "1/2")).verdict is Verdict.REFUTED
    with pytest.raises(InputError, match="target"):
        unreachable(BALANCED(K=4, N=3), 0)
    for system in (BALANCED(), RARE(K=4)):
        with pytest.raises(InputError, match="no value for"):
            unreachable(system, "1/2")


def test_the_smallest_targets_are_shown_rounded():
    """Python refuses to print an integer of more than 4300 digits; the infimum at N = 10^5 is about 10^-12494."""
    outcome = outcome_of(unreachable(BALANCED(K=4, N=10**5), 1 / sp.Integer(10) ** 13000))
    assert outcome.verdict is Verdict.CERTIFIED
    assert dict(outcome.evidence.details)["target"] == "about 1.00000000000e-13000"
    small = outcome_of(
        holds_at(BALANCED(K=4, N=7), sp.Symbol("A", real=True), "<=", 1, {"A": sp.Rational(1, 10**5000)})
    )
    assert small.verdict is Verdict.CERTIFIED


def steps_in_floats(size, trials, target):
    """Steps to a loss of a balanced query, eta = 1, in float64 with the binomial law from its logarithms."""
    j = np.arange(trials + 1.0)
    logs = [lgamma(trials + 1) - lgamma(i + 1) - lgamma(trials - i + 1) for i in range(trials + 1)]
    weight = np.exp(np.array(logs) - j * log(size) + (trials - j) * log(1 - 1 / size))
    others = trials - j
    own, other, steps = 0.0, 0.0, 0
    while True:
        total = j * exp(own) + others * exp(other)
        a = j * exp(own) / total
        rest = exp(2 * other) / total**2 * (others + others * (others - 1) / (size - 1))
        if weight @ ((1 - a) ** 2 + rest) / 2 <= target:
            return steps
        own += weight @ (a * (rest + (1 - a) ** 2)) / size
        other = -own / (size - 1)
        steps += 1


@pytest.mark.parametrize(("size", "trials"), [(8, 74), (8, 37), (16, 148), (16, 74)])
def test_times_at_finite_length_are_those_of_a_plain_loop(size, trials):
    """The steps that the claims about prompt length rest on, from the formula of the attentions given the counts."""
    until = parse_condition("loss<=1/100", {"loss": LOSS})
    found = iterate(reduce_system(BALANCED(K=size, N=trials)), Run(sp.Integer(1), until=until, dps=15))
    assert found.step == steps_in_floats(size, trials, 0.01)


def steps_of_the_flow(size, target):
    """The hitting time at N = inf in continuous time, whose closed form the discrete count exceeds by a logarithm."""
    attention = sqrt(2 * target * (size - 1) / size)
    start, end = size - 1, attention / (1 - attention)
    inverse, square = 1 / end - 1 / start, 1 / end**2 - 1 / start**2
    return (size - 1) ** 2 / size * (start - end + 3 * log(start / end) + 3 * inverse + square / 2)


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64])
def test_prompts_of_twice_the_necessary_length_cost_a_tenth(size):
    """N = 2 K log 100, rounded up, takes more steps than N = inf, and at most a tenth more."""
    until = parse_condition("loss<=1/100", {"loss": LOSS})
    times = [
        iterate(reduce_system(BALANCED(K=size, N=length)), Run(sp.Integer(1), until=until, dps=15)).step
        for length in ("inf", ceil(2 * size * log(100)))
    ]
    assert abs(times[0] - steps_of_the_flow(size, 0.01)) < 5
    assert times[0] < times[1] <= 1.1 * times[0]
