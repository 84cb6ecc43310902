"""The value of any expression at a point, in balls, straight from its definition.

Sums over features are added up, expectations are enumerated, nothing is simplified first: a way of evaluating that
shares no step with the derivation, for refuting statements and for testing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import factorial
from typing import Any

import sympy as sp
from flint import arb, fmpq

from symicl.arithmetic import ARITHMETICS, whole_number
from symicl.errors import DerivationError, InputError
from symicl.expectation import Expectation, Multinomial, TokenCounts
from symicl.indices import SumOver

MAX_OUTCOMES = 5000
"""The most prompts enumerated for one expectation."""


@dataclass(frozen=True)
class Point:
    """Exact values of symbols and of indexed entries, and the features that index symbols stand for.

    ``entries`` maps an indexed base to a tuple (one index) or a tuple of tuples (two), a value a feature; ``features``
    maps index symbols to positions from 0 (as numbers, features count from 1).
    """

    symbols: Mapping[sp.Symbol, sp.Rational]
    entries: Mapping[sp.IndexedBase, Sequence[Any]]
    features: Mapping[sp.Symbol, int] = field(default_factory=dict)

    def shown(self) -> dict[str, str]:
        """The point as text, for evidence; features count from 1."""
        numbers = {**self.symbols, **{index: position + 1 for index, position in self.features.items()}}
        symbols = {str(s): str(v) for s, v in sorted(numbers.items(), key=lambda item: str(item[0]))}
        return symbols | {str(base): _shown(values) for base, values in self.entries.items()}


def _shown(values: object) -> str:
    return f"({', '.join(map(_shown, values))})" if isinstance(values, tuple) else str(values)


def value_at(expression: sp.Expr, point: Point) -> arb:
    """The value as a ball at the current precision.

    Raises ``InputError`` for something the point gives no value to, ``DerivationError`` for an expectation with too
    many outcomes or a function without a rule.
    """
    if expression.is_Rational:
        return arb(fmpq(int(expression.p), int(expression.q)))
    if expression.is_Symbol:
        if expression in point.features:
            return arb(point.features[expression] + 1)
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
        power = value_at(exponent, point)
        whole = _exact_integer(power)
        if whole is not None:
            return _power(value_at(base, point), whole)
        return (power * value_at(base, point).log()).exp()
    if expression is sp.E:
        return arb(1).exp()
    if isinstance(expression, sp.exp):
        return value_at(expression.args[0], point).exp()
    if isinstance(expression, sp.log):
        return value_at(expression.args[0], point).log()
    if isinstance(expression, sp.Abs):
        return abs(value_at(expression.args[0], point))
    if isinstance(expression, sp.KroneckerDelta):
        left, right = (_feature(index, point) for index in expression.args)
        return arb(int(left == right))
    if isinstance(expression, SumOver):
        return _sum(expression, point)
    if isinstance(expression, Expectation):
        return _mean(expression, point)
    raise DerivationError(f"no rule to evaluate {expression.func.__name__}", where=str(expression))


def _power(base: arb, exponent: int) -> arb:
    """An integer power; Arb's own is NaN for a ball around zero."""
    return ARITHMETICS["ball"].power(base, exponent) if exponent > 0 and base.contains(0) else base**exponent


def _feature(index: sp.Expr, point: Point) -> int:
    if not index.is_Symbol:
        return _integer(index, point) - 1
    if index not in point.features:
        raise InputError(f"no feature is given for the index {index}", where=str(index))
    return point.features[index]


def _symbol(symbol: sp.Expr, point: Point) -> sp.Rational:
    if symbol not in point.symbols:
        raise InputError(f"no value for {symbol}", where=str(symbol), remedy="declare it as a parameter of the system")
    return point.symbols[symbol]


def _entry(entry: sp.Indexed, point: Point) -> sp.Rational:
    if entry.base not in point.entries:
        raise InputError(f"no values for {entry.base}", where=str(entry))
    values = point.entries[entry.base]
    for index in entry.indices:
        position = _feature(index, point)
        if not 0 <= position < len(values):
            raise InputError(f"there is no feature {position + 1}", where=str(entry))
        values = values[position]
    return sp.sympify(values, strict=True)


def _sum(node: SumOver, point: Point) -> arb:
    excluded = {_feature(feature, point) for feature in node.excluded}
    total = arb(0)
    for position in range(_integer(node.size, point)):
        if position not in excluded:
            inner = Point(point.symbols, point.entries, {**point.features, node.index: position})
            total += value_at(node.body, inner)
    return total


def _integer(expression: sp.Expr, point: Point) -> int:
    value = _exact_integer(value_at(expression, point))
    if value is None:
        raise InputError(f"{expression} is not an integer at this point", where=str(expression))
    return value


def _exact_integer(value: arb) -> int | None:
    """The integer that an exact ball is, if it is one."""
    return whole_number(value) if value.is_exact() and value.is_integer() else None


def _mean(node: Expectation, point: Point) -> arb:
    law = node.law
    if isinstance(law, TokenCounts):
        shares = [value_at(sp.sympify(p, strict=True), point) for p in point.entries[law.probabilities]]
    elif isinstance(law, Multinomial):
        shares = [value_at(probability, point) for _, probability in law.cells]
    else:
        raise DerivationError(f"no rule to enumerate {type(law).__name__}")
    trials = _integer(law.trials, point)
    total = arb(0)
    for number, outcome in enumerate(_outcomes(trials, len(shares))):
        if number >= MAX_OUTCOMES:
            raise DerivationError(f"an expectation over {trials} tokens has too many outcomes to enumerate")
        weight = arb(factorial(trials))
        for count, share in zip(outcome, shares, strict=True):
            weight *= share**count / arb(factorial(count))
        if isinstance(law, TokenCounts):
            inner = Point(point.symbols, {**point.entries, law.counts: outcome}, point.features)
        else:
            totals = {total: sp.Integer(c) for (total, _), c in zip(law.cells, outcome, strict=True)}
            inner = Point({**point.symbols, **totals}, point.entries, point.features)
        total += weight * value_at(node.body, inner)
    return total


def _outcomes(trials: int, cells: int) -> Iterator[tuple[int, ...]]:
    for head in product(range(trials + 1), repeat=cells - 1):
        if sum(head) <= trials:
            yield (*head, trials - sum(head))
