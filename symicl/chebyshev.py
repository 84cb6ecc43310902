"""Chebyshev series on [-1, 1] in balls, and the sum of a polynomial over equidistant points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from flint import arb, arb_mat, fmpq

from symicl.arithmetic import ARITHMETICS

BALL = ARITHMETICS["ball"]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Grid:
    """The nodes of one order, ascending, with the matrices between a function's values at them and its coefficients.

    ``transform`` takes values to as many coefficients, ``values`` takes one coefficient more to values.
    """

    order: int
    nodes: tuple[arb, ...]
    transform: arb_mat
    values: arb_mat

    def interpolated(self, columns: Sequence[Sequence[arb]]) -> list[list[arb]]:
        """The values at each node of several series, none longer than ``order + 1``."""
        rows = self.order + 1
        padded = [c[j] if j < len(c) else arb(0) for j in range(rows) for c in columns]
        return [[x.mid() for x in row] for row in (self.values * arb_mat(rows, len(columns), padded)).tolist()]

    def coefficients(self, rows: Sequence[Sequence[arb]]) -> list[list[arb]]:
        """The series of several functions from their values at each node."""
        flat = arb_mat(self.order, len(rows[0]), [x for row in rows for x in row])
        return [[x.mid() for x in column] for column in (self.transform * flat).transpose().tolist()]


@lru_cache(maxsize=16)
def grid(order: int, dps: int) -> Grid:
    """The Chebyshev nodes of an order, of the first kind, at ``dps`` digits."""
    with BALL.working(dps):
        turns = [fmpq(2 * (order - 1 - i) + 1, 2 * order) for i in range(order)]
        nodes = tuple(arb.cos_pi_fmpq(turn).mid() for turn in turns)
        polynomials = [[arb.cos_pi_fmpq(j * turn).mid() for turn in turns] for j in range(order + 1)]
        weights = [arb(1 if j == 0 else 2) / order for j in range(order)]
        transform = [(weights[j] * polynomials[j][i]).mid() for j in range(order) for i in range(order)]
        values = [polynomials[j][i] for i in range(order) for j in range(order + 1)]
        return Grid(order, nodes, arb_mat(order, order, transform), arb_mat(order, order + 1, values))


@lru_cache(maxsize=64)
def antidifference_matrix(order: int, step: float) -> Floats:
    """:func:`antidifference` from values at the nodes of an order to values at them, in float64."""
    values, transform = _float_matrices(order)
    product: Floats = values @ np.array(antidifference(list(np.eye(order)), step, 17)) @ transform
    return product


@lru_cache(maxsize=64)
def interpolation_matrix(order: int, other: int) -> Floats:
    """From values at the nodes of one order to values at the nodes of another, not smaller, in float64."""
    (_, transform), (values, _) = _float_matrices(order), _float_matrices(other)
    product: Floats = values[:, :order] @ transform
    return product


@lru_cache(maxsize=64)
def _float_matrices(order: int) -> tuple[Floats, Floats]:
    """``values`` and ``transform`` of a grid in float64."""
    angles = np.pi * (2 * np.arange(order)[::-1] + 1) / (2 * order)
    values = np.cos(np.outer(angles, np.arange(order + 1)))
    transform = values[:, :order].T * 2 / order
    transform[0] /= 2
    return values, transform


def antidifference(coefficients: Sequence[Any], step: Any, dps: int) -> list[Any]:
    """The series of q with ``(q(x + step) - q(x)) / step = p(x)`` and ``q(-1) = 0``, one coefficient longer than p's.

    By Euler and Maclaurin, ``q = integral of p + sum of B_k / k! step^k p^(k-1)`` over k >= 1: finite for a polynomial,
    and cut where terms are below ``10**-dps``. Coefficients are balls, or rows of a matrix in float64.
    """
    total: list[Any] = integral(coefficients)
    derivative, power = list(coefficients), step
    for k in range(1, _terms(len(coefficients), float(step), dps) + 1):
        number = fmpq.bernoulli(k) / math.factorial(k)
        if number != 0:
            factor = power * _as(number, step)
            for j, coefficient in enumerate(derivative):
                total[j] = total[j] + factor * coefficient
        derivative, power = differentiated(derivative), power * step
    # q(-1) = 0; T_j(-1) = (-1)^j
    total[0] = total[0] - sum((c if j % 2 == 0 else -c for j, c in enumerate(total)), 0 * total[0])
    return total


def _as(number: fmpq, like: Any) -> Any:
    return arb(number) if isinstance(like, arb) else int(number.p) / int(number.q)


def _terms(size: int, step: float, dps: int) -> int:
    """How many terms count: ``|B_k / k!| < 4 (2 pi)^-k``, and D multiplies a polynomial of degree n by at most n^2."""
    each = math.log10(2 * math.pi) - 2 * math.log10(size) - (math.log10(step) if step > 0 else -300)
    return min(size, 1 + math.ceil((dps + 1) / each)) if each > 0 else size


def integral(coefficients: Sequence[Any]) -> list[Any]:
    """An antiderivative of a series: ``int T_j = T_(j+1) / (2j+2) - T_(j-1) / (2j-2)``; the constant is arbitrary."""
    zero = 0 * coefficients[0]
    c = [*coefficients, zero, zero]
    first = c[0] - c[2] / 2
    return [zero, first, *((c[j - 1] - c[j + 1]) / (2 * j) for j in range(2, len(coefficients) + 1))]


def differentiated(coefficients: Sequence[Any]) -> list[Any]:
    """The derivative of a series, of the same length."""
    size, zero = len(coefficients), 0 * coefficients[0]
    result = [zero] * (size + 2)
    for j in range(size - 1, 0, -1):
        result[j - 1] = result[j + 1] + 2 * j * coefficients[j]
    result[0] = result[0] / 2
    return result[:size]


def value(coefficients: Sequence[arb], x: arb) -> arb:
    """The series at x, by Clenshaw's recurrence."""
    after, last = arb(0), arb(0)
    for c in reversed(coefficients[1:]):
        after, last = 2 * x * after - last + c, after
    return x * after - last + coefficients[0]
