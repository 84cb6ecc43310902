"""The layer trained on functions that are drawn, one a prompt, on tokens that may miss their feature by a little.

Where `attention` knows a task by its second moments (a Gaussian with the same), here a function comes from a family, is
evaluated at every token and at the query, and only then does the layer see a prompt. Sampled steps on functions agree
with the exact population in the mean, whatever the functions look like: that is what the comparison tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import sympy as sp

from symicl.errors import InputError
from symicl.simulate.arrays import Array
from symicl.simulate.attention import (
    Experiment,
    Prompts,
    Row,
    SampledStep,
    _descend,
    _integer,
    _sample_size,
    _step_size,
    layer_gradient,
)
from symicl.systems.structured_features import PromptData

_BLOCK = 1 << 20
"""Floats in the largest array of one block of prompts; random draws depend on it, so it is fixed."""


class Functions(Protocol):
    """A law of functions on R^d."""

    def draw(self, count: int, rng: np.random.Generator) -> Drawn:
        """That many independent functions."""
        ...


class Drawn(Protocol):
    """Functions f_1..f_B side by side."""

    def __call__(self, points: Array) -> Array:
        """The values of function b at its own points: (B, n, d) to (B, n)."""
        ...


def experiment_of(data: PromptData) -> Experiment:
    """The experiment with the law, the prompt length and the matrices of a system's data, in float64."""
    size = len(data.probabilities)
    gram = None if data.gram is None else _floats(data.gram)
    # An experiment without a kernel has linear tasks; data without one have the identity.
    kernel = _floats(data.kernel) if data.kernel is not None else None if gram is None else np.eye(size)
    return Experiment(
        np.array([float(p) for p in data.probabilities]), data.prompt_length, gram, kernel, query=data.query
    )


def _floats(rows: tuple[tuple[sp.Expr, ...], ...]) -> Array:
    return np.array([[float(entry) for entry in row] for row in rows])


def function_step(
    experiment: Experiment,
    functions: Functions,
    places: Array,
    Q: Array,
    eta: float,
    prompts: int,
    rng: np.random.Generator,
    *,
    noise: float = 0.0,
) -> SampledStep:
    """One step on ``prompts`` fresh prompts of drawn functions: tokens ``v_m + xi``, their labels ``f(v_m + xi)``.

    ``places`` (K, d) are the features as vectors, with the experiment's Gram matrix; the experiment's kernel is not
    used. Every token and the query have a noise xi of their own, uniform on the ball of radius ``noise``. At N =
    infinity, where a prompt holds every point of the ball, there is no noise to draw. Raises InputError for places that
    do not have the Gram matrix, a noise below 0, or as ``sampled_step`` does.
    """
    eta, prompts = _step_size(eta), _sample_size(experiment, prompts)
    _check_places(experiment, places, noise)
    p, length = experiment.probabilities, experiment.prompt_length
    share = 1.0 if experiment.query is None else float(p[experiment.query])
    block = max(1, _BLOCK // ((length or len(p)) * places.shape[1]))
    losses = np.empty(prompts)
    total, squares = np.zeros_like(Q), np.zeros((len(p), len(p)))
    for first in range(0, prompts, block):
        batch = draw_prompts(experiment, functions, places, min(block, prompts - first), rng, noise=noise)
        losses[first : first + block], left = layer_gradient(Q, batch)
        total += left.T @ batch.query
        squares += ((left @ places.T) ** 2).T @ ((batch.query @ places.T) ** 2)
    mean = total / prompts
    variance = np.maximum(squares - prompts * (places @ mean @ places.T) ** 2, 0.0) / (prompts - 1)
    return SampledStep(
        _descend(Q, share * mean, eta),
        float(losses.mean()),
        float(losses.std(ddof=1)) / math.sqrt(prompts),
        share * np.sqrt(variance / prompts),
    )


def _check_places(experiment: Experiment, places: Array, noise: float) -> None:
    gram = np.eye(len(experiment.probabilities)) if experiment.gram is None else experiment.gram
    if places.ndim != 2 or len(places) != len(gram) or not np.allclose(places @ places.T, gram, rtol=0, atol=1e-9):
        raise InputError(
            "the places of the features do not have the experiment's Gram matrix",
            where="places",
            remedy="give the vectors v_m as rows, with places @ places.T the Gram matrix",
        )
    if not (math.isfinite(noise) and noise >= 0):
        raise InputError(f"the noise is {noise!r}", where="noise", remedy="give a radius, 0 or more")
    if noise > 0 and experiment.prompt_length is None:
        raise InputError("there is no noise at infinite prompt length", where="noise", remedy="give a prompt length")


def draw_prompts(
    experiment: Experiment,
    functions: Functions,
    places: Array,
    number: int,
    rng: np.random.Generator,
    *,
    noise: float = 0.0,
) -> Prompts:
    """Draw ``number`` independent prompts, each with a query, a function and noise of its own."""
    p, length, size = experiment.probabilities, experiment.prompt_length, len(experiment.probabilities)
    k = np.full(number, experiment.query) if experiment.query is not None else rng.choice(size, size=number, p=p)
    query = places[k] + _ball(number, 1, places.shape[1], noise, rng)[:, 0]
    f = functions.draw(number, rng)
    target = f(query[:, None, :])
    if length is None:
        everywhere = np.broadcast_to(places, (number, *places.shape))
        return Prompts(places[None], f(everywhere)[:, :, None], query, target, p[None, :])
    tokens = places[rng.choice(size, size=(number, length), p=p)]
    tokens = tokens + _ball(number, length, places.shape[1], noise, rng)
    return Prompts(tokens, f(tokens)[:, :, None], query, target)


def _ball(number: int, tokens: int, dimension: int, radius: float, rng: np.random.Generator) -> Array:
    """Points uniform on the ball of a radius; zeros, without a draw, for radius 0."""
    if radius == 0:
        return np.zeros((number, tokens, dimension))
    direction = rng.standard_normal((number, tokens, dimension))
    length = radius * rng.random((number, tokens, 1)) ** (1 / dimension)
    points: Array = length * direction / np.linalg.norm(direction, axis=2, keepdims=True)
    return points


def function_rows(
    experiment: Experiment,
    functions: Functions,
    places: Array,
    eta: float,
    prompts: int,
    *,
    seed: int = 0,
    noise: float = 0.0,
) -> Iterator[Row]:
    """Rows for n = 0, 1, 2, ... without end from Q = 0 in R^{d x d}, each step on fresh drawn functions."""
    rng = np.random.default_rng(_integer(seed, "seed", least=0))
    Q, n = np.zeros((places.shape[1],) * 2), 0
    variance = np.zeros((len(places), len(places)))
    while True:
        step = function_step(experiment, functions, places, Q, eta, prompts, rng, noise=noise)
        yield Row(n, places @ Q @ places.T, step.loss, step.loss_standard_error, eta * np.sqrt(variance))
        # The scores move by the gradient read through the features.
        variance = variance + step.gradient_standard_error**2
        Q, n = step.Q, n + 1


def noise_bound(
    lipschitz: float, largest: float, longest: float, noise: float, Q: Array, worst_error: float | None = None
) -> float:
    """How far noise of radius ``noise`` can move the loss of any one prompt at Q, for functions of a Lipschitz class.

    ``lipschitz`` bounds the slope of f, ``largest`` |f|, ``longest`` the length of a feature. A score moves by at most
    ``d = |Q| (2 longest noise + noise^2)``; scores within d move a softmax by at most ``tanh(d/2)`` in total variation
    (the log-odds of any set of tokens move by at most 2d); labels and target move by at most ``L noise`` each. The
    error moves by at most ``c = 2 L noise + 2 largest tanh(d/2)`` then, and the loss by ``c |error| + c^2/2``, the
    error being at most ``worst_error`` (``2 largest`` where it is None). Derived here; float64.
    """
    d = float(np.linalg.norm(Q, 2)) * (2 * longest * noise + noise * noise)
    c = 2 * lipschitz * noise + 2 * largest * math.tanh(d / 2)
    return c * (2 * largest if worst_error is None else worst_error) + c * c / 2
