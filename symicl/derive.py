"""System to updates: the loss differentiated at symbolic numbers of features and tokens.

For each trained family and each way its indices can coincide, the gradient-descent update is derived once; sums over
features stay sums and expectations over prompts stay expectations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symicl.expectation import gathered
from symicl.indices import partial
from symicl.systems.base import Coordinate, System


@dataclass(frozen=True)
class Update:
    """``variable(t+1) - variable(t)`` for one pattern of coinciding indices; ``features`` are the distinct ones.

    ``expression`` includes the step size and is canonical: factored under each expectation.
    """

    coordinate: Coordinate
    variable: sp.Expr
    features: tuple[sp.Symbol, ...]
    expression: sp.Expr


@lru_cache(maxsize=64)
def derive(system: System) -> tuple[Update, ...]:
    """The updates of all trained coordinates: ``-step_size * d objective / d variable``. Exact."""
    return tuple(
        Update(coordinate, variable, features, _descent(system, coordinate.variable, pattern))
        for coordinate in system.coordinates
        for pattern, variable, features in patterns(system, coordinate.variable)
    )


def _descent(system: System, variable: sp.Expr, pattern: Mapping[sp.Symbol, sp.Symbol]) -> sp.Expr:
    """``-step_size * d objective / d variable`` at indices identified as in ``pattern``, in canonical form."""
    derivative = partial(system.objective, variable).xreplace(dict(pattern))
    return gathered(-system.step_size * derivative, distinct_features(system, variable.xreplace(dict(pattern))))


def distinct_features(system: System, expression: sp.Expr) -> tuple[sp.Symbol, ...]:
    """The distinct features an expression speaks of: those placed by the system first, then its own indices."""
    placed = tuple(feature for feature, _ in system.features.placed) if system.features else ()
    own = expression.indices if isinstance(expression, sp.Indexed) else ()
    return placed + tuple(dict.fromkeys(index for index in reversed(own) if index not in placed))


def patterns(
    system: System, variable: sp.Expr
) -> Iterator[tuple[dict[sp.Symbol, sp.Symbol], sp.Expr, tuple[sp.Symbol, ...]]]:
    """The ways free indices can coincide with other features: (replacement, variable, distinct features)."""
    free = distinct_features(system, variable)
    placed = tuple(feature for feature, _ in system.features.placed) if system.features else ()
    choices: list[dict[sp.Symbol, sp.Symbol]] = [{}]
    for position, index in enumerate(free):
        if index in placed:
            continue
        earlier = free[:position]
        choices = [
            {**choice, index: target} if target != index else choice
            for choice in choices
            for target in (*(e for e in earlier if e not in choice), index)
        ]
    for choice in choices:
        replaced = variable.xreplace(choice)
        yield choice, replaced, distinct_features(system, replaced)
