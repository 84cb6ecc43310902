"""Means over prompts by quadrature hold the exact value, whatever N, the probabilities, the scores and the digits."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import factorial, inf, perm, prod

import pytest
import sympy as sp
from command_line import answer, refusal
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import (
    ARITHMETICS,
    BudgetError,
    Expectation,
    InputError,
    Multinomial,
    Run,
    UndecidedError,
    compile_expressions,
    iterate,
    load_system,
    multinomial_mean,
    reduce_system,
    value_of,
)
from symicl import prompt_means as means_module
from symicl import tilted as tilted_module
from symicl.tilted import TiltedMoments

BALL = ARITHMETICS["ball"]
DPS = 30
n1, n2, n3 = sp.symbols("n1 n2 n3", integer=True, nonnegative=True)
z1, z2 = sp.symbols("z1 z2", positive=True)


def outcomes(trials, cells):
    """All counts of draws over cells."""
    return [o for o in product(range(trials + 1), repeat=cells) if sum(o) == trials]


def exact_moment(trials, shares, scores, order, power):
    """``E[prod (n_i)_{d_i} / Z^s]`` by its definition, in fractions."""
    total = Fraction(0)
    for counts in outcomes(trials, len(shares)):
        weight = Fraction(factorial(trials), prod(map(factorial, counts)))
        weight *= prod((p**n for p, n in zip(shares, counts, strict=True)), start=Fraction(1))
        above = prod(perm(n, d) for n, d in zip(counts, order, strict=True))
        total += weight * above / sum(z * n for z, n in zip(scores, counts, strict=True)) ** power
    return total


def exact_ball(value):
    return arb(fmpq(value.numerator, value.denominator))


def flint_shares(shares):
    return [fmpq(p.numerator, p.denominator) for p in shares]


@st.composite
def settings_of_prompts(draw):
    """A short prompt, its law, scores apart by up to 10^14, and moments of it."""
    cells = draw(st.integers(1, 3))
    trials = draw(st.integers(1, 9 if cells < 3 else 6))
    parts = draw(st.lists(st.sampled_from([1, 2, 7, 1000]), min_size=cells, max_size=cells))
    shares = [Fraction(part, sum(parts)) for part in parts]
    score = st.builds(lambda m, e: Fraction(m) * Fraction(10) ** e, st.integers(1, 99), st.integers(-7, 7))
    scores = draw(st.lists(score, min_size=cells, max_size=cells))
    order = st.tuples(*[st.integers(0, 3)] * cells)
    wanted = draw(st.lists(st.tuples(order, st.integers(1, 4)), min_size=1, max_size=4))
    return trials, shares, scores, wanted


@given(setting=settings_of_prompts(), dps=st.sampled_from([2, 15, 30, 60]))
def test_a_moment_holds_the_exact_value_and_has_its_digits(setting, dps):
    """By definition, in fractions; at few digits the error of the method itself shows if its bound is wrong."""
    trials, shares, scores, wanted = setting
    with BALL.working(dps + 5):
        found = TiltedMoments(trials, flint_shares(shares), wanted, dps)([exact_ball(z) for z in scores])
    with BALL.working(100):
        for (order, power), value in found.items():
            exact = exact_ball(exact_moment(trials, shares, scores, order, power))
            assert value.overlaps(exact)
            assert value.is_zero() if sum(order) > trials else value.rad() < abs(exact) * arb(10) ** -(dps - 1)


@given(setting=settings_of_prompts(), width=st.sampled_from(["1e-25", "1e-8", "1e-2", "0.4"]), side=st.integers(-1, 1))
def test_wide_scores_are_sound(setting, width, side):
    """At every point of the balls of the scores, the exact value lies in the ball of the moment."""
    trials, shares, scores, wanted = setting
    inside = [z * (1 + side * (-1) ** i * Fraction(width) * Fraction(99, 100)) for i, z in enumerate(scores)]
    with BALL.working(DPS):
        balls = [exact_ball(z) * arb(1, arb(width)) for z in scores]
        found = TiltedMoments(trials, flint_shares(shares), wanted, DPS)(balls)
        for (order, power), value in found.items():
            assert value.overlaps(exact_ball(exact_moment(trials, shares, inside, order, power)))


def test_a_coarse_sum_misses_the_value_by_no_more_than_its_bound_and_by_something():
    """The bound on the method's error is neither wrong nor what hides every error: the plain sum misses the value."""
    shares, scores, moment = [Fraction(1, 3), Fraction(2, 3)], [Fraction(1), Fraction(20)], ((1, 1), 3)
    with BALL.working(40):
        tilted = TiltedMoments(4, flint_shares(shares), [moment], 3)
        (error,) = (tilted.errors[key] for key in tilted.errors)
        exact = exact_ball(exact_moment(4, shares, scores, *moment))
        tilted.errors = {moment: arb(0)}
        plain = tilted([exact_ball(z) for z in scores])[moment]
        miss = abs(plain.mid() / exact - 1) - plain.rad() / exact
        assert miss > arb("1e-15")
        assert miss < error < arb("1e-3")


@pytest.mark.parametrize("trials", [1, 10**12, 10**40])
def test_equal_scores_give_the_moments_of_the_law(trials):
    """With all scores equal to z, Z = z N, and what is left is a factorial moment."""
    shares = [Fraction(1, 10), Fraction(9, 10)]
    with BALL.working(DPS):
        found = TiltedMoments(trials, flint_shares(shares), [((1, 1), 2), ((1, 0), 1)], DPS)([arb(3), arb(3)])
        assert found[(1, 0), 1].overlaps(arb(fmpq(1, 30)))
        assert found[(1, 1), 2].overlaps(arb(fmpq(1, 100)) * (trials - 1) / trials)
        assert found[(1, 0), 1].rad() < arb("1e-28")


@pytest.mark.parametrize(
    "scores", [[arb(1), arb(0)], [arb(1), arb(-1)], [arb(1), arb(1, 2)], [arb(1), arb("nan")], [arb(1), arb("inf")]]
)
def test_scores_that_may_not_be_positive_are_refused(scores):
    """Z could vanish."""
    with BALL.working(DPS), pytest.raises(UndecidedError, match="positive"):
        TiltedMoments(5, [fmpq(1, 2)] * 2, [((1, 0), 1)], DPS)(scores)


def test_scores_too_far_apart_end_in_an_error(monkeypatch):
    """Nothing is summed for ever."""
    monkeypatch.setattr(tilted_module, "MAX_NODES", 2000)
    with BALL.working(DPS), pytest.raises(BudgetError, match="too far apart"):
        TiltedMoments(2, [fmpq(1, 2)] * 2, [((1, 0), 1)], DPS)([arb(1), arb(800).exp()])


@pytest.mark.parametrize(("trials", "order", "power"), [(1, 0, 40), (200, 80, 1), (10**5, 300, 3)])
def test_moments_of_high_order_with_one_score(trials, order, power):
    """Z = 3 N and the moment is (N)_d / (3 N)^s: what is left out at the last node, whose weight is large, is paid."""
    with BALL.working(DPS):
        (found,) = TiltedMoments(trials, [fmpq(1)], [((order,), power)], DPS)([arb(3)]).values()
        exact = exact_ball(Fraction(perm(trials, order), (3 * trials) ** power))
        assert found.overlaps(exact) and found.rad() < arb("1e-28") * exact


def test_what_is_left_out_is_no_more_than_the_bound_says(monkeypatch):
    """Few digits asked for, so that the sum stops early: the rest it adds exceeds what more nodes would have added."""
    wanted, scores = [((1, 1), 2)], [arb(1), arb(5)]
    with BALL.working(DPS):
        exact = exact_ball(exact_moment(6, [Fraction(1, 3), Fraction(2, 3)], [Fraction(1), Fraction(5)], (1, 1), 2))
        for digits in (1, 2, 3):
            tilted = TiltedMoments(6, [fmpq(1, 3), fmpq(2, 3)], wanted, DPS)
            tilted.digits = digits
            monkeypatch.setattr(tilted_module, "_LOOK", 1)
            found = tilted(scores)[wanted[0]]
            assert found.overlaps(exact) and found.rad() > arb("1e-12") * exact


@pytest.fixture
def always(monkeypatch):
    """Switches between tables and integrals, whatever they cost."""

    def switch(tables):
        monkeypatch.setattr(means_module, "_rows", lambda *_: -1 if tables else inf)

    return switch


SYSTEMS = [
    ("huang2024.balanced", {"K": 5}, 40),
    ("huang2024.dominant", {"K": 5, "p1": "1/3"}, 25),
    ("huang2024.underrepresented", {"K": 6, "p1": "1/2"}, 12),
]


@pytest.mark.parametrize(("name", "parameters", "trials"), SYSTEMS)
@pytest.mark.parametrize("steps", [0, 3, 40])
def test_tables_and_integrals_train_alike(always, name, parameters, trials, steps):
    """Every state and the loss, in balls that overlap and that are both narrow, however long one trains."""
    recurrence = reduce_system(load_system(name)(**parameters, N=trials))
    runs = []
    for tables in (True, False):
        always(tables)
        runs.append(iterate(recurrence, Run(sp.Integer(1), steps=steps, dps=25)))
    for one, other in zip(*((*run.states, run.loss) for run in runs), strict=True):
        assert one.overlaps(other)
    assert min(run.digits for run in runs) >= 25
    assert abs(runs[0].digits - runs[1].digits) <= 3 or steps == 0


@given(data=st.data(), trials=st.integers(1, 25), share=st.sampled_from(["1/2", "1/50", "9/10"]))
def test_tables_and_integrals_agree_on_any_body(data, trials, share):
    """Products of polynomials over a power of a form, with constants above and below, at any scores."""
    p = sp.Rational(share)
    small = st.integers(-3, 3)
    numerator = (data.draw(small) * n1**2 + data.draw(small) * z1 * n1 * n2 + 2) * (n2 + data.draw(small))
    power = data.draw(st.integers(0, 3))
    body = sp.expand(numerator) * (z1 + 1) ** -2 / (z1 * n1 + z2 * n2) ** power
    mean = multinomial_mean(body, trials, {n1: p, n2: 1 - p})
    values = [data.draw(st.fractions(Fraction(1, 1000), 1000)) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch, BALL.working(DPS):
        found = []
        for rows in (-1, inf):
            patch.setattr(means_module, "_rows", lambda *_, rows=rows: rows)
            function = compile_expressions([mean], [z1, z2], BALL, DPS)
            found.append(arb(function(*map(exact_ball, values))[0]))
    assert found[0].overlaps(found[1])


def test_bodies_with_two_forms_keep_their_table():
    """What the integrals cannot do is still done, and refused where the table is too long."""
    body = n1 / ((n1 + 2 * n2) * (2 * n1 + n2))
    short = value_of(multinomial_mean(body, 3, {n1: sp.Rational(1, 2), n2: sp.Rational(1, 2)}), BALL, DPS)
    by_hand = sum(Fraction(c, 8) * Fraction(a, (a + 2 * (3 - a)) * (2 * a + 3 - a)) for a, c in enumerate((1, 3, 3, 1)))
    assert short.overlaps(exact_ball(by_hand))
    with pytest.raises(BudgetError, match="tokens"):
        value_of(multinomial_mean(body, 10**20, {n1: sp.Rational(1, 2), n2: sp.Rational(1, 2)}), BALL, DPS)


def test_polynomials_at_any_length_are_exact():
    """Without a denominator the moments are known."""
    mean = multinomial_mean(n1 * n2, 10**15, {n1: sp.Rational(1, 4), n2: sp.Rational(3, 4)})
    assert value_of(mean, BALL, 40).overlaps(exact_ball(Fraction(3, 16) * 10**15 * (10**15 - 1)))


def test_long_prompts_need_a_law_too():
    """Probabilities that do not sum to 1 are refused on the way without a table as well."""
    law = Multinomial(10**7, [(n1, sp.Rational(1, 2)), (n2, sp.Rational(1, 3))])
    with pytest.raises(InputError, match="no law"):
        value_of(Expectation(n1 / (n1 + 2 * n2), law), BALL, DPS)


@pytest.mark.parametrize("name", ["mp", "float64"])
def test_other_arithmetics_get_midpoints(name):
    """Their value is that of the balls to their own digits."""
    chosen = ARITHMETICS[name]
    mean = multinomial_mean(n1 / (2 * n1 + n2), 10**10, {n1: sp.Rational(1, 3), n2: sp.Rational(2, 3)})
    value, reference = value_of(mean, chosen, 15), value_of(mean, BALL, 30)
    assert abs(float(value) - float(reference)) < 1e-14


def test_ten_thousand_tokens_in_three_kinds(tmp_path):
    """A rare feature and N = 10^4 on the command line: certified, and as the table had it (it took two minutes)."""
    system = ("huang2024.underrepresented", "--set", "K=10", "--set", "N=10000", "--set", "p1=1/2")
    found = answer("trace", *system, "--eta", "1", "--steps", "5")
    assert found["guarantee"] == "certified"
    assert found["states"]["A"]["mid"].startswith("0.01817233798066892069508080144226681173705651675")
    assert found["loss"]["mid"].startswith("0.57673156732806714581789524164999557425353612107453")
    four = tmp_path / "four.toml"
    four.write_text(
        '[features]\nprobabilities = ["2/5", "3/10", "1/5", "1/10"]\nprompt_length = 1000\ngram = "orthonormal"\n'
        '[task]\nkernel = "linear"\n'
    )
    found = answer("trace", str(four), "--eta", "1", "--steps", "2", "--dps", "20")
    assert found["guarantee"] == "certified"
    assert found["digits"] >= 20


def test_the_longest_prompts_and_none():
    """N = 10^30 has an answer, N = 0 and rational arithmetic on a long prompt a clear refusal."""
    words = ("trace", "huang2024.balanced", "--set", "K=10", "--eta", "1", "--steps", "2")
    found = answer(*words, "--set", "N=10**30")
    assert found["guarantee"] == "certified"
    assert "N = 0" in refusal(*words, "--set", "N=0")
    assert "shorter prompt" in refusal(*words, "--set", "N=10**30", "--arithmetic", "rational", code=4)
    target = (
        "trace",
        "huang2024.balanced",
        "--set",
        "K=1e20",
        "--set",
        "N=1e20",
        "--eta",
        "1",
        "--until",
        "loss<=1/100",
    )
    assert "infimum is at least 0.1839397" in refusal(*target)
