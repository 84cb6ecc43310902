"""System to updates: the loss differentiated at symbolic numbers of features and tokens.

For each trained family and each way its indices can coincide, the gradient-descent update is derived once; sums over
features stay sums and expectations over prompts stay expectations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import sympy as sp

from symicl.errors import DerivationError
from symicl.expectation import gathered
from symicl.indices import SumOver, partial, range_of
from symicl.systems.base import Coordinate, System


@dataclass(frozen=True)
class Update:
    """``variable(t+1) - variable(t)`` for one pattern of coinciding indices; ``features`` are the distinct ones.

    ``expression`` includes the step size and is canonical: factored under each expectation. Indices over ranges other
    than the features are not among ``features``: the expression holds for all their values, equal or not.
    """

    coordinate: Coordinate
    variable: sp.Expr
    features: tuple[sp.Symbol, ...]
    expression: sp.Expr


@lru_cache(maxsize=64)
def derive(system: System) -> tuple[Update, ...]:
    """The updates of all trained coordinates. Exact.

    They are ``-step_size * d objective / d variable``, carried over by the inner products of the features where the
    system has any: entries of S are readings of a matrix Q, and it is Q that descends.
    """
    found = slopes(system)
    if system.gram is None:
        return found
    return tuple(replace(update, expression=carried(system, update, found)) for update in found)


def carried(system: System, update: Update, found: tuple[Update, ...]) -> sp.Expr:
    """``sum over m, l of gram(n, m) u[m, l] gram(l, k)`` for an entry ``S[n, k]``, u the descent in S itself. Exact.

    The sums are left as they stand: over a common denominator they would fill pages. If ``S[n, k] = v_n' Q v_k``,
    then ``dL/dQ = sum_ml dL/dS[m, l] v_m v_l'``, so a step of Q moves S by this (proved in ``li2025.metric``). Raises
    ``DerivationError`` where the system places a feature: its query does not train on its own then.
    """
    if not isinstance(update.variable, sp.Indexed):
        return update.expression
    refuse_placed(system)
    assert system.features is not None and system.gram is not None
    total = sp.S.Zero
    for other in found:
        if not isinstance(other.variable, sp.Indexed) or other.variable.base != update.variable.base:
            continue
        fresh = {feature: sp.Dummy(feature.name, integer=True, positive=True) for feature in other.features}
        term = other.expression.xreplace(fresh)
        for own, index in zip(update.variable.indices, other.variable.indices, strict=True):
            term *= system.gram(own, fresh[index])
        names = list(fresh.values())
        for position in reversed(range(len(names))):
            term = SumOver(term, names[position], system.features.size, names[:position])
        total += term
    return total


def refuse_placed(system: System) -> None:
    """Raise ``DerivationError`` for a system of one query whose features are not orthonormal."""
    if system.gram is not None and system.features is not None and system.features.placed:
        placed = ", ".join(str(feature) for feature, _ in system.features.placed)
        raise DerivationError(
            f"{system.id} trains {placed} alone, but with correlated features every query moves all scores",
            remedy="train all queries: place no feature in a class",
        )


@lru_cache(maxsize=64)
def slopes(system: System) -> tuple[Update, ...]:
    """``-step_size * d objective / d variable`` for all trained coordinates, as if each were a number of its own."""
    return tuple(
        Update(coordinate, variable, features, _descent(system, coordinate.variable, pattern))
        for coordinate in system.coordinates
        for pattern, variable, features in patterns(system, coordinate.variable)
    )


@lru_cache(maxsize=64)
def hessian(system: System, first: sp.Expr, second: sp.Expr) -> sp.Expr:
    """``d^2 objective / d first d second`` for trained numbers such as ``x[j]`` and ``x[k]``, in canonical form. Exact.

    Indices over ranges other than the features may coincide, and so may the entries.
    """
    features = tuple(dict.fromkeys((*distinct_features(system, first), *distinct_features(system, second))))
    return gathered(partial(partial(system.objective, first), second), features)


def _descent(system: System, variable: sp.Expr, pattern: Mapping[sp.Symbol, sp.Symbol]) -> sp.Expr:
    """``-step_size * d objective / d variable`` at indices identified as in ``pattern``, in canonical form."""
    derivative = partial(system.objective, variable).xreplace(dict(pattern))
    return gathered(-system.step_size * derivative, distinct_features(system, variable.xreplace(dict(pattern))))


def distinct_features(system: System, expression: sp.Expr) -> tuple[sp.Symbol, ...]:
    """The distinct features an expression speaks of: those placed by the system first, then its own indices."""
    placed = tuple(feature for feature, _ in system.features.placed) if system.features else ()
    own = expression.indices if isinstance(expression, sp.Indexed) else ()
    return placed + tuple(dict.fromkeys(i for i in reversed(own) if i not in placed and not range_of(i)))


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
