"""Index-level expressions written out at given arrays of scalar expressions: for what has to see every entry.

A softmax is written ``1 / sum over l of exp(u_l - u_i)``, which differences of balls keep tight and which never
overflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from symicl.errors import InputError
from symicl.indices import SumOver
from symicl.notation import fold, softmax_exponent
from symicl.systems.base import System

Entries = Mapping[sp.IndexedBase, Sequence[Any]]


def unroll(system: System, expression: sp.Expr, entries: Entries, places: Mapping[sp.Symbol, int]) -> sp.Expr:
    """The expression at ``entries`` (nested sequences of scalars) and at ``places`` (free indices to positions from 0).

    Sizes are those of the system's ranges, which must be numbers. Exact. Raises ``InputError`` for entries not given.
    """
    writer = _Unroller(system, entries)
    return writer.write(fold(system, expression), dict(places))


class _Unroller:
    def __init__(self, system: System, entries: Entries) -> None:
        self.system, self.entries = system, entries
        self.named: dict[tuple[sp.Expr, int], sp.Expr] = {}

    def write(self, expression: sp.Expr, places: Mapping[sp.Symbol, int]) -> sp.Expr:
        if isinstance(expression, SumOver):
            left_out = {places[other] for other in expression.excluded}
            return sp.Add(
                *(
                    self.write(expression.body, {**places, expression.index: position})
                    for position in self.positions(expression.index)
                    if position not in left_out
                )
            )
        if isinstance(expression, sp.Indexed):
            return self.entry(expression, places)
        if isinstance(expression, sp.KroneckerDelta):
            left, right = (places[index] for index in expression.args)
            return sp.Integer(int(left == right))
        if expression in places:
            return sp.Integer(places[expression] + 1)
        if expression.is_Atom:
            return expression
        return expression.func(*(self.write(argument, places) for argument in expression.args))

    def positions(self, index: sp.Symbol) -> range:
        size = self.system.size_of(getattr(index, "over", ""))
        if not size.is_Integer:
            raise InputError(f"no value for {size}", where=self.system.id, remedy="give every size a value")
        return range(int(size))

    def entry(self, entry: sp.Indexed, places: Mapping[sp.Symbol, int]) -> sp.Expr:
        if entry.base in self.entries:
            value: Any = self.entries[entry.base]
            for index in entry.indices:
                value = value[places[index]]
            return value
        definition = next((d for d in self.system.definitions if d.name.has(entry.base)), None)
        if definition is None:
            raise InputError(f"no values for {entry.base}", where=self.system.id, remedy="give its entries")
        own = {name: places[index] for name, index in zip(definition.name.indices, entry.indices, strict=True)}
        exponent = softmax_exponent(definition, self.system.definitions)
        if exponent is None:
            return self.write(definition.body, own)
        key = (entry.base, *own.values())
        if key not in self.named:
            (row,) = own
            exponents = [self.write(exponent, {row: position}) for position in self.positions(row)]
            self.named[key] = 1 / sp.Add(*(sp.exp(u - exponents[own[row]]) for u in exponents))
        return self.named[key]
