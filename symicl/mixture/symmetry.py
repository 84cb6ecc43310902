"""Which entries of W stay equal, opposite or zero: the signed permutations that keep Lambda and the law of the means.

For such a g the prompt ``(g p, g q)`` has the law of ``(p, q)``, so ``L(g' W g) = L(W)``: descent from zero, and the
minimiser where it is unique, stay among the W with ``g' W g = W``. Exchanging the classes of a pair changes nothing
either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

import sympy as sp

from symicl.errors import InputError
from symicl.systems.gaussian_mixture import MixtureData

MAX_DIMENSION = 5

Signed = tuple[tuple[int, int], ...]
"""A signed permutation: coordinate i goes to ``(place, sign)``."""


@dataclass(frozen=True)
class Pattern:
    """``entries[j][k]`` is 0, or plus or minus the number (from 1) of a scalar; ``group`` is the order of the group."""

    entries: tuple[tuple[int, ...], ...]
    scalars: int
    group: int

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The pattern in words: ``w1``, ``-w1``, ``0``."""
        return tuple(tuple(f"{'-' if e < 0 else ''}w{abs(e)}" if e else "0" for e in row) for row in self.entries)


def pattern(data: MixtureData) -> Pattern:
    """The pattern of W under its signed permutations. Raises ``InputError`` above five dimensions."""
    d = data.dimension
    if d > MAX_DIMENSION:
        raise InputError(f"{d} dimensions", where="symmetries", remedy=f"they are sought in at most {MAX_DIMENSION}")
    group = [g for g in _signed_permutations(d) if _keeps(g, data)]
    entries = [[0] * d for _ in range(d)]
    count, seen = 0, set()
    for place in product(range(d), repeat=2):
        if place in seen:
            continue
        orbit: dict[tuple[int, int], set[int]] = {}
        for g in group:
            (j, s), (k, t) = g[place[0]], g[place[1]]
            orbit.setdefault((j, k), set()).add(s * t)
        seen |= set(orbit)
        if all(len(signs) == 1 for signs in orbit.values()):
            count += 1
            for (j, k), (sign,) in ((key, tuple(signs)) for key, signs in orbit.items()):
                entries[j][k] = sign * count
    return Pattern(tuple(map(tuple, entries)), count, len(group))


def _signed_permutations(d: int) -> Iterator[Signed]:
    for order in permutations(range(d)):
        for signs in product((1, -1), repeat=d):
            yield tuple(zip(order, signs, strict=True))


def _moved(g: Signed, mean: tuple[sp.Rational, ...]) -> tuple[sp.Rational, ...]:
    moved = list(mean)
    for value, (place, sign) in zip(mean, g, strict=True):
        moved[place] = sign * value
    return tuple(moved)


def _keeps(g: Signed, data: MixtureData) -> bool:
    covariance, size = data.covariance, range(data.dimension)
    if any(covariance[g[i][0]][g[j][0]] * g[i][1] * g[j][1] != covariance[i][j] for i in size for j in size):
        return False
    return _law(data, tuple((place, 1) for place in size)) == _law(data, g)


def _law(data: MixtureData, g: Signed) -> dict[frozenset[tuple[sp.Rational, ...]], sp.Rational]:
    """The law of the unordered pair of means, moved by g."""
    found: dict[frozenset[tuple[sp.Rational, ...]], sp.Rational] = {}
    for pair, weight in zip(data.tasks, data.weights, strict=True):
        key = frozenset(_moved(g, mean) for mean in pair)
        found[key] = found.get(key, sp.S.Zero) + weight
    return found


__all__ = ["Pattern", "pattern"]
