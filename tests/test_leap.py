"""Leaps: the Abel function of a step counts steps, at any horizon, with an error that its bound covers."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import (
    ARITHMETICS,
    LOSS,
    BudgetError,
    DerivationError,
    InputError,
    Run,
    check,
    claim,
    exact,
    first_step,
    iterate,
    load_system,
    parse_condition,
    reduce_system,
)
from symicl.leap import count, missed, normal_form, series
from symicl.leaping import leap

BALL = ARITHMETICS["ball"]
balanced, dominant, rare = (load_system(f"huang2024.{name}") for name in ("balanced", "dominant", "underrepresented"))


def goal(text):
    return parse_condition(text, {"loss": LOSS})


def stepped_z(epsilon, z0, steps):
    """``z`` along the orbit of ``Y + epsilon z^2/(1+z)^3``, stepped in balls."""
    y, path = arb(0), []
    for _ in range(steps + 1):
        z = z0 * (-y).exp()
        path.append(z)
        y = y + epsilon * z * z / (1 + z) ** 3
    return path


@pytest.mark.parametrize("order", [4, 8, 16, 24])
@pytest.mark.parametrize(("epsilon", "z0"), [("1/10", 31), ("1/30", 5), ("1", 3), ("1/1000", "1/2")])
def test_the_series_counts_steps_within_its_bound(order, epsilon, z0):
    """Along the true orbit the count rises by 1 a step; what it misses in all is at most what ``missed`` says."""
    with BALL.working(120):
        size, start = (arb(fmpq(sp.Rational(v).p, sp.Rational(v).q)) for v in (epsilon, z0))
        path = stepped_z(size, start, 60)
        known = series(2, 1, order)
        n = count(known, size).at
        gap = n(path[-1].log()) - n(start.log()) - 60
        bound = missed(known, size, start.log())
        assert abs(gap) <= bound or not bound.is_finite()
        if (order, epsilon) == (8, "1/30"):
            assert abs(gap).upper() * 10**8 > bound  # not absurdly large
        if (order, epsilon) == (24, "1/30"):
            assert bound < arb(10) ** -40


def test_the_first_terms_are_those_of_the_flow():
    """``b_1 = (dh/dY) / (2h)``: the count exceeds the time of the flow by half the logarithm of the ratio of rates."""
    known = series(2, 1, 3)
    u = sp.Symbol("u")
    h = u**2 * (1 - u)
    b1 = sum(sp.Rational(int(c.p), int(c.q)) * u**k for k, c in enumerate(known.b[0].coeffs()))
    assert sp.expand(b1 + u * (1 - u) * sp.diff(h, u) / h / 2).simplify() == 0


@pytest.mark.parametrize(("size", "target"), [(2, "1/100"), (5, "1/50"), (32, "1/100"), (64, "1/500"), (128, "1/10")])
@pytest.mark.parametrize("eta", ["1/3", "1", "3"])
def test_leaps_land_where_steps_do(size, target, eta):
    """The first step that meets a target, and the state there, are those of stepping."""
    recurrence = reduce_system(balanced(K=size, N="inf"))
    by_leap = leap(recurrence, Run(exact(eta), until=goal(f"loss <= {target}"), dps=30))
    by_step = iterate(recurrence, Run(exact(eta), until=goal(f"loss <= {target}"), dps=30))
    assert by_leap.low == by_leap.high == by_step.step
    for found, expected in zip(by_leap.trajectory.states, by_step.states, strict=True):
        assert found.overlaps(expected) and BALL.relative_digits(found) >= 30


@given(st.integers(2, 200), st.integers(0, 3000), st.fractions("1/4", 2, max_denominator=9))
def test_a_leap_of_any_length_is_the_steps(size, steps, eta):
    recurrence = reduce_system(dominant(K=size, N="inf", p1="1/3"))
    run = Run(exact(eta), steps=steps, dps=20, max_steps=steps)
    by_leap, by_step = leap(recurrence, run).trajectory, iterate(recurrence, run)
    assert all(
        a.overlaps(b) for a, b in zip((*by_leap.states, by_leap.loss), (*by_step.states, by_step.loss), strict=True)
    )
    assert by_leap.digits >= 20


def flow_count(size, target):
    """Steps by the exact time of the flow and its first correction, in mpmath: right to O(1/K) for eta = 1."""
    mpmath.mp.dps = 120
    k, z0 = mpmath.mpf(size), mpmath.mpf(size - 1)
    share = mpmath.sqrt(2 * mpmath.mpf(target.p) / target.q * (k - 1) / k)  # loss = K/(2(K-1)) u^2
    z = share / (1 - share)
    time = (k - 1) ** 2 / k * ((z0 - z) + 3 * mpmath.log(z0 / z) + 3 * (1 / z - 1 / z0) + (1 / z**2 - 1 / z0**2) / 2)
    rate = [x * x / (1 + x) ** 3 for x in (z, z0)]
    return time + mpmath.log(rate[0] / rate[1]) / 2


@pytest.mark.parametrize("size", [10**6, 10**20, 10**40])
@pytest.mark.parametrize("target", [sp.Rational(1, 100), sp.Rational(1, 10**6)])
def test_the_exact_step_at_sizes_no_loop_can_reach(size, target):
    """The certified step is the flow's time with its first correction, rounded up; that is off by O(1/K) only."""
    found = leap(reduce_system(balanced(K=size, N="inf")), Run(exact(1), until=goal(f"loss <= {target}"), dps=30))
    expected = flow_count(size, target)
    assert found.low == found.high == int(mpmath.ceil(expected))
    assert abs(expected - mpmath.nint(expected)) > mpmath.mpf(100) / size  # or the comparison would be a guess


def test_more_steps_than_anyone_can_count():
    """After T steps the flow says z^2 ~ 1 / (2 epsilon T): a leap of 10^80 steps is there, certified to 40 digits."""
    found = leap(reduce_system(balanced(K=64, N="inf")), Run(exact(1), steps=10**80, dps=40, max_steps=10**80))
    a, b = found.trajectory.states
    with BALL.working(60):
        z = 63 * (-(a - b)).exp()
        ratio = z * z * 2 * arb(64) / arb(63**2) * arb(10) ** 80
        assert abs(ratio - 1) < arb(10) ** -35
    assert found.trajectory.digits >= 40


def test_what_has_no_leap_says_so():
    with pytest.raises(DerivationError, match="one coordinate"):
        leap(reduce_system(rare(K=8, N="inf", p1="1/2")), Run(exact(1), steps=10, dps=20))
    with pytest.raises(DerivationError, match="is not c X"):
        leap(reduce_system(balanced(K=8, N=3)), Run(exact(1), steps=10, dps=20))
    with pytest.raises(DerivationError, match="no value for K"):
        leap(reduce_system(balanced(N="inf")), Run(exact(1), steps=10, dps=20))
    states = dict(zip("AB", reduce_system(balanced(K=8, N="inf")).states, strict=True))
    with pytest.raises(InputError, match="to a loss"):
        leap(reduce_system(balanced(K=8, N="inf")), Run(exact(1), until=parse_condition("A >= 1", states), dps=20))


def test_a_step_size_too_large_for_the_series_is_stepped_or_refused():
    """The series needs short steps; the first ones are stepped, and the error says how far that got."""
    found = leap(reduce_system(balanced(K=2, N="inf")), Run(exact(1), steps=5000, dps=30))
    assert found.prefix > 0 and found.trajectory.digits >= 30
    with pytest.raises(BudgetError, match="too long for the series"):
        leap(reduce_system(balanced(K=2, N="inf")), Run(exact(10**12), steps=10**5, dps=30, max_dps=60))


def test_normal_forms():
    k, p1 = sp.Symbol("K", integer=True, positive=True), sp.Symbol("p1", positive=True)
    form = normal_form(reduce_system(balanced(N="inf")))
    assert (form.scale, form.alpha, form.p, form.q) == (k / (k - 1) ** 2, k - 1, 2, 1)
    form = normal_form(reduce_system(dominant(N="inf")))
    assert sp.simplify(form.scale - p1 * k**2 / (k - 1) ** 2) == 0 == sp.simplify(form.alpha - (1 - p1) / p1)


def test_claims_about_times_no_loop_can_reach_are_certified():
    far = balanced(K=10**20, N="inf")
    assert check(claim(first_step(far, "loss <= 1/100", ">=", 10**40), expect="certified")).as_expected
    assert check(claim(first_step(far, "loss <= 1/100", "<=", 10**40), expect="refuted")).as_expected
    assert check(claim(first_step(far, "loss <= 1/100", "<=", 10**40 + 10**23), expect="certified")).as_expected
