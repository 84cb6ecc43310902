"""Points at which a statement's assumptions hold, small ones first, to look for a witness against it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from symicl.claims.pointwise import Point
from symicl.expectation import Expectation, Law, Multinomial, TokenCounts
from symicl.indices import SumOver
from symicl.systems.base import Parameter, System

TIERS = 5
"""How far from the smallest numbers the search goes."""


def sample_points(system: System, expression: sp.Expr, *, count: int = 200, seed: int = 1) -> Iterator[Point]:
    """Exact points in the domain of the expression: parameters in range, entries real, probabilities summing to 1.

    Small numbers first (few features, short prompts, small scores); reproducible from the seed.
    """
    draw = random.Random(seed)
    size_symbol = system.features.size if system.features is not None else None
    for number in range(count):
        tier = 1 + number * TIERS // count
        yield _point(system, expression, draw, tier, size_symbol)


def _point(system: System, expression: sp.Expr, draw: random.Random, tier: int, size: sp.Expr | None) -> Point:
    domains = {parameter.symbol: parameter for parameter in system.parameters}
    indices = sorted(free_indices(expression), key=str)
    symbols: dict[sp.Symbol, sp.Expr] = {}
    least = max(2, len(indices))
    for symbol in sorted(
        free_parameters(expression) | ({size} if size is not None and size.is_Symbol else set()), key=str
    ):
        symbols[symbol] = _value(symbol, domains.get(symbol), draw, tier, least if symbol == size else 1)
    features = int(symbols.get(size, size)) if size is not None and (size.is_Integer or size in symbols) else 0
    positions = draw.sample(range(features), len(indices)) if indices else []
    symbols |= {index: sp.Integer(p) for index, p in zip(indices, positions, strict=True)}
    return Point(symbols, _entries(system, expression, draw, tier, features))


def _value(symbol: sp.Symbol, domain: Parameter | None, draw: random.Random, tier: int, least: int) -> sp.Rational:
    if symbol.is_integer:
        start = least
        if domain is not None and domain.minimum is not None:
            start = max(start, domain.minimum)
        elif symbol.is_nonnegative and not symbol.is_positive:
            start = 0
        return sp.Integer(start + draw.randint(0, min(tier, 3)))
    if domain is not None and domain.above is not None and domain.below is not None:
        parts = draw.randint(2, 2 + 3 * tier)
        return domain.above + (domain.below - domain.above) * sp.Rational(draw.randint(1, parts - 1), parts)
    if symbol.is_positive:
        return sp.Rational(draw.randint(1, 2 * tier), draw.randint(1, tier))
    return _real(draw, tier)


def _real(draw: random.Random, tier: int) -> sp.Rational:
    return sp.Rational(draw.randint(-2 * tier, 2 * tier), 1 if tier < 3 else draw.randint(1, 2))


def _entries(
    system: System, expression: sp.Expr, draw: random.Random, tier: int, features: int
) -> Mapping[sp.IndexedBase, tuple[Any, ...]]:
    counted = {law.counts for law in _laws(expression) if isinstance(law, TokenCounts)}
    entries: dict[sp.IndexedBase, tuple[Any, ...]] = {}
    shapes = {entry.base: len(entry.indices) for entry in expression.atoms(sp.Indexed)}
    for law in _laws(expression):
        if isinstance(law, TokenCounts):
            shapes[law.probabilities] = 1
    for base in sorted(shapes, key=str):
        if base in counted:
            continue
        if base in system.simplices:
            weights = [draw.randint(1, 2 * tier) for _ in range(features)]
            entries[base] = tuple(sp.Rational(w, sum(weights)) for w in weights)
        elif shapes[base] == 1:
            entries[base] = tuple(_real(draw, tier) for _ in range(features))
        else:
            entries[base] = tuple(tuple(_real(draw, tier) for _ in range(features)) for _ in range(features))
    return entries


def _laws(expression: sp.Expr) -> set[Law]:
    return {node.law for node in expression.atoms(Expectation)}


def _bound(expression: sp.Expr) -> set[sp.Basic]:
    bound: set[sp.Basic] = {node.index for node in expression.atoms(SumOver)}
    for law in _laws(expression):
        bound |= set(law.variables) if isinstance(law, Multinomial) else set()
    return bound


def free_indices(expression: sp.Expr) -> set[sp.Symbol]:
    """The index symbols that stand for features: those of entries, deltas and exclusions, not bound by a sum."""
    found: set[sp.Symbol] = set()
    for entry in expression.atoms(sp.Indexed):
        found |= {index for index in entry.indices if index.is_Symbol}
    for delta in expression.atoms(sp.KroneckerDelta):
        found |= {index for index in delta.args if index.is_Symbol}
    for node in expression.atoms(SumOver):
        found |= set(node.excluded)
    return found - _bound(expression)


def free_parameters(expression: sp.Expr) -> set[sp.Symbol]:
    """The symbols that are numbers: parameters, states, the step size."""
    labels = {entry.base.label for entry in expression.atoms(sp.Indexed)}
    for law in _laws(expression):
        if isinstance(law, TokenCounts):
            labels |= {law.counts.label, law.probabilities.label}
    return (
        {s for s in expression.free_symbols if s.is_Symbol and s not in labels}
        - free_indices(expression)
        - _bound(expression)
    )
