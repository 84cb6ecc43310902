"""Values at finite prompts in two dimensions and more, in float64: sums over label counts and a grid of statistics p.

A quick look that bounds no error: Gaussian integrals by the trapezoidal rule, the query by one integral given p.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from symicl.errors import BudgetError
from symicl.systems.gaussian_mixture import GAUSSIAN, MixtureData

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-15
"""Nodes of less weight are left out."""

STEPS = {1: 0.1, 2: 0.3, 3: 0.5}
"""The step of the grid of p, in standard deviations, by dimension."""

WIDEST_STEP = 0.15
STRIP = 0.4
"""The step of the inner rule times the scale of s: its error is near exp(-2 pi^2 / STRIP)."""

HALVINGS = 5
MOST_LABELS = 16
MAX_EVALUATIONS = 4 * 10**8
CHUNK = 10_000


@dataclass(frozen=True)
class FloatValues:
    """Loss, gradient (d, d) and Hessian (d^2, d^2), row ``j d + k`` for W[j, k]."""

    loss: float
    gradient: Array
    hessian: Array


@dataclass(frozen=True)
class _Grid:
    """Statistics p (n, d) with weights (n,), and the means of the two classes, of one task."""

    p: Array
    weights: Array
    means: tuple[Array, Array]


def float_values(data: MixtureData, weights: Array) -> FloatValues:
    """Values at W (d, d). Raises ``BudgetError`` where the grid would be too large."""
    covariance = np.array(data.covariance, dtype=object).astype(np.float64)
    d = data.dimension
    loss, gradient, hessian = 0.0, np.zeros((d, d)), np.zeros((d, d, d, d))
    for grid in _grids(data):
        for start in range(0, len(grid.p), CHUNK):
            part = slice(start, start + CHUNK)
            for step, rows in _by_step(grid.p[part], weights, covariance):
                own = grid.p[part][rows], grid.weights[part][rows]
                added = _chunk(*own, grid.means, weights, covariance, step)
                loss, gradient, hessian = loss + added[0], gradient + added[1], hessian + added[2]
    return FloatValues(loss, gradient, hessian.reshape(d * d, d * d))


def _by_step(p: Array, weights: Array, covariance: Array) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """Steps of the inner rule, and the rows that take each: the poles of sigma come near where s spreads widely."""
    a = p @ weights / 2
    scale = np.sqrt(np.maximum(np.einsum("nk,nk->n", a @ covariance, a), 0))
    halvings = np.ceil(np.log2(np.maximum(scale * WIDEST_STEP / STRIP, 1))).astype(int).clip(0, HALVINGS)
    for number in np.unique(halvings):
        yield WIDEST_STEP / 2.0**number, halvings == number


def _chunk(
    p: Array, shares: Array, means: tuple[Array, Array], weights: Array, covariance: Array, step: float
) -> tuple[float, Array, Array]:
    inner = np.arange(-8.4, 8.4 + step / 2, step)
    a = p @ weights / 2
    along = a @ covariance
    scale = np.sqrt(np.maximum(np.einsum("nk,nk->n", a, along), 0))
    density = np.exp(-(inner**2) / 2) / np.sqrt(2 * np.pi) * step
    loss, force, curvature = np.zeros(len(p)), np.zeros_like(p), np.zeros((*p.shape, p.shape[1]))
    for mean, sign in zip(means, (1, -1), strict=True):
        s = (a @ mean)[:, None] + scale[:, None] * inner
        tail = np.exp(-np.abs(s))
        sigma, other = np.where(s > 0, 1.0, tail) / (1 + tail), np.where(s > 0, tail, 1.0) / (1 + tail)
        first = sigma * other
        loss += (np.maximum(-sign * s, 0) + np.log1p(tail)) @ density / 2
        missed = -(other @ density) if sign > 0 else sigma @ density
        one, two = first @ density, (first * (other - sigma)) @ density
        three = (first * (1 - 6 * first)) @ density
        force += (missed[:, None] * mean + one[:, None] * along) / 4
        outer = np.einsum("k,ni->nki", mean, along)
        curvature += (
            one[:, None, None] * (covariance + np.outer(mean, mean))
            + two[:, None, None] * (outer + outer.transpose(0, 2, 1))
            + three[:, None, None] * np.einsum("nk,ni->nki", along, along)
        ) / 8
    gradient = np.einsum("n,nj,nk->jk", shares, p, force)
    hessian = np.einsum("n,nj,ni,nkm->jkim", shares, p, p, curvature, optimize=True)
    return float(shares @ loss), gradient, hessian


@lru_cache(maxsize=8)
def _grids(data: MixtureData) -> tuple[_Grid, ...]:
    d, exact = data.dimension, data.length is sp.oo
    covariance = np.array(data.covariance, dtype=object).astype(np.float64)
    found = []
    for (plus, minus), share in zip(data.tasks, data.weights, strict=True):
        means = tuple(np.array(mean, dtype=object).astype(np.float64) for mean in (plus, minus))
        gap, total = means[0] - means[1], means[0] + means[1]
        if exact:
            found.append(_Grid(gap[None], np.array([float(share)]), (means[0], means[1])))
            continue
        length = int(data.length)
        shifts, odds = _labels(length) if data.labels != GAUSSIAN and total.any() else (np.zeros(1), np.ones(1))
        noise = 4 * covariance / length
        if data.labels == GAUSSIAN:
            noise = noise + np.outer(total, total) / length
        z, density = _standard(d)
        size = len(shifts) * len(z) * 300
        if size > MAX_EVALUATIONS:
            raise BudgetError(
                f"{size:.1e} evaluations for one step",
                where=f"d = {d}, N = {length}",
                remedy="use the simulator, or N = inf",
            )
        spread = z @ np.linalg.cholesky(noise).T
        p = (gap + shifts[:, None, None] * total + spread).reshape(-1, d)
        found.append(_Grid(p, float(share) * np.outer(odds, density).ravel(), (means[0], means[1])))
    return tuple(found)


def _labels(length: int) -> tuple[Array, Array]:
    """Means of N labels and their weights: a Gauss rule of the binomial law, which is the law itself for short prompts.

    The recurrence is that of the Krawtchouk polynomials at probability 1/2, ``b_k = k (N - k + 1) / N^2``.
    """
    k = np.arange(1, min(length + 1, MOST_LABELS), dtype=np.float64)
    off = np.sqrt(k * (length - k + 1)) / length
    means, vectors = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))
    return means, vectors[0] ** 2


def _standard(d: int) -> tuple[Array, Array]:
    """A grid for a standard normal vector, its weights summing to 1."""
    if d not in STEPS:
        raise BudgetError(f"no grid in {d} dimensions", where=f"d = {d}", remedy="use the simulator, or N = inf")
    line = np.arange(-8.2, 8.2, STEPS[d])
    axes = np.stack(np.meshgrid(*[line] * d, indexing="ij"), axis=-1).reshape(-1, d)
    density = np.exp(-(axes**2).sum(axis=1) / 2)
    kept = density > NEGLIGIBLE
    return axes[kept], density[kept] / density[kept].sum()


def float_minimiser(data: MixtureData, start: Array, steps: int = 40) -> Array:
    """W* by damped Newton's method, to about float64 accuracy of the quadrature."""
    weights = start.copy()
    current = float_values(data, weights)
    for _ in range(steps):
        step = np.linalg.solve(current.hessian, current.gradient.ravel()).reshape(weights.shape)
        size = 1.0
        while True:
            ahead = float_values(data, weights - size * step)
            if ahead.loss <= current.loss + 1e-14 or size < 1e-6:
                break
            size /= 2
        weights, current = weights - size * step, ahead
        if np.abs(step).max() <= 1e-12 * max(1.0, np.abs(weights).max()):
            break
    return weights


__all__ = ["FloatValues", "float_minimiser", "float_values"]
