"""Chebyshev series on [-1, 1] in balls, and the sum of a polynomial over equidistant points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from flint import arb, arb_mat, arb_poly, fmpq

from symicl.arithmetic import ARITHMETICS

BALL = ARITHMETICS["ball"]
Floats = np.ndarray[Any, np.dtype[np.float64]]


Rows = list[list[arb]]
"""Values of several functions: a row for each node."""

LOST = 0.39
"""``log10(1 + sqrt(2))``, the growth of the coefficients of Chebyshev's polynomials in powers of x."""

MOST_TERMS = 5
"""The most terms of Euler and Maclaurin that a matrix is made for."""


@dataclass(frozen=True)
class Grid:
    """The Chebyshev nodes of one order, ascending, with the way between a function's values there and its coefficients.

    Everything goes by even and odd parts, whose matrices are a quarter of the whole: ``transform`` holds those that
    take values at the upper nodes to as many coefficients, ``values`` those that take one coefficient more to values at
    the upper nodes and at 1. ``ends`` take values to those at 1.
    """

    order: int
    dps: int
    nodes: tuple[arb, ...]
    transform: tuple[arb_mat, arb_mat]
    values: tuple[arb_mat, arb_mat]
    ends: tuple[arb_mat, arb_mat]

    def interpolated(self, columns: Sequence[Sequence[arb]]) -> Rows:
        """The values at each node of several series, none longer than ``order + 1``."""
        parts = []
        for parity, matrix in enumerate(self.values):
            entries = [c[j] if j < len(c) else arb(0) for j in range(parity, self.order + 1, 2) for c in columns]
            parts.append((matrix * arb_mat(matrix.ncols(), len(columns), entries)).tolist())
        return [[x.mid() for x in row] for row in self.joined(*parts)[1:]]

    def coefficients(self, rows: Sequence[Sequence[arb]]) -> list[list[arb]]:
        """The series of several functions from their values at each node."""
        even, odd = ((matrix * part).tolist() for matrix, part in zip(self.transform, self.parts(rows), strict=True))
        mixed = [(odd if j % 2 else even)[j // 2] for j in range(self.order)]
        return [[row[c].mid() for row in mixed] for c in range(len(rows[0]))]

    def parts(self, rows: Sequence[Sequence[arb]]) -> tuple[arb_mat, arb_mat]:
        """Twice the even and odd parts at the upper nodes."""
        half = (self.order + 1) // 2
        pairs = list(zip(rows[self.order - half :], rows[half - 1 :: -1], strict=True))
        even = [x + y for upper, lower in pairs for x, y in zip(upper, lower, strict=True)]
        odd = [x - y for upper, lower in pairs for x, y in zip(upper, lower, strict=True)]
        return arb_mat(half, len(rows[0]), even), arb_mat(half, len(rows[0]), odd)

    def at_start(self, even: arb_mat, odd: arb_mat) -> list[arb]:
        """The values at -1, from the parts at the upper nodes."""
        return ((self.ends[0] * even) - (self.ends[1] * odd)).tolist()[0]

    def joined(self, even: Rows, odd: Rows) -> Rows:
        """A function from its parts at the upper nodes and 1: its values at -1 and then at each node."""
        upper = [[x + y for x, y in zip(e, o, strict=True)] for e, o in zip(even, odd, strict=True)]
        lower = [[x - y for x, y in zip(e, o, strict=True)] for e, o in zip(even, odd, strict=True)]
        return [*reversed(lower), *upper[self.order % 2 : -1]]


@lru_cache(maxsize=16)
def grid(order: int, dps: int) -> Grid:
    """The Chebyshev nodes of an order, of the first kind, at ``dps`` digits."""
    with BALL.working(dps):
        turns = [fmpq(2 * (order - 1 - i) + 1, 2 * order) for i in range(order)]
        nodes = tuple(arb.cos_pi_fmpq(turn).mid() for turn in turns)
        upper = [*turns[order // 2 :], fmpq(0)]
        polynomials = [[arb.cos_pi_fmpq(j * turn).mid() for turn in upper] for j in range(order + 1)]
        transform, values = [], []
        for parity in range(2):
            own = polynomials[parity::2]
            values.append(arb_mat(len(upper), len(own), [row[i] for i in range(len(upper)) for row in own]))
            kept = polynomials[parity:order:2]
            # A node in the middle is its own mirror image.
            weights = [arb(1 if i or order % 2 == 0 else fmpq(1, 2)) / order for i in range(len(upper) - 1)]
            entries = [
                (weights[i] * row[i] * (1 if j == parity == 0 else 2)).mid()
                for j, row in enumerate(kept)
                for i in range(len(upper) - 1)
            ]
            transform.append(arb_mat(len(kept), len(upper) - 1, entries))
        ends = [arb_mat(1, part.nrows(), [arb(1)] * part.nrows()) * part for part in transform]
        return Grid(order, dps, nodes, (transform[0], transform[1]), (values[0], values[1]), (ends[0], ends[1]))


class Summation:
    """``antidifference / step`` from values at the nodes to values at them, for one step and where few terms count."""

    def __init__(self, nodes: Grid, step: arb, terms: int) -> None:
        self.grid, self.halved = nodes, arb(fmpq(1, 2))
        parts: tuple[arb_mat, ...] = _operator(nodes.order, nodes.dps, 0)
        parts = tuple(part / step for part in parts)
        for k in range(2, terms + 1, 2):
            factor = step ** (k - 1) * arb(fmpq.bernoulli(k) / math.factorial(k))
            parts = tuple(
                part + more * factor for part, more in zip(parts, _operator(nodes.order, nodes.dps, k), strict=True)
            )
        self.even, self.odd = parts

    def __call__(self, rows: Sequence[Sequence[arb]]) -> Rows:
        """Zero at -1. A row for each node."""
        even, odd = self.grid.parts(rows)
        # Integrals and odd derivatives of what is even are odd; the term with B_1 = -1/2 keeps what it is.
        start, *sums = self.grid.joined((self.odd * odd).tolist(), (self.even * even).tolist())
        begin = [x.mid() for x in self.grid.at_start(even, odd)]
        shift = [s - b * self.halved for s, b in zip(start, begin, strict=True)]
        return [
            [(q - v * self.halved - c).mid() for q, v, c in zip(sum_, row, shift, strict=True)]
            for sum_, row in zip(sums, rows, strict=True)
        ]


def summation(nodes: Grid, step: arb) -> Summation | None:
    """The summation for a step; None where too many terms count."""
    terms = _terms(nodes.order, float(step), nodes.dps)
    return Summation(nodes, step, terms) if terms <= MOST_TERMS else None


@lru_cache(maxsize=64)
def _operator(order: int, dps: int, k: int) -> tuple[arb_mat, arb_mat]:
    """From even and odd parts at the upper nodes to the integral (k = 0) or derivative ``k - 1`` there and at 1."""
    nodes, result = grid(order, dps), []
    with BALL.working(nodes.dps):
        for parity, matrix in enumerate(nodes.transform):
            none = np.array([arb(0)] * matrix.ncols(), dtype=object)
            rows = [np.array(row, dtype=object) for row in matrix.tolist()]
            series = [rows[j // 2] if j % 2 == parity else none for j in range(nodes.order)]
            if k == 0:
                series = integral(series)
            for _ in range(k - 1):
                series = differentiated(series)
            values = nodes.values[1 - parity]
            kept = [*series, none][1 - parity : nodes.order + 1 : 2]
            entries = [x.mid() for row in kept for x in row]
            result.append((values * arb_mat(len(kept), matrix.ncols(), entries)).mid())
    return result[0], result[1]


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
    return min(size, math.ceil((dps + 1) / each)) if each > 0 else size


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


def in_powers(coefficients: Sequence[arb]) -> arb_poly:
    """The series as a polynomial in powers of x, by Clenshaw's recurrence; it loses ``LOST`` digits a coefficient."""
    twice, after, last = arb_poly([0, 2]), arb_poly(), arb_poly()
    for c in reversed(coefficients[1:]):
        after, last = twice * after - last + c, after
    return arb_poly([0, 1]) * after - last + coefficients[0]
