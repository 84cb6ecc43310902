"""The equations of a leap, fast: sums by matrices, series in powers, Neumann's series, and errors that do no harm.

Properties: every short cut gives what it stands for, to the digits it is used at; a path with an allowance ends where
the one without does, as near as the allowance says, and takes fewer leaps.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from symicl import ARITHMETICS, LOSS, Run, load_system, parse_condition, reduce_system
from symicl.chebyshev import LOST, antidifference, grid, in_powers, summation, value
from symicl.collocation import Collocation, Rule, Slopes
from symicl.paths import Allowance, follow

BALL = ARITHMETICS["ball"]
ONE = sp.Integer(1)
fractions = st.fractions(min_value=-4, max_value=4, max_denominator=50)
rare = load_system("huang2024.underrepresented")


def ball(number: Fraction) -> arb:
    return arb(fmpq(number.numerator, number.denominator))


@given(st.integers(2, 14), st.integers(24, 60), st.data())
def test_sums_by_matrices_are_sums(order: int, exponent: int, data: st.DataObject) -> None:
    """Even orders and odd ones, steps from 10**-24 down: the series summed up, at the nodes."""
    series = [data.draw(st.lists(fractions, min_size=order, max_size=order)) for _ in range(2)]
    with BALL.working(60):
        nodes, step = grid(order, 60), arb(10) ** -exponent
        columns = [[ball(c) for c in column] for column in series]
        summed = summation(nodes, step)
        assert summed is not None
        found = summed(nodes.interpolated(columns))
        known = nodes.interpolated([antidifference(column, step, 60) for column in columns])
        for row, other in zip(found, known, strict=True):
            assert all(abs(x * step - y) < arb(10) ** -50 for x, y in zip(row, other, strict=True))


def test_where_many_terms_count_there_is_no_matrix() -> None:
    with BALL.working(40):
        assert summation(grid(30, 40), arb(1) / 100) is None


@given(st.lists(fractions, min_size=2, max_size=40), st.fractions(-1, 1, max_denominator=1000))
def test_series_in_powers_have_the_same_values(series: list[Fraction], place: Fraction) -> None:
    """At as many digits more as coefficients lose."""
    with BALL.working(40 + math.ceil(LOST * len(series))):
        columns, x = [ball(c) for c in series], ball(place)
        assert abs(in_powers(columns)(x) - value(columns, x)) < arb(10) ** -36


def equations(stiffness: float, order: int = 12) -> tuple[Collocation, Slopes]:
    """The linear equations of two coordinates that each decay, one with ``stiffness``, and mix a little."""
    rule = Rule(lambda *point: point, 40, arb(10) ** -30)
    entries = np.zeros((order, 2, 2))
    entries[:] = [[-stiffness, 0.5], [0.25, -1.0]]
    start = (arb(1), arb(1))
    return Collocation(rule, grid(order, 40), start, arb(10) ** 20), Slopes(order, start, entries)


def test_neumanns_series_is_the_solution() -> None:
    """As that by the inverse, to rounding: the condition is below 100."""
    with BALL.working(40):
        system, slopes = equations(1.5)
        right = np.random.default_rng(1).normal(size=(12, 2))
        found, inverse = system._summed_up(right, slopes), system._inverse(slopes)
    assert found is not None and inverse is not None
    assert np.allclose(found, (inverse @ right.T.reshape(-1)).reshape(2, 12).T, atol=1e-12)


@pytest.mark.parametrize("stiffness", [1e3, 1e30, math.nan])
def test_stiff_equations_are_left_to_the_inverse(stiffness: float) -> None:
    with BALL.working(40):
        system, slopes = equations(stiffness)
        assert system._summed_up(np.ones((12, 2)), slopes) is None


def test_an_allowance_saves_leaps_and_does_no_harm() -> None:
    """Errors of 10**-20 steps and of 10**-20 of a coordinate: the end agrees to 19 digits with a path without them."""
    recurrence = reduce_system(rare(K=10**6, N="inf", p1="1/2"))
    run = Run(ONE, steps=10**12, dps=20)
    exact, loose = (
        follow(recurrence, run, 40, 50, None, allowance)
        for allowance in (Allowance(-math.inf, -math.inf), Allowance(-20.0, -20.0))
    )
    assert loose.leaps < exact.leaps
    with BALL.working(40):
        assert all(abs(a - b) < arb(10) ** -19 * abs(b) for a, b in zip(loose.point, exact.point, strict=True))


def test_the_step_of_a_target_is_found_with_an_allowance() -> None:
    """A shift of the time by a thousandth of a step moves no first step that is not that near the target anyway."""
    recurrence = reduce_system(rare(K=10**4, N="inf", p1="1/2"))
    run = Run(ONE, until=parse_condition("loss <= 1/100", {"loss": LOSS}), dps=8)
    exact = follow(recurrence, run, 20, 30)
    loose = follow(recurrence, run, 20, 30, exact, Allowance(-3.0, -12.0))
    assert exact.end == loose.end
