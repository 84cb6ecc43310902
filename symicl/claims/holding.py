"""The statement that an inequality holds at one point: exact numbers for all states, compared in balls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symicl.claims.base import shown
from symicl.descent import state_symbols
from symicl.errors import InputError
from symicl.grammar import exact
from symicl.systems.base import System

RELATIONS = ("<=", "<", ">=", ">")


@dataclass(frozen=True)
class HoldsAt:
    """``left relation right`` with every symbol at the value that ``at`` gives it.

    The sides may come from systems that differ in their parameters, such as in the prompt length; ``system`` is the one
    the statement is listed under.
    """

    system: System
    left: sp.Expr
    relation: str
    right: sp.Expr
    at: tuple[tuple[sp.Symbol, sp.Rational], ...]

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise InputError(
                f"{self.relation!r} is not a relation here", where="statement", remedy=f"use {', '.join(RELATIONS)}"
            )
        for side in (self.left, self.right):
            if not isinstance(side, sp.Expr):
                raise InputError(f"{side} is no expression", where="statement", remedy="compare two numbers")
        for symbol, value in self.at:
            if not value.is_Rational:
                raise InputError(
                    f"{symbol} is {shown(value)}", where="at", remedy="give every symbol a finite rational value"
                )
        sides = sp.Tuple(self.left, self.right)
        if sides.has(sp.Float):
            raise InputError(f"{sides} has a float in it", where="statement", remedy="write exact numbers")
        open_names = sorted(str(symbol) for symbol in sides.free_symbols - {symbol for symbol, _ in self.at})
        if open_names:
            raise InputError(
                f"no value for {', '.join(open_names)}", where="statement", remedy="give every symbol a value in at"
            )


def holds_at(
    system: System,
    left: sp.Expr,
    relation: str,
    right: sp.Expr | int,
    at: Mapping[str, object],
) -> HoldsAt:
    """The statement that ``left <= right`` (or ``<``, ``>=``, ``>``) at exact values of the states and the step size.

    ``at`` gives them by name, such as ``{"A": "7/2", "B": "-1/2", "eta": 1}``. Raises ``InputError`` for a name that
    the system does not have, where a symbol has no value or one that is no rational number, and for sides that are no
    expressions.
    """
    known = {str(symbol): symbol for symbol in (*state_symbols(system), system.step_size)}
    unknown = sorted(set(at) - set(known))
    if unknown:
        raise InputError(f"{system.id} has no {unknown[0]}", where="at", remedy=f"give values for {', '.join(known)}")
    values = tuple((known[name], exact(value)) for name, value in at.items())
    return HoldsAt(system, _side(left), relation, _side(right), values)


def _side(given: object) -> sp.Expr:
    try:
        return sp.sympify(given, strict=True)
    except sp.SympifyError:
        raise InputError(f"{given!r} is no expression", where="statement", remedy="give a SymPy expression") from None
