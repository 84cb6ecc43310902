"""Training a system on arrays of data: gradient descent and Newton's method, from the derived gradient and Hessian.

The rules are index-level expressions, so nothing is expanded: a step costs what it costs by hand, at any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import islice, product
from typing import Any

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS, Arithmetic, Guarantee, Number
from symicl.derive import derive, hessian
from symicl.entries import array_of, compile_entries
from symicl.errors import InputError
from symicl.evaluate import compile_expressions
from symicl.grammar import Condition
from symicl.indices import Index, like_index
from symicl.mixture.training import MixtureDescent
from symicl.process import LOSS, Code, Point, Process, Reduced
from symicl.reduce import reduce_system
from symicl.symmetry import orbits
from symicl.systems.base import Coordinate, System
from symicl.systems.gaussian_mixture import MixtureData

FLOAT_DIGITS = 15


class Rule(Enum):
    """How a step is taken: ``eta`` times the negative gradient, or times the Newton step (1 is a full one)."""

    GRADIENT = "gradient"
    NEWTON = "newton"


def process_of(system: System, rule: Rule = Rule.GRADIENT) -> Process:
    """How a system is trained: on its arrays where it has them, else in reduced coordinates.

    The loss of a mixture is an integral over its data, with a process of its own.

    Raises ``InputError`` for Newton's method on a system without arrays, or as deriving and reducing do.
    """
    if system.ranges and not isinstance(system.data, MixtureData):
        return Descent(system, rule)
    if rule is not Rule.GRADIENT:
        raise InputError(
            f"Newton's method is not available for {system.id}", where=system.id, remedy="use gradient descent"
        )
    if isinstance(system.data, MixtureData):
        return MixtureDescent(system, system.data)
    return Reduced(reduce_system(system))


def state_symbols(system: System) -> tuple[sp.Symbol, ...]:
    """The names of what is trained; empty where only statements for unspecified indices can be made."""
    if system.has_orbits:
        return tuple(orbit.symbol for orbit in orbits(system))
    return Descent(system).states if system.arrays else ()


@dataclass(frozen=True)
class Descent:
    """Training by a rule on the system's arrays. A point lists the trained numbers, coordinate by coordinate."""

    system: System
    rule: Rule = Rule.GRADIENT

    @property
    def states(self) -> tuple[sp.Symbol, ...]:
        """``x1, x2, ...`` for an array x, ``A1_2`` for a matrix."""
        return tuple(
            sp.Symbol(_state_name(coordinate, place), real=True)
            for coordinate in self.system.coordinates
            for place in self._places(coordinate)
        )

    def code(self, eta: sp.Rational, condition: Condition | None, chosen: Arithmetic, dps: int) -> Code:
        """See :class:`symicl.process.Process`. Raises ``InputError`` where an array or a size has no value."""
        move = self._gradient_step(eta, chosen) if self.rule is Rule.GRADIENT else self._newton_step(eta, chosen, dps)
        read_loss = compile_entries(self.system, [(self.system.loss, ())], chosen)
        sides = self._sides(condition, chosen, dps)

        def loss(*point: Number) -> Number:
            return read_loss(*self._arrays(point))[0]

        def advance(*point: Number) -> Point:
            return (*move(point), *(sides(*point, loss(*point)) if sides is not None else ()))

        return Code(
            start=lambda: self._start(chosen),
            advance=advance,
            read=lambda *point: point,
            loss=loss,
            first=lambda: (1,) * len(self.states),
            prediction=self._prediction(chosen),
        )

    def _gradient_step(self, eta: sp.Rational, chosen: Arithmetic) -> Callable[[Point], Point]:
        size = {self.system.step_size: eta}
        outputs = [(item.expression.xreplace(size), _indices(item.variable)) for item in derive(self.system)]
        increments = compile_entries(self.system, outputs, chosen)

        def move(point: Point) -> Point:
            return tuple(y + u for y, u in zip(point, _flat(increments(*self._arrays(point))), strict=True))

        if chosen.guarantee is not Guarantee.CERTIFIED or len(self.system.coordinates) != 1:
            return move
        return self._mean_value(move, eta, chosen)

    def _mean_value(
        self, move: Callable[[Point], Point], eta: sp.Rational, chosen: Arithmetic
    ) -> Callable[[Point], Point]:
        """The same step around the middle of the balls: ``step(mid) + (1 - eta H(ball)) (ball - mid)``.

        By the mean value theorem it holds the step of every point of the ball, and its radius grows as the step itself
        spreads nearby points; put into the formula, a ball would forget that its terms are about one point.
        """
        (coordinate,) = self.system.coordinates
        variable = coordinate.variable
        twin = variable.xreplace({index: like_index(index, f"{index.name}_") for index in _indices(variable)})
        second = hessian(self.system, variable, twin)
        evaluate = compile_entries(self.system, [(second, (*_indices(variable), *_indices(twin)))], chosen)
        size, zero = chosen.number(eta), chosen.number(0)

        def careful(point: Point) -> Point:
            middle = tuple(map(chosen.midpoint, point))
            off = [y - m for y, m in zip(point, middle, strict=True)]
            if all(o == 0 for o in off):
                return move(point)
            curvature = list(_flat(evaluate(*self._arrays(point))))
            width = len(off)
            # One factor a place: as o - eta h o the two terms would add their radii instead of cancelling.
            spread = [
                sum(((int(k == i) - size * curvature[i * width + k]) * off[k] for k in range(width)), zero)
                for i in range(width)
            ]
            return tuple(y + s for y, s in zip(move(middle), spread, strict=True))

        return careful

    def _newton_step(self, eta: sp.Rational, chosen: Arithmetic, dps: int) -> Callable[[Point], Point]:
        """``y - eta H^-1 gradient``; one coordinate with one index.

        Rounding hides that a Hessian is singular: where numbers are points, balls of their precision have to tell as
        well that it is not.
        """
        if len(self.system.coordinates) != 1 or len(_indices(self.system.coordinates[0].variable)) != 1:
            raise InputError("Newton's method is for one trained vector", where=self.system.id, remedy="train x")
        (item,) = derive(self.system)
        (index,) = _indices(item.variable)
        other = like_index(index, f"{index.name}_")
        second = hessian(self.system, item.variable, item.variable.xreplace({index: other}))
        descent = item.expression.xreplace({self.system.step_size: sp.S.One})
        evaluate = compile_entries(self.system, [(descent, (index,)), (second, (index, other))], chosen)
        damping = chosen.number(eta)
        doubt = None if chosen.guarantee is Guarantee.CERTIFIED else self._regular(second, (index, other), chosen, dps)

        def move(point: Point) -> Point:
            slope, curvature = evaluate(*self._arrays(point))
            if doubt is not None:
                doubt(point)
            step = chosen.solve(curvature, slope)
            return tuple(y + damping * u for y, u in zip(point, step, strict=True))

        return move

    def _regular(
        self, second: sp.Expr, indices: tuple[Index, ...], chosen: Arithmetic, dps: int
    ) -> Callable[[Point], None]:
        """Raises ``UndecidedError`` at a point where the Hessian in balls may be singular."""
        ball, digits = ARITHMETICS["ball"], min(dps, FLOAT_DIGITS) if chosen.name == "float64" else dps
        with ball.working(digits):
            evaluate = compile_entries(self.system, [(second, indices)], ball)

        def check(point: Point) -> None:
            with ball.working(digits):
                (matrix,) = evaluate(*self._arrays([arb(y) for y in point]))
                ball.solve(matrix, [ball.number(0)] * len(matrix))

        return check

    def _sides(self, condition: Condition | None, chosen: Arithmetic, dps: int) -> Callable[..., Point] | None:
        if condition is None:
            return None
        return compile_expressions([condition.left, condition.right], [*self.states, LOSS], chosen, dps)

    def _prediction(self, chosen: Arithmetic) -> Callable[..., Point]:
        if self.system.prediction is None:
            return lambda *_: ()
        wanted = self.system.prediction
        evaluate = compile_entries(self.system, [(wanted, _indices(wanted))], chosen)
        return lambda *point: tuple(_flat(evaluate(*self._arrays(point))))

    def _start(self, chosen: Arithmetic) -> Point:
        numbers: list[Number] = []
        for coordinate in self.system.coordinates:
            own = list(_flat(array_of(coordinate.start, chosen)))
            places = list(self._places(coordinate))
            if len(own) not in (1, len(places)):
                raise InputError(
                    f"the start of {coordinate.variable} has {len(own)} numbers, not {len(places)}",
                    where=self.system.id,
                )
            numbers += own if len(own) == len(places) else own * len(places)
        return tuple(numbers)

    def _places(self, coordinate: Coordinate) -> Iterator[tuple[int, ...]]:
        sizes = [self.system.size_of(index.over) for index in _indices(coordinate.variable)]
        for size in sizes:
            if not size.is_Integer:
                raise InputError(f"no value for {size}", where=self.system.id, remedy="give every size a value")
        return product(*(range(int(size)) for size in sizes))

    def _arrays(self, point: Sequence[Number]) -> list[Any]:
        """The point as nested arrays, one a coordinate."""
        numbers = iter(point)
        return [_nested(shape, numbers) for shape in self._shapes]

    @cached_property
    def _shapes(self) -> list[tuple[int, ...]]:
        """How many entries each coordinate has along each of its indices."""
        sizes = self.system.size_of
        return [tuple(int(sizes(index.over)) for index in _indices(c.variable)) for c in self.system.coordinates]


def _nested(shape: tuple[int, ...], numbers: Iterator[Number]) -> Any:
    if not shape:
        return next(numbers)
    return (
        list(islice(numbers, shape[0])) if len(shape) == 1 else [_nested(shape[1:], numbers) for _ in range(shape[0])]
    )


def _indices(entry: sp.Expr) -> tuple[Index, ...]:
    return tuple(entry.indices) if isinstance(entry, sp.Indexed) else ()


def _state_name(coordinate: Coordinate, place: tuple[int, ...]) -> str:
    variable = coordinate.variable
    stem = variable.base if isinstance(variable, sp.Indexed) else variable
    return f"{stem}{'_'.join(str(position + 1) for position in place)}"


def _flat(values: Any) -> Iterator[Number]:
    """The numbers of nested lists and tuples, in order."""
    for value in values if isinstance(values, list | tuple) else [values]:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value
