"""Expressions as straight-line code that also runs backwards: a value and all its derivatives, in balls or floats.

Not the code of ``evaluate``: there every exponent is expanded, which undoes the differences that keep the balls of a
softmax small, and the square of a ball may be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS, Arithmetic
from symicl.errors import InputError


class Hypotenuse(sp.Function):
    """``sqrt(x^2 + y^2)``, and no square root of an expression that its ball may show as negative."""

    nargs = 2


class Exponential(sp.Function):
    """``exp(x)``, and not what SymPy makes of it: ``exp(t + log(r))`` stays one exponential of one ball."""

    nargs = 1


@dataclass(frozen=True)
class Code:
    """An expression as a function of the free symbols: its value, and its value followed by its derivatives."""

    value: Callable[..., Any]
    slopes: Callable[..., Any]
    symbols: frozenset[int]


def ball_power(x: arb, n: int) -> arb:
    """The powers of the numbers in a ball. From the ends: as a product, an even power may come out negative."""
    if n == 1:
        return x  # flint's power of an inexact ball around 0 is NaN, whatever the exponent
    if x.is_exact():
        return x**n
    low, high = (x.lower(), x.upper()) if n % 2 else (x.abs_lower(), x.abs_upper())
    return (low**n).union(high**n)


def ball_hypot(x: arb, y: arb) -> arb:
    """``sqrt(x^2 + y^2)``, never negative."""
    low, high = ((f(x) ** 2 + f(y) ** 2).sqrt() for f in (arb.abs_lower, arb.abs_upper))
    return low.union(high)


def ball_cosine(x: arb, y: arb) -> arb:
    """The derivatives of the hypotenuse by x: ``x / hypot``, at the origin all of [-1, 1] (Clarke's derivatives).

    A mean-value theorem holds for them too: G. Lebourg, "Valeur moyenne pour gradient généralisé" (1975).
    """
    below = ball_hypot(x, y)
    if not below > 0:
        return arb(0, 1)
    ratio = x / below
    return ratio if abs(ratio) < 1 else ratio.lower().max(arb(-1)).union(ratio.upper().min(arb(1)))


@dataclass(frozen=True)
class _Numbers:
    """An arithmetic and what else the code calls."""

    arithmetic: Arithmetic
    power: Callable[[Any, int], Any]
    hypot: Callable[[Any, Any], Any]
    cosine: Callable[[Any, Any], Any]


BALLS = _Numbers(ARITHMETICS["ball"], ball_power, ball_hypot, ball_cosine)
FLOATS = _Numbers(ARITHMETICS["float64"], pow, hypot, lambda x, y: x / (hypot(x, y) or 1.0))


def compiled(expression: sp.Expr, arguments: Sequence[sp.Symbol], numbers: _Numbers) -> Code:
    """The expression as code in one kind of numbers. Raises ``InputError`` for what has no code."""
    tape = _Tape(arguments, numbers)
    result = tape.name(expression)
    values = tuple(tape.lines)
    slopes = tape.derivatives(result)
    used = frozenset(i for i, name in enumerate(slopes) if name != tape.zero)
    return Code(tape.function(values, result), tape.function(tape.lines, ", ".join([result, *slopes, ""])), used)


class _Tape:
    """Straight-line code, one line a node, each distinct subexpression once; and the same run backwards."""

    def __init__(self, arguments: Sequence[sp.Symbol], numbers: _Numbers) -> None:
        self.arithmetic = numbers.arithmetic
        self.scope: dict[str, Any] = {name: getattr(numbers.arithmetic, name) for name in ("exp", "log", "sqrt")}
        self.scope |= {"power": numbers.power, "hypot": numbers.hypot, "cosine": numbers.cosine}
        self.arguments = [f"a{i}" for i in range(len(arguments))]
        self.names: dict[sp.Expr, str] = dict(zip(arguments, self.arguments, strict=True))
        self.lines: list[str] = []
        self.partials: dict[str, list[tuple[str, str]]] = {}
        self.zero, self.one = self.name(sp.S.Zero), self.name(sp.S.One)

    def name(self, expression: sp.Expr) -> str:
        """The variable that holds the value of an expression."""
        if expression not in self.names:
            if expression.is_Rational or expression is sp.E:
                number = self.arithmetic.number
                value = number(expression) if expression.is_Rational else self.arithmetic.exp(number(1))
                self.names[expression] = name = f"c{len(self.scope)}"
                self.scope[name] = value
            else:
                code, partials = self.node(expression)
                self.names[expression] = name = f"t{len(self.lines)}"
                self.lines.append(f"{name} = {code}")
                self.partials[name] = [(x, d.replace("#", name)) for x, d in partials if not x.startswith("c")]
        return self.names[expression]

    def node(self, expression: sp.Expr) -> tuple[str, list[tuple[str, str]]]:
        """The code of one operation and of its partial derivatives, ``#`` standing for its own value."""
        names = [self.name(argument) for argument in expression.args[: 1 if expression.is_Pow else None]]
        if expression.is_Add:
            return " + ".join(names), [(x, self.one) for x in names]
        if expression.is_Mul:
            others = (" * ".join(names[:i] + names[i + 1 :]) for i in range(len(names)))
            return " * ".join(names), list(zip(names, others, strict=True))
        if isinstance(expression, sp.exp | Exponential):
            return f"exp({names[0]})", [(names[0], "#")]
        if isinstance(expression, sp.log) and len(names) == 1:
            return f"log({names[0]})", [(names[0], f"{self.one} / {names[0]}")]
        if isinstance(expression, Hypotenuse):
            x, y = names
            return f"hypot({x}, {y})", [(x, f"cosine({x}, {y})"), (y, f"cosine({y}, {x})")]
        if expression.is_Pow:
            return self.power(expression.base, expression.exp)
        raise InputError(
            f"no code for {expression.func.__name__}",
            where=str(expression),
            remedy="write it with symbols, rational numbers, sums, products, powers, exp and log",
        )

    def power(self, base: sp.Expr, exponent: sp.Expr) -> tuple[str, list[tuple[str, str]]]:
        x = self.name(base)
        if exponent.is_Integer and exponent > 0:
            n = int(exponent)
            return f"power({x}, {n})", [(x, f"{self.name(exponent)} * {x if n == 2 else f'power({x}, {n - 1})'}")]
        if exponent == -1:
            return f"{self.one} / {x}", [(x, "-power(#, 2)")]
        if exponent.is_Integer:
            return self.power(1 / base, -exponent)
        if exponent == sp.Rational(1, 2):
            return f"sqrt({x})", [(x, f"{self.name(exponent)} / #")]
        e = self.name(exponent)
        return f"exp({e} * log({x}))", [(x, f"{e} * # / {x}"), (e, f"# * log({x})")]

    def derivatives(self, result: str) -> list[str]:
        """Write the derivatives of a result by the arguments; their names."""
        sums = {result: [self.one]}
        for name in reversed(self.partials):
            if name in sums:
                self.lines.append(f"d{name} = {' + '.join(sums[name])}")
                for x, code in self.partials[name]:
                    sums.setdefault(x, []).append(f"d{name}" if code == self.one else f"d{name} * {code}")
        for name in self.arguments:
            if name in sums:
                self.lines.append(f"d{name} = {' + '.join(sums[name])}")
        return [f"d{name}" if name in sums else self.zero for name in self.arguments]

    def function(self, lines: Sequence[str], result: str) -> Callable[..., Any]:
        """Compile lines over the arguments. Nothing but names this class made up goes into the source."""
        body = "\n        ".join([*lines, f"return {result}"])
        inner = f"    def compiled({', '.join(self.arguments)}):\n        {body}\n    return compiled\n"
        space: dict[str, Any] = {}
        exec(compile(f"def bind({', '.join(self.scope)}):\n{inner}", "<symicl>", "exec"), space)
        return space["bind"](**self.scope)  # type: ignore[no-any-return]
