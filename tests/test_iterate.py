"""Iteration: the balls hold the true orbit, the digits are there, and a run ends exactly where it should."""

import math
from fractions import Fraction
from math import comb

import mpmath
import pytest
import sympy as sp
from flint import arb, ctx, fmpq

from symicl import (
    ARITHMETICS,
    LOSS,
    Coordinate,
    InputError,
    Run,
    System,
    UndecidedError,
    compile_expressions,
    iterate,
    parse_condition,
    reduce_system,
)
from symicl.claims.loader import load_systems, paper_folders
from symicl.floor import loss_floor
from symicl.systems.structured_features import from_probabilities
from symicl.tables import binomial_window, multinomial_table

systems = {family.id.split(".")[1]: family for family in load_systems(paper_folders()["huang2024"])}
ONE = sp.Integer(1)


@pytest.fixture(autouse=True)
def sixty_digits():
    with mpmath.workdps(60):
        yield


def condition(text, *states):
    return parse_condition(text, {"loss": LOSS} | {name: sp.Symbol(name, real=True) for name in states})


def brute_force(probabilities, length, query, eta, steps, dps=60):
    """The scores of one query by enumerating count vectors; nothing of symicl in it."""
    with mpmath.workdps(dps):
        p = [mpmath.mpf(q.numerator) / q.denominator for q in probabilities]
        size = len(p)
        scores = [mpmath.mpf(0)] * size

        def outcomes(left, cells):
            if cells == 1:
                yield (left,)
                return
            for head in range(left + 1):
                for tail in outcomes(left - head, cells - 1):
                    yield (head, *tail)

        for step in range(steps + 1):
            loss, gradient = mpmath.mpf(0), [mpmath.mpf(0)] * size
            for counts in outcomes(length, size) if length else [p]:
                chance = mpmath.mpf(1)
                if length:
                    left = length
                    for count, share in zip(counts, p, strict=True):
                        chance *= comb(left, count) * share**count
                        left -= count
                weights = [c * mpmath.exp(s) for c, s in zip(counts, scores, strict=True)]
                total = sum(weights)
                a = [weight / total for weight in weights]
                error = [a[m] - (m == query) for m in range(size)]
                slope = sum(e * b for e, b in zip(error, a, strict=True))
                loss += chance * sum(e * e for e in error) / 2
                for m in range(size):
                    gradient[m] += p[query] * chance * a[m] * (error[m] - slope)
            if step < steps:
                scores = [s - eta * g for s, g in zip(scores, gradient, strict=True)]
        return scores, loss


CASES = [
    ("balanced", {"K": 4, "N": 5}, [Fraction(1, 4)] * 4, 0, {"A": 0, "B": 1}),
    ("balanced", {"K": 3, "N": "inf"}, [Fraction(1, 3)] * 3, 0, {"A": 0, "B": 1}),
    ("dominant", {"K": 3, "N": 4, "p1": "3/5"}, [Fraction(3, 5), *[Fraction(1, 5)] * 2], 0, {"A": 0, "B": 1}),
    (
        "underrepresented",
        {"K": 4, "N": 5, "p1": "1/2"},
        [Fraction(1, 2), *[Fraction(1, 6)] * 3],
        1,
        {"A": 1, "B1": 0, "B": 2},
    ),
    (
        "underrepresented",
        {"K": 4, "N": "inf", "p1": "1/2"},
        [Fraction(1, 2), *[Fraction(1, 6)] * 3],
        1,
        {"A": 1, "B1": 0, "B": 2},
    ),
]


@pytest.mark.parametrize(("name", "values", "p", "query", "where"), CASES)
def test_traces_agree_with_brute_force_to_forty_digits(name, values, p, query, where):
    length = 0 if values["N"] == "inf" else values["N"]
    result = iterate(reduce_system(systems[name](**values)), Run(sp.Rational(3, 2), steps=7, dps=50))
    scores, loss = brute_force(p, length, query, mpmath.mpf(3) / 2, 7)
    assert result.digits >= 50
    for state, position in where.items():
        ball = mpmath.mpf(result.arithmetic.as_json(result.state(state), 50)["mid"])
        assert abs(ball - scores[position]) < mpmath.mpf(10) ** -40 * abs(scores[position])
    assert abs(mpmath.mpf(result.arithmetic.as_json(result.loss, 50)["mid"]) - loss) < mpmath.mpf(10) ** -40 * loss


def test_a_full_system_agrees_with_brute_force():
    p = [Fraction(2, 5), Fraction(2, 5), Fraction(1, 5)]
    system = from_probabilities([sp.Rational(q.numerator, q.denominator) for q in p], sp.Integer(3))
    result = iterate(reduce_system(system), Run(ONE, steps=5, dps=50))
    columns = [brute_force(p, 3, query, mpmath.mpf(1), 5) for query in range(3)]
    whole = sum(mpmath.mpf(q.numerator) / q.denominator * loss for q, (_, loss) in zip(p, columns, strict=True))
    assert abs(mpmath.mpf(result.arithmetic.as_json(result.loss, 50)["mid"]) - whole) < mpmath.mpf(10) ** -40
    own = mpmath.mpf(result.arithmetic.as_json(result.state("S_same_1"), 50)["mid"])
    assert abs(own - columns[0][0][0]) < mpmath.mpf(10) ** -40


def test_counted_steps():
    """Counts known independently: 2528 steps to loss 1/100 at K = 32, and the state before it is above."""
    recurrence = reduce_system(systems["balanced"](K=32, N="inf"))
    result = iterate(recurrence, Run(ONE, until=condition("loss <= 1/100")))
    assert result.step == 2528
    before = iterate(recurrence, Run(ONE, steps=2527))
    assert before.loss > 0.01
    assert result.loss <= 0.01


def test_arithmetics_agree():
    recurrence = reduce_system(systems["underrepresented"](K=16, N="inf", p1="1/2"))
    ball, mp, double = (iterate(recurrence, Run(ONE, steps=500, dps=30), name) for name in ("ball", "mp", "float64"))
    assert mp.digits is None and double.digits is None
    for name in ("A", "B1", "B"):
        exact = ball.arithmetic.to_float(ball.state(name))
        assert abs(mp.arithmetic.to_float(mp.state(name)) - exact) < 1e-14 * abs(exact)
        assert abs(double.state(name) - exact) < 500 * 2**-52 * max(1, abs(exact))


def test_the_first_step_is_rational():
    result = iterate(reduce_system(systems["balanced"](K=5, N=6)), Run(ONE, steps=1), "rational")
    assert str(result.state("A")) == "2/75"
    assert result.loss is None
    zero = iterate(reduce_system(systems["underrepresented"](K=5, N=6, p1="1/2")), Run(ONE, steps=1))
    assert zero.digits >= 50


def test_rows_come_in_order_once_each_even_when_precision_is_raised():
    rows = []
    run = Run(ONE, steps=40, dps=30, max_dps=200)
    iterate(reduce_system(systems["balanced"](K=6, N="inf")), run, on_row=rows.append)
    assert [row.step for row in rows] == list(range(41))
    assert all(row.digits >= 30 for row in rows)


def test_budgets_end_a_run_with_what_it_has():
    recurrence = reduce_system(systems["balanced"](K=32, N="inf"))
    spent = iterate(recurrence, Run(ONE, until=condition("loss <= 1/100"), max_steps=100))
    assert (spent.outcome, spent.step) == ("max-steps", 100)
    late = iterate(recurrence, Run(ONE, until=condition("loss <= 1/100"), timeout=0.0))
    assert late.outcome == "timeout"
    stopped = iterate(recurrence, Run(ONE, steps=1000, cancelled=lambda: True))
    assert stopped.outcome == "cancelled"


def test_a_condition_on_a_state_and_a_first_step_to_look_at():
    recurrence = reduce_system(systems["underrepresented"](K=16, N="inf", p1="1/2"))
    down = iterate(recurrence, Run(ONE, until=condition("B1 <= -log(16)/2", "B1")))
    later = iterate(recurrence, Run(ONE, until=condition("B1 <= -log(16)/2", "B1"), not_before=down.step + 5))
    assert later.step == down.step + 5


def test_a_logarithm_of_an_exponential_has_code():
    """Gradient descent on log(1 + exp(-w)): w grows by 1/(1 + exp(w)), here one step from 0 by hand."""
    w = sp.Symbol("w", real=True)
    loss = sp.log(1 + sp.exp(-w))
    recurrence = reduce_system(System("logistic", "logistic", loss, loss, (Coordinate(w),)))
    one, two = (iterate(recurrence, Run(ONE, steps=steps)) for steps in (1, 2))
    assert one.arithmetic.to_float(one.state("w")) == 0.5
    assert abs(two.arithmetic.to_float(two.state("w")) - (0.5 + 1 / (1 + math.exp(0.5)))) < 1e-15
    assert one.loss < 0.5


def test_overflow_is_an_error_and_not_an_answer():
    with pytest.raises(UndecidedError, match="not finite"):
        iterate(reduce_system(systems["balanced"](K=8, N="inf")), Run(sp.Integer(10) ** 400, steps=3), "float64")


def test_an_undecidable_condition_says_so():
    """A + 3 B is exactly zero at K = 4, which no ball can show."""
    recurrence = reduce_system(systems["balanced"](K=4, N="inf"))
    tie = condition("A <= -3*B + 0*loss", "A", "B")
    run = Run(ONE, until=parse_condition("A - B > 4*A/3", {s: sp.Symbol(s, real=True) for s in "AB"}), max_dps=60)
    assert tie.relation == "<="
    with pytest.raises(UndecidedError, match="undecided"):
        iterate(recurrence, run)


@pytest.mark.parametrize(
    "arguments",
    [
        {"eta": sp.Integer(0), "steps": 1},
        {"eta": sp.Integer(-1), "steps": 1},
        {"eta": ONE},
        {"eta": ONE, "steps": -1},
        {"eta": ONE, "steps": 1, "dps": 10**9},
        {"eta": ONE, "steps": 1, "dps": 0},
    ],
)
def test_bad_runs_are_refused(arguments):
    with pytest.raises(InputError):
        Run(**arguments)


def test_a_window_holds_all_but_the_mass_it_says():
    """The window's weights and the bound on the rest enclose 1, and the weights are the exact probabilities."""
    saved = ctx.dps
    ctx.dps = 60
    try:
        window, missing = binomial_window(400, fmpq(1, 7), arb("1e-40"))
        total = sum((w for _, w in window), arb(0))
        assert 0 < missing < 1e-39
        assert len(window) < 401
        assert total < 1 and total + missing > 1 - arb("1e-55")
        count, weight = window[3]
        exact = Fraction(comb(400, count)) * Fraction(1, 7) ** count * Fraction(6, 7) ** (400 - count)
        assert weight.contains(arb(fmpq(exact.numerator, exact.denominator)))
    finally:
        ctx.dps = saved


def test_a_long_prompt_in_a_window_agrees_with_the_complete_sum():
    """N = 300 at K = 8 leaves prompts out; the complete sum in rationals lies in the ball of one step."""
    shares = [sp.Rational(1, 8), sp.Rational(7, 8)]
    window = multinomial_table(300, shares, ARITHMETICS["ball"], 50)
    complete = multinomial_table(300, shares, ARITHMETICS["rational"], 50)
    assert len(window.outcomes) < len(complete.outcomes)
    recurrence = reduce_system(systems["balanced"](K=8, N=300))
    ball = iterate(recurrence, Run(ONE, steps=1, dps=50))
    exact = iterate(recurrence, Run(ONE, steps=1, dps=50), "rational").state("A")
    assert ball.state("A").overlaps(arb(exact))
    assert ball.digits >= 50


def test_the_floor_of_the_loss():
    """Below every traced loss, and the exact infimum for one scalar: (4/5)^6 (1 + 1/6 + 5/24)/2 at K=5, N=6."""
    recurrence = reduce_system(systems["balanced"](K=5, N=6))
    floor = loss_floor(recurrence)
    exact = sp.Rational(4, 5) ** 6 * (1 + sp.Rational(1, 6) + sp.Rational(5, 24)) / 2
    assert abs(float(floor.mid()) - float(exact)) < 1e-15
    rare = reduce_system(systems["underrepresented"](K=5, N=6, p1="1/2"))
    low = float(loss_floor(rare).lower())
    loss = compile_expressions([rare.loss], rare.coordinates, ARITHMETICS["float64"], 15)
    least = min(loss(-i / 100, 60.0)[0] for i in range(300))
    assert low < least < low * 1.0001


def test_a_condition_on_an_exponential_at_large_size():
    """States are small fractions of coordinates there: their exponentials are high roots, and no dense polynomial."""
    system = systems["underrepresented"](K=10**6, N="inf", p1="1/2")
    names = {str(state): state for state in reduce_system(system).states}
    condition = parse_condition("exp(B1) <= 999999/1000000", names)
    reached = iterate(reduce_system(system), Run(sp.S.One, until=condition, dps=10), "ball")
    assert reached.state("B1").exp() <= arb(999999) / 10**6
    before = iterate(reduce_system(system), Run(sp.S.One, steps=reached.step - 1, dps=10), "ball")
    assert before.state("B1").exp() > arb(999999) / 10**6
