"""Statements of the form O, Omega and Theta, with explicit constants over a stated range of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from symicl.errors import InputError
from symicl.grammar import exact, parse_expression
from symicl.hitting import TARGET
from symicl.systems.base import System

Side = tuple[sp.Symbol, sp.Rational, sp.Rational]


@dataclass(frozen=True)
class Duration:
    """``at_least form <= n <= at_most form`` for the first step n with ``loss <= epsilon``, all over a box.

    ``form`` is an expression in the open parameters of the system, epsilon and the step size; ``box`` has a side
    (symbol, low, high) for each of these, and integer parameters take the integers between the ends. A constant that is
    None bounds nothing.
    """

    system: System
    form: sp.Expr
    at_least: sp.Rational | None
    at_most: sp.Rational | None
    box: tuple[Side, ...]

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise InputError("no constant is given", where="statement", remedy="give at_least, at_most or both")
        named = {symbol for symbol, _, _ in self.box}
        wanted = {each.symbol for each in self.system.parameters} | {TARGET, self.system.step_size}
        for name in (str(TARGET), str(self.system.step_size)):
            if any(each.name == name for each in self.system.parameters):
                raise InputError(
                    f"a parameter of {self.system.id} is called {name}", where="statement", remedy="rename it"
                )
        if named != wanted or len(named) != len(self.box):
            raise InputError(
                f"the ranges are for {_listed(named)}", where="statement", remedy=f"give one each for {_listed(wanted)}"
            )
        if self.form.has(sp.Float) or self.form.free_symbols - wanted:
            raise InputError(
                f"the form {self.form} is not exact, or has other symbols", remedy=f"write it in {_listed(wanted)}"
            )
        parameters = {each.symbol: each for each in self.system.parameters}
        for symbol, low, high in self.box:
            if symbol in parameters:
                for end in (low, high):
                    parameters[symbol].check(end)
            if not 0 < low <= high:
                raise InputError(f"{symbol} from {low} to {high}", where="statement", remedy="order them, above 0")


def _listed(symbols: set[sp.Symbol]) -> str:
    return ", ".join(sorted(map(str, symbols)))


def duration(
    system: System,
    form: str,
    *,
    over: Mapping[str, object],
    at_least: object = None,
    at_most: object = None,
) -> Duration:
    """The statement that the first step with ``loss <= epsilon`` lies between constants times a form.

    ``form`` is a text such as ``"K**2/eta + K/(epsilon*eta)"``; ``over`` gives each open parameter, ``epsilon`` and
    ``eta`` a number or a range (low, high). ``at_most`` alone states an upper bound with its constant (O), ``at_least``
    alone a lower one (Omega), both Theta. Raises ``InputError``.
    """
    symbols = {each.name: each.symbol for each in system.parameters}
    symbols |= {str(TARGET): TARGET, str(system.step_size): system.step_size}
    unknown = sorted(set(over) - set(symbols))
    if unknown:
        raise InputError(f"{unknown[0]} is no parameter", where="over", remedy=f"known are {', '.join(symbols)}")
    box = []
    for name, ends in over.items():
        low, high = ends if isinstance(ends, tuple) else (ends, ends)
        box.append((symbols[name], exact(low), exact(high)))
    constants = [None if each is None else exact(each) for each in (at_least, at_most)]
    return Duration(system, parse_expression(form, symbols), constants[0], constants[1], tuple(box))


__all__ = ["Duration", "duration"]
