"""Linear attention with one trained matrix W on sampled prompts of a Gaussian mixture with c equally likely classes.

A prompt has N points with one-hot labels, drawn around means that are drawn for the prompt; its query has the same law.
For class a the layer adds up the points of that class, ``P_a = (1/N) sum over i with y_i = a of x_i``, and the logits
are ``P_a' W q``; the prediction is their softmax and the loss is the logarithmic one. With two classes the logits
differ by ``(P_+ - P_-)' W q = p' W q / 2``, p the statistic ``(2/N) sum y_i x_i``: the binary layer, read as one of two
classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from symicl.errors import InputError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

LARGEST_WEIGHT = 1e100
CHUNK = 2**22
"""About how many numbers of points are held at once."""


@dataclass(frozen=True)
class Mixture:
    """``covariance`` (d, d), ``means`` (tasks, c, d) and the probabilities ``weights`` (tasks,) of the tasks."""

    covariance: Array
    means: Array
    weights: Array

    def __post_init__(self) -> None:
        shape = np.shape(self.means)
        if len(shape) != 3 or shape[1] < 2 or np.shape(self.covariance) != (shape[2],) * 2:
            raise InputError(
                f"the means have shape {shape} and the covariance {np.shape(self.covariance)}",
                where="means",
                remedy="give (tasks, classes, d) and (d, d), with two classes or more",
            )
        if np.shape(self.weights) != shape[:1] or (self.weights <= 0).any() or abs(self.weights.sum() - 1) > 1e-9:
            raise InputError("no probabilities of the tasks", where="weights", remedy="positive, one a task, sum 1")
        try:
            np.linalg.cholesky(self.covariance)
        except np.linalg.LinAlgError:
            raise InputError("not positive definite", where="covariance", remedy="give a covariance matrix") from None

    @property
    def classes(self) -> int:
        return int(self.means.shape[1])

    @property
    def dimension(self) -> int:
        return int(self.means.shape[2])


@dataclass(frozen=True)
class Batch:
    """B prompts: ``sums`` (B, c, d) of the points of each class, over N; ``queries`` (B, d) and their ``labels`` (B,).

    ``tasks`` (B,) are the means behind them, which the layer does not see.
    """

    sums: Array
    queries: Array
    labels: Indices
    tasks: Indices


def draw(mixture: Mixture, length: int | None, count: int, rng: np.random.Generator) -> Batch:
    """``count`` prompts of ``length`` points, each point drawn; an infinite prompt (None) has ``P_a = mu_a / c``."""
    if count < 1 or (length is not None and length < 1):
        raise InputError(f"{count} prompts of {length} points", where="draw", remedy="give numbers >= 1")
    tasks = rng.choice(len(mixture.weights), size=count, p=mixture.weights)
    labels = rng.integers(mixture.classes, size=count)
    factor = np.linalg.cholesky(mixture.covariance)
    queries = mixture.means[tasks, labels] + rng.standard_normal((count, mixture.dimension)) @ factor.T
    if length is None:
        return Batch(mixture.means[tasks] / mixture.classes, queries, labels, tasks)
    sums = np.zeros((count, mixture.classes, mixture.dimension))
    rows = max(1, CHUNK // (length * mixture.dimension))
    for start in range(0, count, rows):
        part = slice(start, min(start + rows, count))
        own = tasks[part]
        kinds = rng.integers(mixture.classes, size=(len(own), length))
        points = mixture.means[own[:, None], kinds] + rng.standard_normal((*kinds.shape, mixture.dimension)) @ factor.T
        for a in range(mixture.classes):
            sums[part, a] = ((kinds == a)[:, :, None] * points).sum(axis=1) / length
    return Batch(sums, queries, labels, tasks)


def logits(weights: Array, batch: Batch) -> Array:
    """``P_a' W q``: (B, c)."""
    scores: Array = np.einsum("bcj,jk,bk->bc", batch.sums, weights, batch.queries, optimize=True)
    return scores


def predict(weights: Array, batch: Batch) -> Array:
    """The softmax of the logits: (B, c)."""
    return _softmax(logits(weights, batch))


def posterior(mixture: Mixture, batch: Batch) -> Array:
    """The true probabilities of the classes of each query, given its task, from the Gaussian densities: (B, c)."""
    off = batch.queries[:, None, :] - mixture.means[batch.tasks]
    solved = np.linalg.solve(mixture.covariance, off.reshape(-1, mixture.dimension).T).T.reshape(off.shape)
    return _softmax(-(off * solved).sum(axis=2) / 2)


def losses(weights: Array, batch: Batch) -> Array:
    """``-log`` of the probability given to the right class: (B,)."""
    scores = logits(weights, batch)
    largest = scores.max(axis=1)
    total = largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1))
    chosen: Array = total - scores[np.arange(len(scores)), batch.labels]
    return chosen


def gradients(weights: Array, batch: Batch) -> Array:
    """The gradient in W of each prompt's loss: (B, d, d)."""
    missed = predict(weights, batch)
    missed[np.arange(len(missed)), batch.labels] -= 1
    slopes: Array = np.einsum("bc,bcj,bk->bjk", missed, batch.sums, batch.queries, optimize=True)
    return slopes


@dataclass(frozen=True)
class Row:
    """Step ``step``: W (d, d) and the loss over the batch with its standard error."""

    step: int
    W: Array
    loss: float
    standard_error: float


def descent(
    mixture: Mixture, length: int | None, start: Array, eta: float, *, prompts: int, seed: int = 0
) -> Iterator[Row]:
    """Gradient descent on fresh prompts each step, without end, the start first.

    Raises ``InputError`` for a start of another shape, a step size that is not positive, and where W grows without
    bound.
    """
    weights = np.array(start, dtype=np.float64)
    if weights.shape != (mixture.dimension,) * 2:
        raise InputError(
            f"its shape is {weights.shape}", where="start", remedy=f"give {mixture.dimension} x {mixture.dimension}"
        )
    if not (isfinite(eta) and eta > 0):
        raise InputError(f"the step size is {eta}", where="eta", remedy="give a number greater than 0")
    rng, step = np.random.default_rng(seed), 0
    while True:
        batch = draw(mixture, length, prompts, rng)
        found = losses(weights, batch)
        weights.setflags(write=False)
        error = float(found.std(ddof=1) / np.sqrt(prompts)) if prompts > 1 else float("inf")
        yield Row(step, weights, float(found.mean()), error)
        weights = weights - eta * gradients(weights, batch).mean(axis=0)
        step += 1
        if not np.abs(weights).max() < LARGEST_WEIGHT:
            raise InputError(
                f"W passes {LARGEST_WEIGHT:g} at step {step}", where="descent", remedy="take a smaller step"
            )


def _softmax(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = weights / weights.sum(axis=1, keepdims=True)
    return shares


__all__ = ["Batch", "Mixture", "Row", "descent", "draw", "gradients", "logits", "losses", "posterior", "predict"]
