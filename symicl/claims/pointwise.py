"""The value of any expression at a point, in balls, straight from its definition.

Sums over features are added up, expectations are enumerated, nothing is simplified first: a way of evaluating that
shares no step with the derivation, for refuting statements and for testing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import factorial
from typing import Any

import sympy as sp
from flint import arb, fmpq

from symicl.errors import DerivationError, InputError
from symicl.expectation import Expectation, Multinomial, TokenCounts
from symicl.indices import SumOver

MAX_OUTCOMES = 5000
"""The most prompts enumerated for one expectation."""


@dataclass(frozen=True)
class Point:
    """Exact values: of symbols (index symbols get the position of a feature, from 0), and of indexed entries.

    ``entries`` maps an indexed base to a tuple (one index) or a tuple of tuples (two), a value a feature.
    """

    symbols: Mapping[sp.Symbol, sp.Rational]
    entries: Mapping[sp.IndexedBase, Sequence[Any]]

    def shown(self) -> dict[str, str]:
        """The point as text, for evidence; features count from 1."""
        symbols = {
            str(s): str(v + 1 if _is_index(s) else v) for s, v in sorted(self.symbols.items(), key=lambda i: str(i[0]))
        }
        return symbols | {str(base): _shown(values) for base, values in self.entries.items()}


def _shown(values: object) -> str:
    return f"({', '.join(map(_shown, values))})" if isinstance(values, tuple) else str(values)


def _is_index(symbol: sp.Symbol) -> bool:
    return bool(symbol.is_integer and symbol.name in ("k", "n", "m", "l", "j"))


def value_at(expression: sp.Expr, point: Point) -> arb:
    """The value as a ball at the current precision.

    Raises ``InputError`` for something the point gives no value to, ``DerivationError`` for an expectation with too
    many outcomes or a function without a rule.
    """
    if expression.is_Rational:
        return arb(fmpq(int(expression.p), int(expression.q)))
    if expression.is_Symbol:
        return value_at(_symbol(expression, point), point)
    if isinstance(expression, sp.Indexed):
        return value_at(_entry(expression, point), point)
    if isinstance(expression, sp.Add):
        total = arb(0)
        for term in expression.args:
            total += value_at(term, point)
        return total
    if isinstance(expression, sp.Mul):
        result = arb(1)
        for factor in expression.args:
            result *= value_at(factor, point)
        return result
    if isinstance(expression, sp.Pow):
        base, exponent = expression.args
        if exponent.is_Integer:
            return value_at(base, point) ** int(exponent)
        return (value_at(exponent, point) * value_at(base, point).log()).exp()
    if isinstance(expression, sp.exp):
        return value_at(expression.args[0], point).exp()
    if isinstance(expression, sp.log):
        return value_at(expression.args[0], point).log()
    if isinstance(expression, sp.Abs):
        return abs(value_at(expression.args[0], point))
    if isinstance(expression, sp.KroneckerDelta):
        left, right = (_symbol(index, point) for index in expression.args)
        return arb(int(left == right))
    if isinstance(expression, SumOver):
        return _sum(expression, point)
    if isinstance(expression, Expectation):
        return _mean(expression, point)
    raise DerivationError(f"no rule to evaluate {expression.func.__name__}", where=str(expression))


def _symbol(symbol: sp.Expr, point: Point) -> sp.Rational:
    if symbol.is_Rational:
        return symbol
    if symbol not in point.symbols:
        raise InputError(f"no value for {symbol}", where=str(symbol), remedy="declare it as a parameter of the system")
    return point.symbols[symbol]


def _entry(entry: sp.Indexed, point: Point) -> sp.Rational:
    if entry.base not in point.entries:
        raise InputError(f"no values for {entry.base}", where=str(entry))
    values = point.entries[entry.base]
    for index in entry.indices:
        values = values[int(_symbol(index, point))]
    return sp.sympify(values)


def _sum(node: SumOver, point: Point) -> arb:
    size = _symbol(node.size, point) if node.size.is_Symbol else node.size
    excluded = {int(_symbol(feature, point)) for feature in node.excluded}
    total = arb(0)
    for position in range(int(size)):
        if position not in excluded:
            inner = Point({**point.symbols, node.index: sp.Integer(position)}, point.entries)
            total += value_at(node.body, inner)
    return total


def _mean(node: Expectation, point: Point) -> arb:
    law = node.law
    if isinstance(law, TokenCounts):
        shares = [value_at(sp.sympify(p), point) for p in point.entries[law.probabilities]]
    elif isinstance(law, Multinomial):
        shares = [value_at(probability, point) for _, probability in law.cells]
    else:
        raise DerivationError(f"no rule to enumerate {type(law).__name__}")
    trials = int(_symbol(law.trials, point))
    total = arb(0)
    for number, outcome in enumerate(_outcomes(trials, len(shares))):
        if number >= MAX_OUTCOMES:
            raise DerivationError(f"an expectation over {trials} tokens has too many outcomes to enumerate")
        weight = arb(factorial(trials))
        for count, share in zip(outcome, shares, strict=True):
            weight *= share**count / arb(factorial(count))
        if isinstance(law, TokenCounts):
            inner = Point(point.symbols, {**point.entries, law.counts: outcome})
        else:
            totals = {total: sp.Integer(c) for (total, _), c in zip(law.cells, outcome, strict=True)}
            inner = Point({**point.symbols, **totals}, point.entries)
        total += weight * value_at(node.body, inner)
    return total


def _outcomes(trials: int, cells: int) -> Iterator[tuple[int, ...]]:
    for head in product(range(trials + 1), repeat=cells - 1):
        if sum(head) <= trials:
            yield (*head, trials - sum(head))
