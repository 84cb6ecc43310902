"""Leaps prepared once: any of them is the steps, and what they share depends on none of them.

Properties: a leap and the loop meet in every ball and end at the same step, over random systems and targets;
the order in which leaps are asked for changes nothing; the bound on what a series misses holds from any start on, for
any number of steps, and the bound it is made of on polynomials holds everywhere.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from flint import arb, fmpq, fmpq_poly
from hypothesis import assume, given
from hypothesis import strategies as st

from symicl import (
    ARITHMETICS,
    LOSS,
    BudgetError,
    Condition,
    InputError,
    Leap,
    Run,
    exact,
    iterate,
    leap,
    load_system,
    parse_condition,
    prepare_leaps,
    reduce_system,
)
from symicl.leap import _largest, count, missed, series, step_height

BALL = ARITHMETICS["ball"]
balanced, dominant = (load_system(f"huang2024.{name}") for name in ("balanced", "dominant"))
sizes = st.integers(2, 300)
rates = st.fractions("1/8", 3, max_denominator=12)
shares = st.fractions("1/50", "49/50", max_denominator=50)


def below(loss: Fraction) -> Condition:
    return parse_condition(f"loss <= {loss}", {"loss": LOSS})


def assert_same(found: Leap, run: Run) -> None:
    """The loop at the same digits ends at the same step, and its balls meet those of the leap."""
    known = iterate(found.trajectory.process, run)
    assert found.low == found.high == known.step
    assert found.trajectory.digits >= run.dps
    pairs = zip((*found.trajectory.states, found.trajectory.loss), (*known.states, known.loss), strict=True)
    assert all(one.overlaps(other) for one, other in pairs)


@given(sizes, st.fractions("1/8", 1, max_denominator=12), st.fractions("1/400", "1/5", max_denominator=400))
def test_a_leap_to_a_loss_ends_where_the_loop_does(size: int, eta: Fraction, loss: Fraction) -> None:
    run = Run(exact(str(eta)), until=below(loss), dps=20, max_steps=20_000)
    recurrence = reduce_system(balanced(K=size, N="inf"))
    found = leap(recurrence, run)
    assume(found.low <= run.max_steps)
    assert_same(found, run)


@given(sizes, rates, shares, st.integers(0, 2000))
def test_a_leap_over_steps_ends_where_the_loop_does(size: int, eta: Fraction, share: Fraction, steps: int) -> None:
    run = Run(exact(str(eta)), steps=steps, dps=15)
    assert_same(leap(reduce_system(dominant(K=size, N="inf", p1=str(share))), run), run)


def test_leaps_share_what_they_need_and_nothing_else() -> None:
    """Long after short and short after long: the same as from a fresh start, at every precision."""
    recurrence = reduce_system(balanced(K=40, N="inf"))
    runs = [Run(exact(1), steps=steps, dps=dps) for steps, dps in ((10**40, 20), (500, 60), (10**9, 20), (10**40, 90))]
    leaper = prepare_leaps(recurrence, exact(1), 30)
    for run in (*runs, *reversed(runs)):
        found, other = leaper.leap(run), prepare_leaps(reduce_system(balanced(K=40, N="inf")), exact(1)).leap(run)
        assert found.trajectory.digits >= run.dps
        pairs = zip(found.trajectory.states, other.trajectory.states, strict=True)
        assert all(one.overlaps(two) for one, two in pairs)
    assert_same(leaper.leap(runs[1]), runs[1])


def test_digits_of_steps_agree_across_precisions() -> None:
    """A leap at 20 digits holds the one at 200."""
    leaper = prepare_leaps(reduce_system(balanced(K=10**12, N="inf")), exact("1/3"), 20)
    for steps in (1, 10**6, 10**24, 10**60):
        rough, fine = (leaper.leap(Run(exact("1/3"), steps=steps, dps=dps)).trajectory for dps in (20, 200))
        assert all(a.contains(b) or a.overlaps(b) for a, b in zip(rough.states, fine.states, strict=True))
        assert fine.digits >= 200


def test_another_step_size_is_refused() -> None:
    leaper = prepare_leaps(reduce_system(balanced(K=8, N="inf")), exact(1))
    with pytest.raises(InputError, match="eta = 1"):
        leaper.leap(Run(exact(2), steps=10, dps=20))
    with pytest.raises(InputError, match="digits"):
        prepare_leaps(reduce_system(balanced(K=8, N="inf")), exact(1), 0)


def test_too_large_a_step_size_is_prepared_and_refused_later() -> None:
    """At eta = 10**12 no series helps; preparing does not fail, the leap says why it does."""
    leaper = prepare_leaps(reduce_system(balanced(K=2, N="inf")), exact(10**12), 20)
    with pytest.raises(BudgetError, match="too long for the series"):
        leaper.leap(Run(exact(10**12), steps=10**5, dps=20, max_dps=60))


# What a series misses.


@given(
    st.sampled_from([(2, 1), (1, 1), (3, 2), (1, 0), (2, 3)]),
    st.sampled_from([4, 8, 16]),
    st.fractions("1/200", "1/4", max_denominator=200),
    st.fractions("1/20", 40, max_denominator=20),
    st.integers(1, 300),
)
def test_no_run_of_steps_is_miscounted_by_more_than_the_bound(
    form: tuple[int, int], order: int, size: Fraction, start: Fraction, steps: int
) -> None:
    """From any start, for any heights ``u^p (1-u)^q``, along the true orbit in balls."""
    known = series(*form, order)
    with BALL.working(80):
        epsilon, begin = (arb(fmpq(x.numerator, x.denominator)) for x in (size, start))
        place = begin = begin.log()
        for _ in range(steps):
            place = place - epsilon * step_height(known, place)
        n = count(known, epsilon).at
        gap, bound = abs(n(place) - n(begin) - steps), missed(known, epsilon, begin)
        assert gap.lower() <= bound


def test_the_bound_is_not_absurdly_large() -> None:
    """Over a whole run it is within eight digits of what is missed: two orders more than it would take."""
    known = series(2, 1, 8)
    with BALL.working(60):
        epsilon, place = arb(fmpq(1, 8)), arb(20).log()
        begin = place
        for _ in range(3000):
            place = place - epsilon * step_height(known, place)
        n = count(known, epsilon).at
        gap = abs(n(place) - n(begin) - 3000)
        assert gap <= missed(known, epsilon, begin) < gap * 10**8


@given(st.lists(st.fractions(-9, 9, max_denominator=30), min_size=1, max_size=12), st.fractions(0, 1))
def test_polynomials_stay_below_their_bound(coefficients: list[Fraction], place: Fraction) -> None:
    """Anywhere on [0, 1], and the bound is at most about sqrt(2) times the largest value on a fine grid."""
    polynomial = fmpq_poly([fmpq(c.numerator, c.denominator) for c in coefficients])
    with BALL.working(40):
        (bound,) = _largest([polynomial])
    at = [abs(polynomial(fmpq(k, 400))) for k in range(401)]
    assert arb(abs(polynomial(fmpq(place.numerator, place.denominator)))) <= bound
    assert bound <= arb(max(at)) * 2


def test_a_leap_that_is_refused_leaves_the_others_alone() -> None:
    """What is learnt in a leap that fails is true all the same."""
    recurrence = reduce_system(balanced(K=3, N="inf"))
    leaper = prepare_leaps(recurrence, exact(1), 20)
    with pytest.raises(InputError, match="to a loss"):
        leaper.leap(Run(exact(1), until=parse_condition("loss >= 1/3", {"loss": LOSS}), dps=20))
    run = Run(exact(1), steps=1500, dps=20)
    assert_same(leaper.leap(run), run)
    assert leaper.form.scale == sp.Rational(3, 4)
