"""Statements about the step size: where a step cannot raise the loss, and up to which size a point of rest attracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symicl.claims.base import shown
from symicl.descent import state_symbols
from symicl.errors import InputError
from symicl.grammar import Condition, exact, parse_condition, parse_expression
from symicl.systems.base import System

LONGEST_BITS = 3000
"""Of a number in a bound on the step size: the evidence prints its square with other factors."""


@dataclass(frozen=True)
class Descends:
    """``loss(t+1) <= loss(t)`` from every state (that meets ``where``), at every step size (up to ``up_to``).

    Where the parameters make ``up_to`` 0 or less there is no such step size.
    """

    system: System
    where: Condition | None
    up_to: sp.Expr | None


@dataclass(frozen=True)
class DescendsAt:
    """One step of size ``eta`` from one state does not raise the loss; ``state`` gives every state's exact value."""

    system: System
    eta: sp.Rational
    state: tuple[tuple[sp.Symbol, sp.Rational], ...]


@dataclass(frozen=True)
class DescendsAlong:
    """None of the first ``steps`` steps of size ``eta`` from the start raises the loss."""

    system: System
    eta: sp.Rational
    steps: int


@dataclass(frozen=True)
class StableUpTo:
    """The point of rest of training attracts below a step size in ``[low, high]``, and does not above it.

    The point is the one at which downhill flow ends: the flow of the recurrence from the start, on the face where the
    coordinates that escape are infinite (see ``faces``). A loss with several minimisers has one such point.
    """

    system: System
    low: sp.Rational
    high: sp.Rational


def descends(
    system: System,
    *,
    where: str | None = None,
    up_to: object = None,
    eta: object = None,
    at: Mapping[str, object] | None = None,
    steps: int | None = None,
) -> Descends | DescendsAt | DescendsAlong:
    """The statement that gradient descent does not raise the loss: ``loss(t+1) <= loss(t)``.

    Without ``eta`` from every state, at every step size: ``where`` narrows the states (a bound on one coordinate, such
    as ``"A >= B"``), ``up_to`` the step sizes (an expression in the parameters). With ``eta`` in one step from the
    state ``at`` (a value for each state), or in each of the first ``steps`` steps of training. Raises ``InputError``
    for other combinations and for values that are not exact.
    """
    if eta is None:
        if at is not None or steps is not None:
            raise InputError("one state or one run needs a step size", where="descends", remedy="give eta")
        if where is not None and up_to is not None:
            raise InputError(
                "both where and up_to are given", where="descends", remedy="bound the states or the step sizes"
            )
        condition = None if where is None else parse_condition(where, _names(system))
        return Descends(system, condition, None if up_to is None else _bound(system, up_to))
    if where is not None or up_to is not None or (at is None) == (steps is None):
        raise InputError(
            "a step size goes with one state or one run", where="descends", remedy="give at, or steps, beside eta"
        )
    size = exact(eta)
    if not (size.is_Rational and size > 0):
        raise InputError(f"the step size is {shown(size)}", where="eta", remedy="give a number greater than 0")
    if system.parameters:
        names = ", ".join(parameter.name for parameter in system.parameters)
        raise InputError(f"no value for {names}", where=system.id, remedy="give every parameter an exact value")
    if at is not None:
        return DescendsAt(system, size, _state(system, at))
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise InputError(f"{steps!r} is no number of steps", where="steps", remedy="give an integer >= 1")
    return DescendsAlong(system, size, steps)


def _names(system: System) -> dict[str, sp.Expr]:
    states = {str(symbol): symbol for symbol in state_symbols(system)}
    return {**{p.name: p.symbol for p in system.parameters}, **dict(system.values), **states}


def _bound(system: System, up_to: object) -> sp.Expr:
    given = parse_expression(up_to, _names(system)) if isinstance(up_to, str) else up_to
    bound = given if isinstance(given, sp.Expr) else exact(given)
    unknown = bound.free_symbols - {parameter.symbol for parameter in system.parameters}
    if unknown or bound.has(sp.Float):
        raise InputError(
            f"{shown(bound)} is no bound on the step size", where="up_to", remedy="write it in the parameters, exactly"
        )
    longest = max((max(int(n.p).bit_length(), int(n.q).bit_length()) for n in bound.atoms(sp.Rational)), default=0)
    if longest > LONGEST_BITS:
        raise InputError(f"the bound is {shown(bound)}", where="up_to", remedy="take numbers of fewer than 900 digits")
    if not bound.free_symbols and not (bound.is_positive and bound.is_finite):
        raise InputError(f"the bound is {shown(bound)}", where="up_to", remedy="give a finite bound greater than 0")
    return bound


def _state(system: System, at: Mapping[str, object]) -> tuple[tuple[sp.Symbol, sp.Rational], ...]:
    symbols = {str(symbol): symbol for symbol in state_symbols(system)}
    if set(at) != set(symbols):
        raise InputError(
            f"values are given for {', '.join(map(str, at))}",
            where="at",
            remedy=f"give {', '.join(symbols)} each a value",
        )
    values = {name: exact(value) for name, value in at.items()}
    if not all(value.is_Rational for value in values.values()):
        raise InputError("a state has finite values", where="at", remedy="give rational numbers")
    return tuple((symbols[name], values[name]) for name in symbols)


def stable_up_to(system: System, low: object, high: object) -> StableUpTo:
    """The statement that the point of rest of training attracts exactly below a step size in ``[low, high]``.

    The point is the one at which downhill flow from the start ends, at finite scores or on a face (``rest_of`` finds
    it). Raises ``InputError`` for ends that are no finite numbers in order.
    """
    ends = exact(low), exact(high)
    if not all(end.is_Rational for end in ends) or not ends[0] <= ends[1]:
        raise InputError(f"[{low}, {high}] is no interval", where="stable_up_to", remedy="give two numbers in order")
    return StableUpTo(system, *ends)
