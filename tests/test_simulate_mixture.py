"""Linear attention on sampled prompts of a Gaussian mixture: two classes and more, against the model."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mixture_data import SKEW, TWO, UNIT, mixtures, plane, simulated

from symicl import Run, iterate, process_of
from symicl.simulate import gaussian_mixture as oracle
from symicl.systems.gaussian_mixture import MixtureData, on_data


@given(mixtures(), st.integers(2, 3))
def test_posterior_is_what_the_layer_says_at_infinite_prompts(data: MixtureData, classes: int) -> None:
    """At W = c Lambda^-1 the softmax over c logits is the posterior, query by query, for means of equal norm."""
    if classes == 3 and data.dimension == 1:
        return  # three different means of one norm need two dimensions
    base = simulated(data)
    means = base.means if classes == 2 else np.concatenate([base.means, -base.means[:, :1]], axis=1)
    mixture = oracle.Mixture(base.covariance, means, base.weights)
    batch = oracle.draw(mixture, None, 50, np.random.default_rng(0))
    W = classes * np.linalg.inv(base.covariance)
    assert np.allclose(oracle.predict(W, batch), oracle.posterior(mixture, batch), atol=1e-9)
    other = oracle.predict(1.5 * W, batch)
    assert not np.allclose(other, oracle.posterior(mixture, batch), atol=1e-9)


def test_three_classes_train_towards_three_times_the_precision() -> None:
    """Descent on sampled infinite prompts of three classes approaches W = 3 Lambda^-1."""
    angles = 2 * np.pi * np.arange(3) / 3
    turns = [np.stack([np.cos(angles + t), np.sin(angles + t)], axis=1) * 1.5 for t in (0.0, 0.5)]
    mixture = oracle.Mixture(np.eye(2), np.array(turns), np.array([0.5, 0.5]))
    rows = oracle.descent(mixture, None, np.zeros((2, 2)), 4.0, prompts=4000, seed=1)
    last = next(row for row in rows if row.step == 60)
    assert np.abs(last.W - 3 * np.eye(2)).max() < 0.35
    assert last.loss < np.log(3) and last.standard_error > 0


def test_statistic_has_the_covariance_of_the_model() -> None:
    """``p = 2 (P_+ - P_-)`` has mean delta and covariance ``(m m' + 4 Lambda) / N``, five standard errors."""
    data = plane(5, UNIT, SKEW[:1])
    batch = oracle.draw(simulated(data), 5, 40_000, np.random.default_rng(2))
    p = 2 * (batch.sums[:, 0] - batch.sums[:, 1])
    total = np.array([1.0, 1.0])
    cov = (np.outer(total, total) + 4 * np.eye(2)) / 5
    assert np.abs(p.mean(axis=0) - [1, -1]).max() < 5 * (cov.max() / 40_000) ** 0.5
    assert np.abs(np.cov(p.T) - cov).max() < 5 * 2 * cov.max() / 40_000**0.5


def test_traced_and_simulated_training_agree() -> None:
    """Ten steps at N = 8 in two dimensions: the float64 trace against fresh prompts each step."""
    data = plane(8)
    system = on_data(data, id="plane", title="plane")
    traced = iterate(process_of(system), Run(eta=TWO, steps=10), "float64")
    rows = oracle.descent(simulated(data), 8, np.zeros((2, 2)), 2.0, prompts=20_000, seed=4)
    last = next(row for row in rows if row.step == 10)
    # Ten steps of size 2 with a standard error of about 0.007 each.
    assert np.abs(last.W.ravel() - np.array(traced.states)).max() < 0.08
    assert abs(last.loss - traced.loss) < 5 * last.standard_error
