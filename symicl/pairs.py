"""Quantities of pairs of features: entries of a symmetric matrix, constant on pairs of exchangeable features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symicl.errors import DerivationError

OfPair = Callable[[sp.Symbol, sp.Symbol], sp.Expr]
"""What two features have between them, such as a Kronecker delta or an entry ``Gamma[m, n]``."""


class SymmetricEntry(sp.Indexed):
    """An entry ``M[m, n]`` that is the same object as ``M[n, m]``, whatever the indices are renamed to."""

    def __new__(cls, base: Any, *indices: Any) -> SymmetricEntry:
        ordered = sorted(map(sp.sympify, indices), key=sp.default_sort_key)
        entry: SymmetricEntry = sp.Indexed.__new__(cls, base, *ordered)
        return entry


class SymmetricBase(sp.IndexedBase):
    """The name of a symmetric matrix over the features."""

    def __getitem__(self, indices: Any, **_: Any) -> SymmetricEntry:
        return SymmetricEntry(self, *indices)


@dataclass(frozen=True)
class PairValues:
    """What ``base[m, n]`` is on classes of features: ``own[c]`` for m = n in c, else ``between[c, d]`` (both orders).

    Kept as tuples of pairs so that systems can be compared and remembered.
    """

    base: sp.IndexedBase
    own: tuple[tuple[str, sp.Expr], ...]
    between: tuple[tuple[tuple[str, str], sp.Expr], ...]

    def value(self, first: str, second: str, *, same: bool) -> sp.Expr:
        """The entry for one feature of a class, or for two. Raises ``DerivationError`` where it is not given."""
        known: Mapping[Any, sp.Expr] = dict(self.own) if same else dict(self.between)
        for key in (first,) if same else ((first, second), (second, first)):
            if key in known:
                return known[key]
        raise DerivationError(
            f"{self.base} has no value on the classes {first}, {second}", remedy="give it for every pair of classes"
        )
