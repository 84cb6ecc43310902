"""The integrals of a Gaussian mixture, its minimiser and the expansion in 1/N, against other quadratures.

Tolerances: balls have to overlap; float64 quadrature agrees to 1e-9, where the grid's own error ends; sampled means
agree within five or six standard errors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from flint import arb
from hypothesis import given
from hypothesis import strategies as st
from mixture_data import ONE, SKEW, TWO, UNIT, line, mixtures, plane, simulated

from symicl.arithmetic import ARITHMETICS
from symicl.errors import BudgetError
from symicl.mixture.expansion import expand
from symicl.mixture.floats import float_minimiser, float_values
from symicl.mixture.logistic import derivative_polynomial, logistic_means, moment
from symicl.mixture.minimiser import minimiser
from symicl.mixture.symmetry import pattern
from symicl.mixture.values import values
from symicl.simulate import gaussian_mixture as oracle
from symicl.systems.gaussian_mixture import MixtureData, checked

BALL = ARITHMETICS["ball"]
FLOAT = ARITHMETICS["float64"]


@given(order=st.integers(0, 4), power=st.integers(0, 4), distance=st.fractions("1/4", 9, max_denominator=4))
def test_two_quadratures_agree(order: int, power: int, distance: object) -> None:
    """Moments by ``acb.integral`` and by the trapezoidal rule overlap; their balls are small."""
    squared = sp.Rational(str(distance))
    found = moment(order, power, squared, 25)
    assert found.rad() < 1e-20
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    s = float(squared) / 2 + float(squared) ** 0.5 * nodes
    sigma = 1 / (1 + np.exp(-s))
    rough = (weights * np.polynomial.polynomial.polyval(sigma, derivative_polynomial(order)) * s**power).sum()
    assert abs(float(found) - rough / np.sqrt(2 * np.pi)) < 1e-5 * (1 + abs(float(found)))
    if power == 0 and order <= 3:
        with BALL.working(30):
            size = BALL.number(squared)
            means = logistic_means(size / 2, size.sqrt(), BALL, 25)
        assert found.overlaps((means.sigma, means.first, means.second, means.third)[order])


def test_the_trapezoidal_error_is_bounded_and_the_bound_is_used() -> None:
    """At few digits the ball is wide and holds the value; the arithmetics agree."""
    with BALL.working(40):
        exact = logistic_means(arb(1), arb(3), BALL, 35)
        rough = logistic_means(arb(1), arb(3), BALL, 6)
        assert exact.sigma.rad() < 1e-30 < rough.sigma.rad()
        assert rough.sigma.contains(exact.sigma) and rough.softplus.contains(exact.softplus)
        assert rough.third.overlaps(exact.third)
    mp = ARITHMETICS["mp"]
    with mp.working(30):
        other = logistic_means(mp.number(1), mp.number(3), mp, 30)
        assert abs(float(other.sigma) - float(exact.sigma)) < 1e-15
    assert abs(logistic_means(1.0, 3.0, FLOAT, 15).softplus - float(exact.softplus)) < 1e-13


@given(mixtures(), st.lists(st.fractions(-1, 1, max_denominator=3), min_size=9, max_size=9))
def test_values_are_means_of_the_layer(data: MixtureData, entries: list[object]) -> None:
    """Loss and gradient at any W agree with sampled prompts, and the gradient with the slope of the loss."""
    d = data.dimension
    W = np.array([float(x) for x in entries[: d * d]]).reshape(d, d)  # type: ignore[arg-type]
    batch = oracle.draw(
        simulated(data), None if data.length is sp.oo else int(data.length), 4000, np.random.default_rng(1)
    )
    found = float_values(data, W)
    loss, slopes = oracle.losses(W, batch), oracle.gradients(W, batch)
    assert abs(loss.mean() - found.loss) <= 6 * loss.std() / 4000**0.5 + 1e-6
    error = slopes.std(axis=0) / 4000**0.5
    assert (abs(slopes.mean(axis=0) - found.gradient) <= 6.5 * error + 1e-6).all()
    assert np.linalg.eigvalsh(found.hessian).min() > -1e-9
    if data.length is sp.oo:
        with BALL.working(20):
            balls = values(data, [[arb(float(x)) for x in row] for row in W], BALL, 15, second=True)
        assert abs(float(balls.loss) - found.loss) < 1e-9
        assert balls.hessian is not None
        assert np.allclose([[float(x) for x in row] for row in balls.gradient], found.gradient, atol=1e-9)
        assert np.allclose([[float(x) for x in row] for row in balls.hessian], found.hessian, atol=1e-9)


def test_three_dimensions_and_no_more_in_float64() -> None:
    """Axes in three dimensions at N = 4 against sampled prompts; in four there is no grid, and an error says so."""
    rows = tuple(tuple(sp.Integer(int(i == j)) for j in range(4)) for i in range(4))

    def axes(d: int) -> MixtureData:
        own = tuple(row[:d] for row in rows[:d])
        return MixtureData(own, ((own[0], tuple(-x for x in own[0])),), (ONE,), sp.Integer(4))

    W = np.diag([1.0, 0.5, -0.5])
    loss = oracle.losses(W, oracle.draw(simulated(axes(3)), 4, 20_000, np.random.default_rng(0)))
    assert abs(loss.mean() - float_values(axes(3), W).loss) < 5 * loss.std() / 20_000**0.5
    with pytest.raises(BudgetError, match="no grid in 4 dimensions"):
        float_values(axes(4), np.eye(4))


def test_hessian_is_the_slope_of_the_gradient() -> None:
    """Finite differences in float64, at finite and at infinite prompts: truncation 1e-8, cancellation 1e-10."""
    for data in (plane(), plane(9, UNIT, SKEW, "gaussian")):
        W, size = np.array([[0.7, -0.3], [0.2, 1.1]]), 1e-5
        found = float_values(data, W).hessian
        for i in range(4):
            step = np.zeros(4)
            step[i] = size
            ahead, behind = (float_values(data, W + sign * step.reshape(2, 2)).gradient for sign in (1, -1))
            assert np.allclose((ahead - behind).ravel() / (2 * size), found[i], atol=1e-8)


def test_published_values_in_one_dimension() -> None:
    """W* at N = 160 and 1280 to the digits of float64 quadrature, and N (W*/2 - 1) tending to 0.0823."""
    first, second = (float(x[0][0]) for x in (expand(line()).first, expand(line()).second))
    for length, known in ((160, 2.0009679668628566), (1280, 2.0001277088024363)):
        found = minimiser(line(length), 25).weights[0][0]
        assert found.rad() < 1e-22 and abs(float(found) - known) < 1e-14
        # The next term is about -3.9/N^3.
        assert abs(float(found) / 2 - 1 - first / length - second / length**2) < 5 / length**3
    assert abs(first - 0.0823) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("length", [10, 40, 100, 1000, 10_000])
def test_thirty_digits_by_newton(length: int) -> None:
    """The certified W* has 30 digits, agrees with float64, and approaches the expansion like N^-3."""
    found = minimiser(line(length), 30).weights[0][0]
    assert found.rad() < arb(10) ** -29
    assert abs(float(found) - float_minimiser(line(length), np.array([[2.0]]))[0, 0]) < 1e-10
    expansion = expand(line(), 30)
    gap = found / 2 - 1 - expansion.first[0][0] / length - expansion.second[0][0] / length**2
    assert abs(gap) * length**3 < 6


@pytest.mark.parametrize(("covariance", "tasks"), [(None, None), (UNIT, SKEW)])
def test_expansion_in_two_dimensions(covariance: object, tasks: object) -> None:
    """W* from float64 Newton at N = 400 and 1600: what is left after two orders falls like N^-3."""
    data = plane(covariance=covariance, tasks=tasks, labels="gaussian")
    expansion = expand(data)
    first, second = (np.array([[float(x) for x in row] for row in m]) for m in (expansion.first, expansion.second))
    precision = np.array(data.precision.tolist(), dtype=float)
    left = []
    for length in (400, 1600):
        found = float_minimiser(replace(data, length=sp.Integer(length)), 2 * precision)
        left.append(np.abs(found / 2 - precision - first / length - second / length**2).max() * length**2)
    assert left[1] < left[0] / 3.2 and left[0] < np.abs(second).max() / 5


def test_labels_matter_from_the_third_order_on() -> None:
    """Binomial counts and a Gaussian p differ where the means do not sum to zero, by N^-3, and only there."""
    gaps = []
    for length in (10, 40):
        pair = [float_values(plane(length, UNIT, SKEW, labels), np.eye(2)).loss for labels in ("binomial", "gaussian")]
        gaps.append(abs(pair[0] - pair[1]))
    assert gaps[0] > 1e-8 and 30 < gaps[0] / gaps[1] < 130
    same = [float_values(plane(20, labels=labels), np.eye(2)).loss for labels in ("binomial", "gaussian")]
    assert abs(same[0] - same[1]) < 1e-13


@pytest.mark.parametrize("d", [1, 2, 3])
def test_isotropic_closed_form(d: int) -> None:
    """Lambda = 1 and means along the axes: W1 = v 1 with v in closed form, d and D entering as below.

    ``v = -2 E[(sigma'' s/2 + sigma') X] / E[sigma' s^2]``, ``X = 4 (d - 1) + 4 s^2 / D^2``, for means +-a e_i.
    """
    a = sp.Rational(3, 2)
    rows = tuple(tuple(sp.Integer(int(i == j)) for j in range(d)) for i in range(d))
    tasks = tuple((tuple(a * x for x in row), tuple(-a * x for x in row)) for row in rows)
    data = checked(MixtureData(rows, tasks, (sp.Rational(1, d),) * d, sp.oo), "axes")
    squared = 4 * a**2
    with BALL.working(30):

        def J(order: int, power: int) -> arb:
            return moment(order, power, squared, 30)

        ratio = BALL.number(4 / squared)
        top = 4 * (d - 1) * (J(2, 1) / 2 + J(1, 0)) + ratio * (J(2, 3) / 2 + J(1, 2))
        scalar = -2 * top / J(1, 2)
        found = expand(data).first
        for i in range(d):
            for j in range(d):
                assert found[i][j].overlaps(scalar / 2) if i == j else found[i][j] == 0
    assert pattern(data).scalars == 1 and pattern(data).entries[0][0] == 1


def test_symmetries_are_found_and_kept() -> None:
    """The pattern is that of the exact gradient at random symmetric points; fewer symmetries leave more scalars."""
    assert pattern(plane(covariance=UNIT)).rows() == (("w1", "0"), ("0", "w1"))
    assert pattern(plane()).scalars == 4
    block = plane(covariance=((TWO, sp.S.Zero), (sp.S.Zero, ONE)))
    assert pattern(block).rows() == (("w1", "0"), ("0", "w2"))
    for data in (plane(covariance=UNIT), block):
        entries = np.array(pattern(data).entries)
        W = np.where(entries > 0, np.array([0.0, 0.4, 0.9])[np.abs(entries)], 0.0)
        slope = float_values(replace(data, length=sp.Integer(6)), W).gradient
        for number in range(3):
            assert np.ptp(slope[entries == number]) < 1e-12 if (entries == number).any() else True
        assert np.abs(slope[entries == 0]).max() < 1e-12
