"""Points at which a statement's assumptions hold, small ones first, to look for a witness against it."""

from __future__ import annotations

import operator
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symicl.claims.pointwise import Point
from symicl.expectation import TokenCounts, bound_in, free_indices, laws_in
from symicl.indices import range_of
from symicl.pairs import SymmetricBase
from symicl.systems.base import Parameter, System, admissible

TIERS = 5
"""How far from the smallest numbers the search goes."""


@dataclass(frozen=True)
class _Domain:
    """What a point gives values to: symbols, indices, indexed entries (with the range of each of their indices).

    ``ranges`` are the sizes of the ranges by name, that of the features being empty; indices over the features are
    distinct. ``sizes`` and ``shares`` are class sizes and probabilities, which have to come out positive.
    """

    symbols: tuple[sp.Symbol, ...]
    indices: tuple[sp.Symbol, ...]
    shapes: tuple[tuple[sp.IndexedBase, tuple[str, ...]], ...]
    ranges: Mapping[str, sp.Expr]
    sizes: tuple[sp.Expr, ...]
    shares: tuple[sp.Expr, ...]
    parameters: Mapping[sp.Symbol, Parameter]
    simplices: tuple[sp.IndexedBase, ...]


def sample_points(system: System, expression: sp.Expr, *, count: int = 200, seed: int = 1) -> Iterator[Point]:
    """Exact points in the domain of the expression: parameters in range, entries real, probabilities summing to 1.

    Small numbers first (few features, short prompts, small scores); reproducible from the seed. Draws outside the
    assumptions are dropped, so there may be fewer points than asked for.
    """
    draw = random.Random(seed)
    domain = _domain(system, expression)
    for number in range(count):
        point = _point(domain, draw, 1 + number * TIERS // count)
        if point is not None:
            yield point


def _domain(system: System, expression: sp.Expr) -> _Domain:
    classes = system.features.classes if system.features is not None else ()
    ranges = {each.name: each.size for each in system.ranges}
    if system.features is not None:
        ranges[""] = system.features.size
    sizes = tuple(group.size for group in classes)
    shares = tuple(value for group in classes for base, value in group.values if base in system.simplices)
    counted = {law.counts for law in laws_in(expression) if isinstance(law, TokenCounts)}
    shapes = _shapes(system, expression.atoms(sp.Indexed), counted)
    shapes |= {law.probabilities: ("",) for law in laws_in(expression) if isinstance(law, TokenCounts)}
    symbols = free_parameters(expression).union(*(e.free_symbols for e in (*sizes, *shares, *ranges.values())))
    return _Domain(
        tuple(sorted(symbols, key=str)),
        tuple(sorted(free_indices(expression), key=str)),
        tuple(sorted(shapes.items(), key=str)),
        ranges,
        sizes,
        shares,
        {parameter.symbol: parameter for parameter in system.parameters},
        system.simplices,
    )


def _shapes(
    system: System, entries: set[sp.Indexed], counted: set[sp.IndexedBase]
) -> dict[sp.IndexedBase, tuple[str, ...]]:
    """The ranges of each quantity's indices; of an entry at a number, such as ``x[1]``, from the objective."""
    shapes: dict[sp.IndexedBase, tuple[str, ...]] = {}
    wanted = {entry.base for entry in entries} - counted
    for entry in sorted(entries | system.objective.atoms(sp.Indexed), key=str):
        if entry.base in wanted:
            own = tuple(map(range_of, entry.indices))
            known = shapes.get(entry.base, own)
            shapes[entry.base] = tuple(old or new for old, new in zip(known, own, strict=False))
    return shapes


def _point(domain: _Domain, draw: random.Random, tier: int) -> Point | None:
    """One point, or None where the draw is outside the assumptions."""
    symbols: dict[sp.Symbol, sp.Expr] = {}
    distinct = [index for index in domain.indices if not range_of(index)]
    least = {
        size: max(2, len(distinct)) if name == "" else 1 for name, size in sorted(domain.ranges.items(), reverse=True)
    }
    for symbol in domain.symbols:
        parameter = domain.parameters.get(symbol)
        value = _value(symbol, parameter, draw, tier, least.get(symbol))
        if not admissible(symbol, value) or (parameter is not None and not parameter.allows(value)):
            return None
        symbols[symbol] = value
    if any(expression.xreplace(symbols) <= 0 for expression in (*domain.sizes, *domain.shares)):
        return None
    counts = {name: int(size.xreplace(symbols)) for name, size in domain.ranges.items()}
    used = {range_of(index) for index in domain.indices}.union(*(ranges for _, ranges in domain.shapes))
    if counts.get("", 0) < len(distinct) or not used <= set(counts):
        return None
    positions = dict(zip(distinct, draw.sample(range(counts.get("", 0)), len(distinct)), strict=True))
    positions |= {i: draw.randrange(counts[range_of(i)]) for i in domain.indices if range_of(i)}
    return Point(symbols, _entries(domain, draw, tier, counts), positions)


def _value(
    symbol: sp.Symbol, domain: Parameter | None, draw: random.Random, tier: int, least: int | None
) -> sp.Rational:
    """A value near the start of the symbol's range; the caller checks it against all assumptions."""
    low, high = (domain.minimum, domain.below) if domain is not None else (None, None)
    above = domain.above if domain is not None else None
    start = low if low is not None else above
    if symbol.is_integer:
        if start is None and high is not None:
            return sp.Integer(sp.ceiling(high) - 1 - draw.randint(0, min(tier, 3)))
        if start is None:
            start = -tier if not symbol.is_nonnegative else 0
        first = sp.floor(start) + (1 if low is None and above is not None else 0)
        first = max(int(first), least if least is not None else int(first))
        return sp.Integer(first + draw.randint(0, min(tier, 3) if domain is not None and first >= 0 else 2 * tier))
    if start is not None and high is not None:
        parts = draw.randint(2, 2 + 3 * tier)
        return start + (high - start) * sp.Rational(draw.randint(1, parts - 1), parts)
    size = sp.Rational(draw.randint(1, 2 * tier), draw.randint(1, tier))
    if start is not None:
        closed_end = low is not None and draw.randint(0, 3) == 0
        return sp.sympify(start, strict=True) if closed_end else start + size
    if high is not None:
        return high - size
    return _with_sign(symbol, size, draw, tier)


def _with_sign(symbol: sp.Symbol, size: sp.Rational, draw: random.Random, tier: int) -> sp.Rational:
    """A number of the sign that a symbol is assumed to have; ``size`` is positive."""
    if symbol.is_positive or symbol.is_negative:
        return size if symbol.is_positive else -size
    if symbol.is_nonnegative or symbol.is_nonpositive:
        value = abs(_real(draw, tier))
        return value if symbol.is_nonnegative else -value
    return size if symbol.is_nonzero else _real(draw, tier)


def _real(draw: random.Random, tier: int) -> sp.Rational:
    return sp.Rational(draw.randint(-2 * tier, 2 * tier), 1 if tier < 3 else draw.randint(1, 2))


def _entries(
    domain: _Domain, draw: random.Random, tier: int, counts: Mapping[str, int]
) -> Mapping[sp.IndexedBase, tuple[Any, ...]]:
    entries: dict[sp.IndexedBase, tuple[Any, ...]] = {}
    for base, ranges in domain.shapes:
        sizes = [counts[name] for name in ranges]
        if base in domain.simplices:
            weights = [draw.randint(1, 2 * tier) for _ in range(sizes[0])]
            entries[base] = tuple(sp.Rational(w, sum(weights)) for w in weights)
        elif isinstance(base, SymmetricBase):
            entries[base] = _semidefinite(draw, tier, sizes[0])
        else:
            entries[base] = _array(base, draw, tier, sizes)
    return entries


def _semidefinite(draw: random.Random, tier: int, size: int) -> tuple[tuple[sp.Rational, ...], ...]:
    """Inner products of small vectors: a symmetric positive semidefinite matrix, often of less than full rank."""
    rank = draw.randint(1, size)
    vectors = [[draw.randint(-tier, tier) for _ in range(rank)] for _ in range(size)]
    return tuple(tuple(sp.Integer(sum(map(operator.mul, a, b))) for b in vectors) for a in vectors)


def _array(base: sp.IndexedBase, draw: random.Random, tier: int, sizes: Sequence[int]) -> tuple[Any, ...]:
    if len(sizes) == 1:
        return _row(base, draw, tier, sizes[0])
    return tuple(_array(base, draw, tier, sizes[1:]) for _ in range(sizes[0]))


def _row(base: sp.IndexedBase, draw: random.Random, tier: int, features: int) -> tuple[sp.Rational, ...]:
    sizes = [sp.Rational(draw.randint(1, 2 * tier), draw.randint(1, tier)) for _ in range(features)]
    return tuple(_with_sign(base.label, size, draw, tier) for size in sizes)


def free_parameters(expression: sp.Expr) -> set[sp.Symbol]:
    """The symbols that are numbers: parameters, states, the step size."""
    labels = {entry.base.label for entry in expression.atoms(sp.Indexed)}
    for law in laws_in(expression):
        if isinstance(law, TokenCounts):
            labels |= {law.counts.label, law.probabilities.label}
    return (
        {s for s in expression.free_symbols if s.is_Symbol and s not in labels}
        - free_indices(expression)
        - bound_in(expression)
    )
