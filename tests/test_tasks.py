"""Families of tasks: second moments are exact, functions have them, and the layer trained on functions agrees."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl import InputError, Run, exact, iterate, reduce_system
from symicl.simulate import Experiment, Prompts, layer, simulate
from symicl.simulate.tasks import draw_prompts, experiment_of, function_rows, function_step, noise_bound
from symicl.systems.matrices import Rows, negative_eigenvalue
from symicl.systems.tasks import (
    Ensemble,
    GaussianProcess,
    PiecewiseLinear,
    RandomFourier,
    TaskFamily,
    exact_rows,
    extended,
    gram_of,
    squared_exponential,
    system_of_family,
    two_valued,
)

R = sp.Rational
PLACES = exact_rows([[1, 0], ["1/2", "1/2"], [0, 1]])
UNIT = exact_rows([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
HALF = (R(1, 2), R(1, 2))
FAMILIES: dict[str, TaskFamily] = {
    "piecewise linear": PiecewiseLinear(PLACES, exact_rows([[1, "1/3"], ["1/2", -1]]), (R(1, 3), R(2, 3)), sp.S(2)),
    "random Fourier": RandomFourier(UNIT, exact_rows([["1/3", "1/2", 0], [1, "1/3", "2/3"]]), HALF),
    "Gaussian process": GaussianProcess(UNIT, exact_rows([[2, 1, 0], [1, 1, "1/2"], [0, "1/2", 1]])),
    "squared exponential": squared_exponential(PLACES, 2, 1),
    "two values": two_valued(UNIT, [0, 1], 3),
    "ensemble": Ensemble(PLACES, exact_rows([[1, 2, 3], [0, -1, 1]]), (R(1, 4), R(3, 4))),
}
NAMES = pytest.mark.parametrize("name", FAMILIES)


def floats(rows: Rows) -> np.ndarray:
    return np.array([[float(entry) for entry in row] for row in rows])


@NAMES
def test_drawn_functions_have_the_second_moments(name: str) -> None:
    """Each entry of the sampled moments lies within 5 standard errors of the exact one; 9 entries, a fixed seed."""
    family, count = FAMILIES[name], 40_000
    f = family.draw(count, np.random.default_rng(7))
    values = f(np.broadcast_to(floats(family.places), (count, *np.shape(family.places))))
    products = values[:, :, None] * values[:, None, :]
    error = products.std(axis=0) / math.sqrt(count)
    assert np.all(np.abs(products.mean(axis=0) - floats(family.kernel)) <= 5 * error + 1e-12)


@NAMES
def test_the_kernel_is_exact_and_semidefinite(name: str) -> None:
    kernel = FAMILIES[name].kernel
    assert not any(entry.has(sp.Float) for row in kernel for entry in row)
    assert negative_eigenvalue(kernel) is None


@NAMES
def test_every_family_trains(name: str) -> None:
    """Derived in balls against the simulator at second moments: five steps of size 1/2 keep all but a few digits."""
    system = system_of_family(FAMILIES[name], ["1/2", "1/4", "1/4"], 2)
    derived = iterate(reduce_system(system), Run(exact("1/2"), steps=5, dps=30), "ball")
    simulated = simulate(experiment_of(system.data), 0.5, 5)
    assert float(derived.loss) == pytest.approx(simulated.loss, rel=1e-12)


@NAMES
@pytest.mark.parametrize("length", [3, "inf"])
def test_the_layer_trained_on_functions_agrees_in_the_mean(name: str, length: object) -> None:
    """Tokens, labels and Q are actual; scores after three steps lie within 5 standard errors of the population's."""
    family = FAMILIES[name]
    experiment = experiment_of(system_of_family(family, ["1/2", "1/4", "1/4"], length).data)
    rows = function_rows(experiment, family, floats(family.places), 0.3, 8_000, seed=3)
    for _ in range(4):
        row = next(rows)
    population = simulate(experiment, 0.3, 3)
    assert row.scores_standard_error is not None and row.loss_standard_error is not None
    assert abs(row.loss - population.loss) <= 5 * row.loss_standard_error
    assert np.all(np.abs(row.scores - population.scores) <= 5 * row.scores_standard_error + 1e-14)


@pytest.mark.parametrize("name", ["piecewise linear", "random Fourier"])
@given(seed=st.integers(0, 2**32 - 1))
def test_waves_are_lipschitz(name: str, seed: int) -> None:
    """|f(x) - f(y)| <= L |x - y| for random points; rounding of f is below 1e-12 for values of order one."""
    family = FAMILIES[name]
    rng = np.random.default_rng(seed)
    points = rng.uniform(-2, 2, (4, 6, len(family.places[0])))
    values = family.draw(4, rng)(points)
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=3)
    bound = float(family.lipschitz) * apart  # type: ignore[attr-defined]
    assert np.all(np.abs(values[:, :, None] - values[:, None, :]) <= bound + 1e-12)


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_extensions_keep_the_values_and_the_slope(values: list[int], seed: int) -> None:
    """A function on the features is itself there, and nowhere steeper than between two of them."""
    places, f = floats(UNIT), np.array([values], dtype=float)
    assert extended(places, f)(places[None]) == pytest.approx(f, abs=1e-12)
    points = np.random.default_rng(seed).uniform(-2, 2, (1, 5, 3))
    found = extended(places, f)(points)
    slope = math.sqrt(float(Ensemble(UNIT, exact_rows([values]), (sp.S.One,)).lipschitz_squared))
    apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=3)
    assert np.all(np.abs(found[:, :, None] - found[:, None]) <= slope * apart + 1e-12)


def test_lipschitz_constants_of_ensembles_are_exact() -> None:
    assert two_valued(UNIT, [0], 3).lipschitz_squared == 18
    twins = Ensemble(exact_rows([[1], [1]]), exact_rows([[1, 2]]), (sp.S.One,))
    assert twins.lipschitz_squared is sp.oo


def test_two_values_have_rank_one() -> None:
    system = system_of_family(two_valued(UNIT, [0, 1], 3), ["1/3"] * 3, "inf")
    assert system.data.kernel == exact_rows([[9, 9, -9], [9, 9, -9], [-9, -9, 9]])
    assert system.data.classes == ("1", "1", "3")
    assert "features 0, 1 (from 0)" in system.warnings[0]


def test_a_triangle_wave_correlates_with_itself_as_its_integral_says() -> None:
    """M at phase t against a midpoint sum over the phase, whose error is below 1e-6 at 2000 points."""
    family = PiecewiseLinear(exact_rows([[0], ["3/10"]]), exact_rows([[1]]), (sp.S.One,))
    phases = (np.arange(2000) + 0.5) / 2000

    def wave(turn: np.ndarray) -> np.ndarray:
        turn = turn % 1
        return 0.25 - np.minimum(turn, 1 - turn)

    assert float(family.kernel[0][0]) == pytest.approx(np.mean(wave(phases) ** 2), abs=1e-6)
    assert float(family.kernel[0][1]) == pytest.approx(np.mean(wave(phases) * wave(phases + 0.3)), abs=1e-6)


@given(st.floats(0, 0.3), st.integers(0, 2**32 - 1))
def test_noise_moves_no_loss_by_more_than_the_bound(noise: float, seed: int) -> None:
    """One prompt with and without noise on its tokens, the same function: the bound holds prompt by prompt."""
    family, rng = FAMILIES["random Fourier"], np.random.default_rng(seed)
    places, Q = floats(family.places), rng.normal(size=(3, 3))
    drawn = rng.choice(3, size=(16, 5))
    tokens, query = places[drawn], places[rng.choice(3, size=16)]
    f = family.draw(16, rng)
    shift = rng.normal(size=(16, 6, 3))
    shift *= noise / np.linalg.norm(shift, axis=2, keepdims=True)

    def losses(tokens: np.ndarray, query: np.ndarray) -> np.ndarray:
        prompts = Prompts(tokens, f(tokens)[:, :, None], query, f(query[:, None]))
        return layer(Q, prompts).loss

    still, moved = losses(tokens, query), losses(tokens + shift[:, :5], query + shift[:, 5])
    lipschitz = float(family.lipschitz)  # type: ignore[attr-defined]
    largest = lipschitz / (math.pi * min(np.linalg.norm(floats(family.directions), axis=1)))  # type: ignore[attr-defined]
    assert np.all(np.abs(moved - still) <= noise_bound(lipschitz, largest, 1.0, noise, Q) + 1e-12)


def test_noisy_tokens_lie_in_the_ball_around_a_feature() -> None:
    family = FAMILIES["random Fourier"]
    experiment = Experiment(np.full(3, 1 / 3), 4)
    prompts = draw_prompts(experiment, family, floats(UNIT), 500, np.random.default_rng(1), noise=0.2)
    distance = np.linalg.norm(prompts.tokens[:, :, None] - floats(UNIT), axis=3).min(axis=2)
    assert distance.max() <= 0.2 + 1e-12
    assert distance.mean() > 0.1


class TestRefusals:
    """What is wrong with a family or its simulation is named."""

    def test_families(self) -> None:
        with pytest.raises(InputError, match="function 0 has 2 values for 3 features"):
            Ensemble(UNIT, exact_rows([[1, 2]]), (sp.S.One,))
        with pytest.raises(InputError, match="chances are no law"):
            Ensemble(UNIT, exact_rows([[1, 2, 3]]), (R(1, 2),))
        with pytest.raises(InputError, match="direction 0 is"):
            PiecewiseLinear(UNIT, exact_rows([[0, 0, 0]]), (sp.S.One,))
        with pytest.raises(InputError, match="no form in rationals and roots"):
            _ = RandomFourier(UNIT, exact_rows([["1/7", 0, 0]]), (sp.S.One,)).kernel
        with pytest.raises(InputError, match="least eigenvalue is -1"):
            GaussianProcess(PLACES, exact_rows([[0, 1, 0], [1, 0, 0], [0, 0, 1]]))
        with pytest.raises(InputError, match="2 probabilities for 3 features"):
            system_of_family(FAMILIES["two values"], ["1/2", "1/2"], 3)

    def test_simulations(self) -> None:
        family, rng = FAMILIES["two values"], np.random.default_rng(0)
        finite, infinite = Experiment(np.full(3, 1 / 3), 2), Experiment(np.full(3, 1 / 3))
        with pytest.raises(InputError, match="do not have the experiment's Gram matrix"):
            function_step(finite, family, 2 * floats(UNIT), np.zeros((3, 3)), 1.0, 10, rng)
        with pytest.raises(InputError, match="the noise is -1"):
            function_step(finite, family, floats(UNIT), np.zeros((3, 3)), 1.0, 10, rng, noise=-1)
        with pytest.raises(InputError, match="no noise at infinite prompt length"):
            function_step(infinite, family, floats(UNIT), np.zeros((3, 3)), 1.0, 10, rng, noise=0.1)


def test_gram_of_places_is_exact() -> None:
    assert gram_of(PLACES)[0][1] == R(1, 2)
