"""Leaps in several coordinates: sums of polynomials are exact, and the path is the one that single steps take.

Properties: a series summed over equidistant points satisfies its difference equation; where a run can be stepped, or
leapt over in certified balls, the leaps end at the same step and their balls meet the certified ones; what cannot be
confirmed is refused by name. Radii are differences of two orders, so the comparison with certified balls is what they
are worth.
"""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from click.testing import CliRunner
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from proofs.huang2024.systems import balanced, underrepresented
from symicl.arithmetic import ARITHMETICS, Guarantee
from symicl.chebyshev import antidifference, antidifference_matrix, differentiated, grid, integral, value
from symicl.cli import cli
from symicl.collocation import inverted
from symicl.errors import BudgetError, InputError
from symicl.flow import Flow, flow
from symicl.grammar import Condition, parse_condition
from symicl.iterate import Run, Trajectory, iterate
from symicl.leaping import leap
from symicl.paths import follow
from symicl.process import LOSS
from symicl.reduce import Recurrence, reduce_system

BALL = ARITHMETICS["ball"]
ONE = sp.Integer(1)
HALF = sp.Rational(1, 2)
fractions = st.fractions(min_value=-4, max_value=4, max_denominator=50)


def rare(features: int, length: sp.Expr = sp.oo) -> Recurrence:
    return reduce_system(underrepresented(N=length, K=features, p1=HALF))


def loss_at_most(text: str) -> Condition:
    return parse_condition(f"loss<={text}", {"loss": LOSS})


def meets(found: Flow, known: Trajectory) -> bool:
    """Whether each ball of the one meets that of the other."""
    pairs = zip((*found.trajectory.states, found.trajectory.loss), (*known.states, known.loss), strict=True)
    return found.trajectory.step == known.step and all(a.overlaps(b) for a, b in pairs)


def ball(number: Fraction) -> arb:
    return arb(fmpq(number.numerator, number.denominator))


# Series.


@given(st.lists(fractions, min_size=1, max_size=9), st.integers(1, 60), fractions)
def test_a_sum_satisfies_its_difference_equation(series: list[Fraction], inverse_step: int, x: Fraction) -> None:
    """``q(x + step) - q(x) = step p(x)`` and ``q(-1) = 0``, at any x, for coarse steps too. Sizes are below 1e12."""
    with BALL.working(60):
        p, step, place = [ball(c) for c in series], arb(1) / inverse_step, ball(x)
        q = antidifference(p, step, 60)
        residual = value(q, place + step) - value(q, place) - step * value(p, place)
        assert abs(residual) < arb(10) ** -40
        assert abs(value(q, arb(-1))) < arb(10) ** -40


@given(st.lists(fractions, min_size=1, max_size=9))
def test_integrals_differentiate_to_what_they_came_from(series: list[Fraction]) -> None:
    """The derivative of an integral is the series, in exact arithmetic."""
    assert differentiated(integral(series))[: len(series)] == series


@given(st.lists(fractions, min_size=6, max_size=6))
def test_values_at_the_nodes_determine_a_series(series: list[Fraction]) -> None:
    """Coefficients, values and coefficients again: the same to the working precision."""
    with BALL.working(50):
        nodes, wanted = grid(6, 50), [ball(c) for c in series]
        values = nodes.interpolated([wanted])
        assert all(abs(row[0] - value(wanted, x)) < arb(10) ** -45 for row, x in zip(values, nodes.nodes, strict=True))
        (found,) = nodes.coefficients(values)
        assert all(abs(a - b) < arb(10) ** -45 for a, b in zip(found, wanted, strict=True))


def test_the_matrix_of_sums_is_that_of_the_series() -> None:
    """In float64, for a step of the size of the distance of nodes: rounding times the condition, below 1e-10."""
    with BALL.working(40):
        nodes, step = grid(12, 40), 0.05
        p = [arb(1) / (1 + j) for j in range(12)]
        wanted = nodes.interpolated([antidifference(p, arb(step), 40)])
        values = np.array([float(row[0]) for row in nodes.interpolated([p])])
    assert np.allclose(antidifference_matrix(12, step) @ values, [float(row[0]) for row in wanted], atol=1e-10)


@pytest.mark.parametrize("size", [40, 150, 200])
def test_inverses_by_halves_are_inverses(size: int) -> None:
    """For matrices near one, condition about 10."""
    matrix = np.eye(size) + np.random.default_rng(size).normal(size=(size, size)) / (4 * np.sqrt(size))
    found = inverted(matrix)
    assert found is not None
    assert np.allclose(found @ matrix, np.eye(size), atol=1e-12)


# Paths.


def test_leaps_end_where_stepping_ends() -> None:
    """15865 steps take 64 features to a loss of 1/100, and the balls meet those of stepping."""
    run = Run(ONE, until=loss_at_most("1/100"), dps=20)
    found = flow(rare(64), run)
    assert found.path.leaps > 0
    assert found.trajectory.step == 15865
    assert found.trajectory.guarantee is Guarantee.SUPPORTED
    assert found.trajectory.digits is not None and found.trajectory.digits >= 20
    assert meets(found, iterate(rare(64), run))


@pytest.mark.slow
def test_leaps_end_where_stepping_ends_after_more_steps() -> None:
    """The same for 256 features."""
    run = Run(ONE, until=loss_at_most("1/100"), dps=25)
    found = flow(rare(256), run)
    assert found.path.leaps > found.path.walked / 1000
    assert meets(found, iterate(rare(256), run))


@pytest.mark.parametrize("eta", [ONE, sp.Rational(1, 3), sp.Integer(50)])
def test_leaps_take_the_steps_of_any_size(eta: sp.Rational) -> None:
    """Also where the first steps are long: what is too rough for leaps is stepped."""
    run = Run(eta, steps=4000, dps=15)
    assert meets(flow(rare(8), run), iterate(rare(8), run))


def test_leaps_agree_with_certified_ones_of_any_length() -> None:
    """One coordinate has an independent method, and certified balls: 10**30 steps."""
    recurrence, run = reduce_system(balanced(N=sp.oo, K=64)), Run(ONE, steps=10**30, dps=15)
    assert meets(flow(recurrence, run), leap(recurrence, run).trajectory)


def test_finite_prompts_slave_a_coordinate_to_the_other() -> None:
    """With 6 tokens B1 - B comes to rest while A - B grows like log(n) / 2: stiff, and no obstacle to long leaps."""
    recurrence = rare(8, sp.Integer(6))
    paths = [follow(recurrence, Run(ONE, steps=steps), 8, 20) for steps in (10**8, 10**14)]
    (before, first), (after, last) = (path.point for path in paths)
    assert abs(after - before) < arb(10) ** -6
    growth = (last - first) / (arb(10**6).log() / 2)
    assert abs(growth - 1) < arb("0.02")
    assert all(path.leaps < 120 and path.walked < 10**4 for path in paths)


def test_leaps_are_few() -> None:
    """Their number grows with log K: ten thousand times as many features take a few dozen more."""
    counts = [
        follow(rare(features), Run(ONE, until=loss_at_most("1/100")), 8, 20).leaps for features in (10**6, 10**10)
    ]
    assert counts[0] < counts[1] < counts[0] + 60


@pytest.mark.slow
def test_ten_to_the_forty_steps() -> None:
    """K = 10**20: the time over K**2 tends to 1/(1 - p1) = 2 like 2 + 2 sqrt(2/K), found to the step and 30 digits."""
    found = flow(rare(10**20), Run(ONE, until=loss_at_most("1/100"), dps=30))
    done = found.trajectory
    assert done.digits is not None and done.digits >= 30
    assert abs(Fraction(done.step, 10**40) - 2 - Fraction(28284271, 10**17)) < Fraction(1, 10**16)
    assert found.path.leaps < 400


def test_no_steps_at_all() -> None:
    """A run of no steps ends at the start."""
    assert flow(rare(8), Run(ONE, steps=0, dps=15)).trajectory.states == (0, 0, 0)


# What is refused.


def test_oscillations_that_grow_are_refused() -> None:
    """At eta = 1000 and a finite prompt the steps overshoot: a smooth path exists that the steps do not take."""
    with pytest.raises(BudgetError, match="overshoot"):
        flow(rare(8, sp.Integer(6)), Run(sp.Integer(1000), steps=10**6, dps=10))


def test_too_few_digits_are_refused_by_number() -> None:
    """The step out of 10**20 and the digits lost on the way need more precision than the ceiling."""
    run = Run(ONE, until=loss_at_most("1/100"), dps=20, max_dps=24)
    with pytest.raises(BudgetError, match="0 digits, not on 20"):
        flow(rare(10**10), run)


def test_time_is_a_budget() -> None:
    """What is asked for in no time is refused, and the step reached is named."""
    with pytest.raises(BudgetError, match=r"time is up.*step 0"):
        flow(rare(10**6), Run(ONE, steps=10**12, dps=20, timeout=1e-9))


def test_a_later_start_of_the_search_is_refused() -> None:
    """Leaps look for the first step of all."""
    with pytest.raises(InputError, match="first step"):
        flow(rare(8), Run(ONE, until=loss_at_most("1/100"), dps=10, not_before=3))


def test_trace_says_what_a_leap_is_worth() -> None:
    """Method, guarantee and digits are in the JSON."""
    words = ["trace", "huang2024.underrepresented", "--set", "K=64", "--set", "p1=1/2", "--set", "N=inf", "--eta", "1"]
    result = CliRunner().invoke(cli, [*words, "--until", "loss<=1/100", "--dps", "15", "--method", "leap", "--json"])
    payload = json.loads(result.stdout)
    assert (payload["steps"], payload["method"], payload["guarantee"]) == (15865, "leap", "supported")
    assert payload["digits"] == 15


@pytest.mark.slow
def test_a_trial_point_without_a_value_is_no_failure() -> None:
    """Newton's method may look where a mean over long prompts is too wide to use; a shorter way is taken then."""
    recurrence = reduce_system(underrepresented(K=10, N=10_000, p1="1/2"))
    run = Run(ONE, steps=3, dps=15)
    leapt, stepped = flow(recurrence, run).trajectory, iterate(recurrence, run, "ball")
    for one, other in zip(leapt.states, stepped.states, strict=True):
        assert abs(one - other) < arb(10) ** -15 * abs(other)
