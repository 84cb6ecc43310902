"""Limits as a size grows without bound: what an update comes down to for K large."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symicl.claims.statements import Identity, equal
from symicl.errors import InputError
from symicl.systems.base import System


@dataclass(frozen=True)
class TendsTo:
    """The expression tends to ``limit`` as ``symbol`` tends to infinity, at any fixed values of all else.

    ``limit`` is free of the symbol. Both sides are exact expressions, as in an identity.
    """

    system: System
    expression: sp.Expr
    symbol: sp.Symbol
    limit: sp.Expr

    def __post_init__(self) -> None:
        Identity(self.system, self.expression, self.limit)  # refuses floats and what stands for no expression
        if self.symbol in self.limit.free_symbols:
            raise InputError(
                f"the limit {self.limit} holds {self.symbol}", where="statement", remedy="divide by how it grows"
            )
        both = sp.Tuple(self.expression, self.limit)
        if both.has(sp.oo, -sp.oo, sp.zoo, sp.nan):
            raise InputError(
                "a limit here is a finite expression",
                where=f"{self.expression} -> {self.limit}",
                remedy="divide by how it grows",
            )
        if any(other.name == self.symbol.name for other in both.free_symbols - {self.symbol}):
            raise InputError(f"another symbol is called {self.symbol} too", where="statement", remedy="use one of them")
        for parameter in self.system.parameters:
            if parameter.symbol == self.symbol and parameter.below is not None:
                raise InputError(
                    f"{self.symbol} stays below {parameter.below}", where="statement", remedy="take one that grows"
                )
        if self.symbol.is_nonpositive:
            raise InputError(f"{self.symbol} is never positive", where="statement", remedy="take a symbol that grows")


def tends_to(system: System, expression: sp.Expr | str, symbol: sp.Symbol | str, limit: sp.Expr | str) -> TendsTo:
    """The statement that an expression tends to a limit as a symbol grows, such as ``"K"``, a parameter of the system.

    Everything else stays fixed; write ``exp(B1) = W/r`` and ``K = r**2`` for what shrinks as K grows. Proved for
    quotients of sums: by the leading coefficients in the symbol, in the fraction field of everything else.
    """
    sides = equal(system, expression, limit)
    if isinstance(symbol, str):
        known = {each.name: each.symbol for each in system.parameters}
        if symbol not in known:
            raise InputError(f"{system.id} has no parameter {symbol}", where=symbol, remedy=f"use {', '.join(known)}")
        symbol = known[symbol]
    return TendsTo(system, sides.left, symbol, sides.right)


__all__ = ["TendsTo", "tends_to"]
