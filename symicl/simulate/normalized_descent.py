"""The independent oracle for normalised descent: a looped softmax layer on token matrices, in float64.

Tokens of 2d coordinates: point i is ``(y_i x_i, 0)``, the query token ``(0, w)``. The layer has explicit matrices:
queries read the second half, keys are minus the first half, values write ``eta`` times the first half into the second.
Every token attends to the n points, the query token is masked out, and there is a residual connection. Nothing here
knows of a loss or a gradient: what the loop computes is what the weights do. (arXiv 2605.06609)

``descend`` is plain gradient descent on ``sum of exp(-y_i w'x_i)``, one term at a time, for comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from symicl.errors import InputError
from symicl.simulate.arrays import Array


class Weights(NamedTuple):
    """The matrices of one layer on tokens of 2d coordinates, each (2d, 2d)."""

    query: Array
    key: Array
    value: Array


class Row(NamedTuple):
    """After ``step`` steps: ``w`` (d,) and the loss ``sum of exp(-y_i w'x_i)``, which may underflow to 0."""

    step: int
    w: Array
    loss: float


def data(x: object, y: object) -> tuple[Array, Array]:
    """Points (n, d) and labels (n,) in float64. Raises ``InputError`` for shapes and labels that do not fit."""
    points, labels = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    if points.ndim != 2 or points.size == 0:
        raise InputError(f"the points have shape {points.shape}", where="x", remedy="give n points of d coordinates")
    if labels.shape != points.shape[:1] or not np.isin(labels, (-1.0, 1.0)).all():
        raise InputError("not one label 1 or -1 a point", where="y", remedy=f"give {len(points)} labels")
    if not np.isfinite(points).all():
        raise InputError("a coordinate is not finite", where="x", remedy="mend the data")
    return points, labels


def weights(d: int, *, key_scale: float, value_scale: float) -> Weights:
    """The matrices of the layer that attends with ``-key_scale y_i w'x_i`` and writes ``value_scale y_i x_i``."""
    zero, one = np.zeros((d, d)), np.eye(d)
    return Weights(
        np.block([[zero, one], [zero, zero]]),
        np.block([[-key_scale * one, zero], [zero, zero]]),
        np.block([[zero, zero], [value_scale * one, zero]]),
    )


def tokens(points: Array, labels: Array, w: Array) -> Array:
    """The n + 1 tokens (n + 1, 2d), the query token last."""
    signed = labels[:, None] * points
    return np.vstack([np.hstack([signed, np.zeros_like(signed)]), np.concatenate([np.zeros_like(w), w])])


def layer(hidden: Array, matrices: Weights) -> Array:
    """One softmax attention layer with a residual connection; the last token is masked out as a key."""
    queries, keys, values = hidden @ matrices.query.T, hidden[:-1] @ matrices.key.T, hidden[:-1] @ matrices.value.T
    scores = queries @ keys.T
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    out: Array = hidden + (weight / weight.sum(axis=1, keepdims=True)) @ values
    return out


def looped(x: object, y: object, w: object, *, value_scale: float, key_scale: float = 1.0) -> Iterator[Row]:
    """The query token's state after 0, 1, 2, ... passes of the layer, without end."""
    points, labels = data(x, y)
    hidden = tokens(points, labels, _start(w, points.shape[1]))
    matrices = weights(points.shape[1], key_scale=key_scale, value_scale=value_scale)
    step = 0
    while True:
        state = hidden[-1, points.shape[1] :]
        yield Row(step, state.copy(), risk(points, labels, state))
        hidden, step = layer(hidden, matrices), step + 1


def descend(x: object, y: object, w: object, *, eta: float) -> Iterator[Row]:
    """Plain gradient descent on the exponential loss, without end. Raises ``InputError`` where it overflows."""
    points, labels = data(x, y)
    state, step = _start(w, points.shape[1]), 0
    while True:
        yield Row(step, state.copy(), risk(points, labels, state))
        with np.errstate(over="ignore", invalid="ignore"):
            for point, label, margin in zip(points, labels, labels * (points @ state), strict=True):
                state = state + eta * np.exp(-margin) * label * point
        step += 1
        if not np.isfinite(state).all():
            raise InputError(f"w overflows at step {step}", where=f"eta = {eta:g}", remedy="take a smaller step")


def risk(points: Array, labels: Array, w: Array) -> float:
    """``sum over i of exp(-y_i w'x_i)``, infinite where that overflows."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.exp(-labels * (points @ w)).sum())


def _start(w: object, d: int) -> Array:
    state = np.array(w, dtype=np.float64)
    if state.shape != (d,) or not np.isfinite(state).all():
        raise InputError(f"the start has shape {state.shape}", where="w", remedy=f"give {d} finite numbers")
    return state
