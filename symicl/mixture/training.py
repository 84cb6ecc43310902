"""Gradient descent on W at exact data: what the loop iterates, in balls wherever values have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from symicl.arithmetic import Arithmetic, Guarantee, Number
from symicl.evaluate import compile_expressions
from symicl.grammar import Condition
from symicl.mixture.floats import float_values
from symicl.mixture.values import Values, has_balls, values
from symicl.process import LOSS, Code, Point
from symicl.systems.base import System
from symicl.systems.gaussian_mixture import MixtureData

COARSE = 15
"""Digits of the Hessian, which multiplies the radii of a ball and nothing else."""


@dataclass(frozen=True)
class MixtureDescent:
    """Training on the population loss of a mixture. A point lists the entries of W, row by row."""

    system: System
    data: MixtureData

    @property
    def states(self) -> tuple[sp.Symbol, ...]:
        """``W1_1, W1_2, ...``."""
        size = range(1, self.data.dimension + 1)
        return tuple(sp.Symbol(f"W{j}_{k}", real=True) for j in size for k in size)

    def code(self, eta: sp.Rational, condition: Condition | None, chosen: Arithmetic, dps: int) -> Code:
        """See :class:`symicl.process.Process`.

        Raises ``InputError`` for finite prompts in two dimensions and more, but in float64.
        """
        rate = chosen.number(eta)
        evaluate = self._evaluate(chosen, dps)
        sides = None
        if condition is not None:
            sides = compile_expressions([condition.left, condition.right], [*self.states, LOSS], chosen, dps)

        def step(point: Point, found: Values) -> Point:
            slopes = [entry for row in found.gradient for entry in row]
            return tuple(w - rate * slope for w, slope in zip(point, slopes, strict=True))

        def careful(point: Point) -> Point:
            """The step of the middle, and ``(1 - eta H) (ball - middle)``: the mean value theorem."""
            middle = tuple(map(chosen.midpoint, point))
            off = [w - m for w, m in zip(point, middle, strict=True)]
            moved = step(middle, evaluate(middle, False))
            if all(o == 0 for o in off):
                return moved
            curvature = values(self.data, self._rows(point), chosen, min(dps, COARSE), second=True).hessian
            assert curvature is not None
            zero = chosen.number(0)
            return tuple(
                m + sum(((int(i == k) - rate * h) * o for k, (h, o) in enumerate(zip(row, off, strict=True))), zero)
                for i, (m, row) in enumerate(zip(moved, curvature, strict=True))
            )

        def advance(*point: Number) -> Point:
            certified = chosen.guarantee is Guarantee.CERTIFIED
            ahead = careful(point) if certified else step(point, evaluate(point, False))
            return ahead if sides is None else (*ahead, *sides(*point, evaluate(point, False).loss))

        (coordinate,) = self.system.coordinates
        return Code(
            start=lambda: tuple(chosen.number(w) for row in coordinate.start for w in row),
            advance=advance,
            read=lambda *point: point,
            loss=lambda *point: evaluate(point, False).loss,
            first=lambda: (1,) * len(self.states),
        )

    def _evaluate(self, chosen: Arithmetic, dps: int) -> Callable[[Sequence[Number], bool], Values]:
        d, data = self.data.dimension, self.data
        if chosen.name == "float64" and (d == 1 or not has_balls(data)):

            def quick(point: Sequence[Number], _: bool) -> Values:
                found = float_values(data, np.array(point, dtype=np.float64).reshape(d, d))
                return Values(found.loss, found.gradient.tolist(), found.hessian.tolist())

            return quick

        def exact(point: Sequence[Number], second: bool) -> Values:
            return values(data, self._rows(point), chosen, dps, second=second)

        return exact

    def _rows(self, point: Sequence[Number]) -> list[Sequence[Number]]:
        d = self.data.dimension
        return [point[j * d : (j + 1) * d] for j in range(d)]


__all__ = ["MixtureDescent"]
