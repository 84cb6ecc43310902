"""Index-level expressions over arrays of numbers: compiled once, for any number type.

Every sum, exponential and name of the notation becomes an array over its free indices, computed once, so that a
gradient costs what it costs by hand. A softmax is computed with its largest exponent taken off: nothing overflows.
Small arrays are written out entry by entry; larger ones as list comprehensions, whose code has one size at any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import sympy as sp

from symicl.arithmetic import Arithmetic, Number
from symicl.errors import DerivationError, InputError
from symicl.indices import Index, SumOver, like_index, range_of
from symicl.notation import fold, softmax_exponent
from symicl.systems.base import Definition, System

Indices = tuple[Index, ...]

MOST_WRITTEN = 2000
"""The most operations that are written out one by one."""


def compile_entries(
    system: System, outputs: Sequence[tuple[sp.Expr, Indices]], arithmetic: Arithmetic
) -> Callable[..., tuple[Any, ...]]:
    """A function of the trained arrays (in the order of the coordinates) that returns an array for each output.

    An output is an expression with its free indices; its array is nested in their order, a number where there are none.
    Arguments are nested sequences of numbers, plain numbers for symbols. Call this and the function inside
    ``arithmetic.working``. Raises ``InputError`` where a size or an array has no value, ``DerivationError`` for
    expressions that have no code.
    """
    folded = [(fold(system, expression), indices) for expression, indices in outputs]
    if all(each.size.is_Integer for each in system.ranges):
        with suppress(_TooLong):
            return _StraightWriter(system, arithmetic).function(folded)
    return _Writer(system, arithmetic).function(folded)


def stable_softmax(exponents: Sequence[Number], arithmetic: Arithmetic) -> list[Number]:
    """``exp(u_i) / sum over l of exp(u_l)``; every exponential taken is at most about 1."""
    largest = max(map(arithmetic.midpoint, exponents))
    weights = [arithmetic.exp(u - largest) for u in exponents]
    total = sum(weights[1:], weights[0])
    return [weight / total for weight in weights]


def array_of(values: Any, arithmetic: Arithmetic) -> Any:
    """Exact numbers, nested or not, as numbers of the arithmetic."""
    if isinstance(values, tuple | list):
        return [array_of(value, arithmetic) for value in values]
    return arithmetic.number(values)


class _Writer:
    """Writes the source of one function; numbers are bound by name, never printed and read back."""

    def __init__(self, system: System, arithmetic: Arithmetic) -> None:
        self.system, self.arithmetic = system, arithmetic
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"exp": arithmetic.exp, "log": arithmetic.log, "sqrt": arithmetic.sqrt}
        self.scope["power"] = arithmetic.power
        self.known: dict[Any, str] = {}
        self.neutrals: dict[sp.Expr, tuple[sp.Expr, Indices]] = {}
        self.constants: dict[sp.Expr, str] = {}
        self.letters: dict[Index, str] = {}
        self.arguments: list[str] = []
        self.bases: dict[sp.Expr, str] = {}
        self.definitions: dict[sp.Expr, Definition] = {
            (d.name.base if isinstance(d.name, sp.Indexed) else d.name): d for d in system.definitions
        }
        for base, values in system.arrays:
            self.bases[base] = self.bind("data", array_of(values, arithmetic))
        for position, coordinate in enumerate(system.coordinates):
            variable = coordinate.variable
            self.bases[variable.base if isinstance(variable, sp.Indexed) else variable] = f"a{position}"
            self.arguments.append(f"a{position}")

    def function(self, outputs: Sequence[tuple[sp.Expr, Indices]]) -> Callable[..., tuple[Any, ...]]:
        results = [self.array(expression, indices) for expression, indices in outputs]
        body = "\n        ".join([*self.lines, f"return ({''.join(code + ', ' for code in results)})"])
        inner = f"    def compiled({', '.join(self.arguments)}):\n        {body}\n    return compiled\n"
        source = f"def bind({', '.join(self.scope)}):\n{inner}"
        space: dict[str, Any] = {}
        exec(compile(source, "<symicl>", "exec"), space)
        return space["bind"](**self.scope)  # type: ignore[no-any-return]

    def array(self, expression: sp.Expr, indices: Indices) -> str:
        return self.nested(self.write(expression), indices)

    def bind(self, stem: str, value: Any) -> str:
        name = f"{stem}{len(self.scope)}"
        self.scope[name] = value
        return name

    def size(self, over: str) -> int:
        size = self.system.size_of(over)
        if not size.is_Integer:
            raise InputError(f"{self.system.id} has no number of {over}", where=str(size), remedy="give it a value")
        return int(size)

    def letter(self, index: sp.Symbol) -> str:
        if not isinstance(index, Index):
            raise DerivationError(f"{index} is no index of a range of {self.system.id}")
        return self.letters.setdefault(index, f"i{len(self.letters)}")

    def nested(self, code: str, indices: Indices) -> str:
        """The array of a code over its indices, the first one outermost."""
        for index in reversed(indices):
            code = f"[{code} for {self.letter(index)} in range({self.size(index.over)})]"
        return code

    def write(self, expression: sp.Expr) -> str:
        """The expression as source text, its parts with a cost of their own computed before."""
        if expression.is_Rational or expression is sp.E:
            return self.constant(expression)
        if isinstance(expression, sp.Indexed):
            return self.entry(expression)
        if expression.is_Symbol:
            return self.symbol(expression)
        if isinstance(expression, sp.Add):
            return f"({' + '.join(map(self.write, expression.args))})"
        if isinstance(expression, sp.Mul):
            return f"({' * '.join(map(self.write, expression.args))})"
        if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
            return self.power(expression)
        if isinstance(expression, sp.KroneckerDelta):
            left, right = map(self.letter, expression.args)
            return f"({self.constant(sp.S.One)} if {left} == {right} else {self.constant(sp.S.Zero)})"
        if isinstance(expression, SumOver | sp.exp | sp.log) or _is_root(expression):
            return self.shared(expression)
        raise DerivationError(f"no code for {expression.func.__name__}", where=str(expression))

    def constant(self, value: sp.Expr) -> str:
        if value not in self.constants:
            number = self.arithmetic.number
            self.constants[value] = self.bind(
                "c", number(value) if value.is_Rational else self.arithmetic.exp(number(1))
            )
        return self.constants[value]

    def power(self, expression: sp.Expr) -> str:
        base, exponent = expression.args
        if exponent < 0:
            return f"({self.constant(sp.S.One)} / {self.write(base**-exponent)})"
        return f"power({self.write(base)}, {exponent})" if exponent > 1 else self.write(base)

    def symbol(self, symbol: sp.Symbol) -> str:
        if symbol in self.definitions and symbol not in self.bases:
            self.bases[symbol] = self.assign(self.write(self.definitions[symbol].body))
        for size in self.system.ranges:
            if symbol == size.size:
                return self.constant(sp.Integer(self.size(size.name)))
        if symbol not in self.bases:
            raise InputError(f"no value for {symbol}", where=self.system.id, remedy="give every parameter a value")
        return self.bases[symbol]

    def entry(self, entry: sp.Indexed) -> str:
        if entry.base not in self.bases:
            if entry.base not in self.definitions:
                raise InputError(f"no values for {entry.base}", where=self.system.id, remedy="give its array")
            self.bases[entry.base] = self.named(self.definitions[entry.base])
        return self.bases[entry.base] + "".join(f"[{self.letter(index)}]" for index in entry.indices)

    def named(self, definition: Definition) -> str:
        """The array of a name of the notation."""
        indices = definition.name.indices
        exponent = softmax_exponent(definition, self.system.definitions)
        if exponent is None:
            return self.assign(self.nested(self.write(definition.body), indices))
        self.scope.setdefault("softmax", lambda values: stable_softmax(values, self.arithmetic))
        return self.assign(f"softmax({self.nested(self.write(exponent), indices)})")

    def assign(self, code: str) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {code}")
        return name

    def shared(self, expression: sp.Expr) -> str:
        """An array over the free indices of the expression, computed once whatever its indices are called."""
        key, free = self.neutral(expression)
        if key not in self.known:
            self.known[key] = self.assign(self.nested(self.code(expression), free))
        return self.known[key] + "".join(f"[{self.letter(index)}]" for index in free)

    def neutral(self, expression: sp.Expr) -> tuple[sp.Expr, Indices]:
        """The expression with its free indices renamed in order, and these."""
        if expression not in self.neutrals:
            free = tuple(sorted((s for s in expression.free_symbols if range_of(s)), key=lambda s: (s.over, s.name)))
            names = {index: like_index(index, f"_free{position}") for position, index in enumerate(free)}
            self.neutrals[expression] = expression.xreplace(names), free
        return self.neutrals[expression]

    def code(self, expression: sp.Expr) -> str:
        if not isinstance(expression, SumOver):
            name = "sqrt" if _is_root(expression) else expression.func.__name__
            return f"{name}({self.write(expression.args[0])})"
        index = like_index(expression.index, f"_sum{len(self.letters)}")
        self.letter(index)  # takes the name, before an inner sum looks for one
        body = self.write(expression.body.xreplace({expression.index: index}))
        left_out = [self.letter(other) for other in expression.excluded]
        skipped = "".join(f" if {self.letter(index)} != {other}" for other in left_out)
        over = f"for {self.letter(index)} in range({self.size(range_of(index))}){skipped}"
        return f"sum(({body} {over}), {self.constant(sp.S.Zero)})"


class _TooLong(Exception):
    """Written out, the function would be longer than it is worth."""


class _StraightWriter(_Writer):
    """The same function without loops, two to four times as fast on small arrays.

    Every entry has a name of its own, and exact numbers are multiplied with each other once, before they become numbers
    of the arithmetic. ``places`` are the positions of the indices in the expression that is being written.
    """

    def __init__(self, system: System, arithmetic: Arithmetic) -> None:
        super().__init__(system, arithmetic)
        self.places: dict[sp.Symbol, int] = {}
        self.exact = dict(system.arrays)
        self.entries: dict[sp.Expr, Any] = {}
        self.written = 0
        for coordinate, argument in zip(system.coordinates, self.arguments, strict=True):
            if isinstance(coordinate.variable, sp.Indexed):
                sizes = [self.size(index.over) for index in coordinate.variable.indices]
                if prod(sizes) > MOST_WRITTEN:
                    raise _TooLong
                self.entries[coordinate.variable.base] = names = _names(sizes, f"{argument}_")
                self.lines.append(f"{_pattern(names)} = {argument}")

    def over(self, indices: Indices, written: Callable[[], Any]) -> Any:
        """What is written at every position of the indices, nested, the first one outermost."""
        if not indices:
            return written()
        outside, (index, *rest) = self.places, indices
        self.letter(index)  # refuses what is no index
        result = []
        for position in range(self.size(index.over)):
            self.places = {**outside, index: position}
            result.append(self.over(tuple(rest), written))
        self.places = outside
        return result

    def array(self, expression: sp.Expr, indices: Indices) -> str:
        return _pattern(self.over(indices, lambda: self.write(expression)))

    def write(self, expression: sp.Expr) -> str:
        self.written += 1
        if self.written > MOST_WRITTEN:
            raise _TooLong
        known = self.number(expression)
        if known is not None:
            return self.constant(known)
        if isinstance(expression, sp.Mul):
            numbers = [self.number(factor) for factor in expression.args]
            scale = sp.Mul(*(number for number in numbers if number is not None))
            if scale == 0:
                return self.constant(sp.S.Zero)
            others = [self.write(f) for f, number in zip(expression.args, numbers, strict=True) if number is None]
            if not others:
                return self.constant(scale)
            first = [] if abs(scale) == 1 else [self.constant(abs(scale))]
            return f"({'-' if scale < 0 else ''}{' * '.join([*first, *others])})"
        if isinstance(expression, sp.Add):
            return self.sum([self.write(term) for term in expression.args])
        return super().write(expression)

    def number(self, expression: sp.Expr) -> sp.Rational | None:
        """The value of an exact number or an entry of the data, and of powers of these."""
        if expression.is_Rational:
            return expression
        if isinstance(expression, sp.Indexed) and expression.base in self.exact:
            return _entry(self.exact[expression.base], self.positions(expression))
        if isinstance(expression, sp.KroneckerDelta):
            left, right = self.positions(expression)
            return sp.Integer(int(left == right))
        if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
            base = self.number(expression.base)
            return None if base is None or (base == 0 and expression.exp < 0) else base**expression.exp
        return None

    def positions(self, expression: sp.Expr) -> list[int]:
        """Where the indices of an entry, or of a delta, are."""
        for index in expression.args[-2:] if isinstance(expression, sp.KroneckerDelta) else expression.indices:
            self.letter(index)
        return [self.places[index] for index in expression.args if index in self.places]

    def entry(self, entry: sp.Indexed) -> str:
        if entry.base not in self.entries:
            if entry.base not in self.definitions:
                raise InputError(f"no values for {entry.base}", where=self.system.id, remedy="give its array")
            self.entries[entry.base] = self.named_entries(self.definitions[entry.base])
        return str(_entry(self.entries[entry.base], self.positions(entry)))

    def named_entries(self, definition: Definition) -> Any:
        """The names that hold the entries of a name of the notation."""
        indices = definition.name.indices
        exponent = softmax_exponent(definition, self.system.definitions)
        if exponent is None:
            return self.over(indices, lambda: self.assign(self.write(definition.body)))
        self.scope.setdefault("softmax", lambda values: stable_softmax(values, self.arithmetic))
        exponents = self.over(indices, lambda: self.write(exponent))
        names = _names([len(exponents)], f"t{len(self.lines)}")
        self.lines.append(f"{_pattern(names)} = softmax({_pattern(exponents)})")
        return names

    def shared(self, expression: sp.Expr) -> str:
        neutral, free = self.neutral(expression)
        key = (neutral, *(self.places[index] for index in free))
        if key not in self.known:
            self.known[key] = self.assign(self.code(expression))
        return self.known[key]

    def code(self, expression: sp.Expr) -> str:
        if not isinstance(expression, SumOver):
            return super().code(expression)
        left_out = {self.places[other] for other in expression.excluded}
        index = expression.index
        terms = self.over((index,), lambda: "" if self.places[index] in left_out else self.write(expression.body))
        return self.sum([term for term in terms if term])

    def sum(self, terms: Sequence[str]) -> str:
        """A sum without zeros; a product with a minus in front is subtracted."""
        zero = self.constant(sp.S.Zero)
        first, *others = [term for term in terms if term != zero] or [zero]
        signed = [f" - ({term[2:]}" if term.startswith("(-") else f" + {term}" for term in others]
        return f"({first}{''.join(signed)})"


def _entry(nested: Any, positions: Sequence[int]) -> Any:
    for position in positions:
        nested = nested[position]
    return nested


def _names(sizes: Sequence[int], stem: str) -> Any:
    """Names for the entries of an array, nested as it is."""
    return [_names(sizes[1:], f"{stem}_{position}") for position in range(sizes[0])] if sizes else stem


def _pattern(names: Any) -> str:
    """Nested names as the source of a nested list."""
    return names if isinstance(names, str) else f"[{', '.join(map(_pattern, names))}]"


def _is_root(expression: sp.Expr) -> bool:
    return isinstance(expression, sp.Pow) and expression.exp == sp.Rational(1, 2)


__all__ = ["array_of", "compile_entries", "stable_softmax"]
