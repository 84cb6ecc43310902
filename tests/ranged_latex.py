"""Systems with index ranges to print, and a reader of what is printed, which knows nothing of the printer."""

from __future__ import annotations

import cmath
import re
from collections.abc import Callable, Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np
import sympy as sp

from symicl.systems.base import Coordinate, IndexRange, Parameter, System, SystemFamily
from symicl.systems.softmax_regression import softmax_regression

rows, columns, ranks = (sp.Symbol(name, integer=True, positive=True) for name in "ndr")
CHOICES = tuple(product("xA", (False, True)))


def regression(train: str, regularized: bool) -> SystemFamily:
    name = f"regression.{train}{'.regularized' if regularized else ''}"

    def build(values: Mapping[str, sp.Expr]) -> System:
        return softmax_regression(values["n"], values["d"], id=name, title=name, train=train, regularized=regularized)

    parameters = (Parameter(rows, "rows", minimum=1), Parameter(columns, "columns", minimum=1))
    return SystemFamily(name, name, parameters, build)


def factors() -> System:
    """Three trained families over three ranges that fight for two letters; what is descended is not the loss."""
    U, V, M = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "UVM")
    gain = sp.Symbol("g", real=True)
    R, C = IndexRange("rows", rows, ("i", "j")), IndexRange("columns", columns, ("j", "i"))
    K = IndexRange("ranks", ranks, ("i",))
    loss = R.sum(lambda i: C.sum(lambda j: (gain * K.sum(lambda k: U[i, k] * V[j, k]) - M[i, j]) ** 2)) / 2
    trained = (U[R.index("a"), K.index("a")], V[C.index("j"), K.index("k")], gain)
    return System(
        id="factors",
        title="factors",
        loss=loss,
        objective=loss + R.sum(lambda i: K.sum(lambda k: U[i, k] ** 2)),
        coordinates=tuple(Coordinate(variable) for variable in trained),
        ranges=(R, C, K),
    )


RANGED = (*(regression(*choice) for choice in CHOICES), factors())

Value = Callable[[Mapping[str, int]], complex]


class Reader:
    """Printed mathematics as a function of the values of its free indices; it knows nothing of how it was printed.

    Sums reach to the next term. Binding a letter that is free, or bound around, fails; so does an unknown name.
    """

    def __init__(self, text: str, values: Mapping[str, Any], letters: frozenset[str] | None = None) -> None:
        text = re.sub(r"\\label\{[^}]*\}|\\nonumber|\\quad|\\times|\\\\|\\left|\\right|&|\{\}|\^\{\(t\)\}", "", text)
        self.tokens = [*re.findall(r"\\[A-Za-z]+|[A-Za-z]|\d+|\S", text), "end"]
        self.values, self.letters, self.position = values, letters, 0

    def read(self) -> Value:
        value = self.sum()
        assert self.tokens[self.position] == "end", self.tokens[self.position :]
        return value

    def take(self, wanted: str = "") -> str:
        token = self.tokens[self.position]
        assert not wanted or token == wanted, (wanted, self.tokens[self.position :])
        self.position += 1
        return token

    def at(self, *tokens: str) -> bool:
        return self.tokens[self.position] in tokens

    def sum(self) -> Value:
        terms = []
        while not terms or self.at("+", "-"):
            sign = -1 if self.at("-") else 1
            if self.at("+", "-"):
                self.take()
            terms.append((sign, self.product()))
        return lambda free: sum(sign * term(free) for sign, term in terms)

    def product(self) -> Value:
        factors = [self.power()]
        while not self.at("+", "-", "}", ")", "end"):
            factors.append(self.power())
        return lambda free: prod(factor(free) for factor in factors)

    def power(self) -> Value:
        base = self.factor()
        if not self.at("^"):
            return base
        self.take()
        exponent = self.group()
        return lambda free: base(free) ** exponent(free)

    def group(self) -> Value:
        self.take("{")
        value = self.sum()
        self.take("}")
        return value

    def factor(self) -> Value:
        token = self.take()
        if token == "(":
            inner = self.sum()
            self.take(")")
            return inner
        if token == "\\frac":
            above, below = self.group(), self.group()
            return lambda free: above(free) / below(free)
        if token == "\\sum":
            return self.summed()
        if token == "e":
            self.take("^")
            exponent = self.group()
            return lambda free: cmath.exp(exponent(free))
        if token.isdigit():
            return lambda free: int(token)
        places = self.subscript() if self.at("_") else []
        if token == "\\delta":
            return lambda free: int(free[places[0]] == free[places[1]])
        value = self.values[token]
        return lambda free: value[tuple(free[place] - 1 for place in places)] if places else value

    def letter(self) -> str:
        """``i`` or ``i_{1}``."""
        name = self.take()
        if self.at("_"):
            self.take()
            self.take("{")
            name += self.take()
            self.take("}")
        return name

    def subscript(self) -> list[str]:
        self.take("_")
        self.take("{")
        places = [self.letter()]
        while self.at(","):
            self.take()
            places.append(self.letter())
        self.take("}")
        return places

    def summed(self) -> Value:
        self.take("_")
        self.take("{")
        letter = self.letter()
        for token in "=1}^{":
            self.take(token)
        size = self.values[self.take()]
        self.take("}")
        body = self.product()

        def total(free: Mapping[str, int]) -> complex:
            assert letter not in free, f"{letter} is bound where it has a meaning"
            return sum(body({**free, letter: value}) for value in range(1, size + 1))

        return total


def equations(latex: str) -> dict[str, tuple[str, str]]:
    """Left and right of every display, by label without the name of the system."""
    blocks = re.findall(r"\\begin\{align\}\n(.*?)\n\\end\{align\}", latex, flags=re.DOTALL)
    found = {}
    for block in blocks:
        for equation in re.split(r"(?<=\})\s*\\\\\n(?!&)", block):
            (name,) = re.findall(r"\\label\{eq:[^:]*:([^}]*)\}", equation)
            left, right = equation.split("&=", maxsplit=1)
            found[name] = (left.strip(), right)
    return found


def places(left: str) -> list[str]:
    """The indices on a left-hand side, in order."""
    subscripts = re.findall(r"[A-Za-z]_\{((?:[a-z](?:_\{\d\})?,?)+)\}", left.replace("L_{\\exp}", "L"))
    return [re.sub("[{}_]", "", letter) for group in subscripts for letter in group.split(",")]


def entries(text: tuple[str, str], values: Mapping[str, Any], *sizes: int) -> np.ndarray:
    """The right-hand side at all values of the indices on the left."""
    letters, read = places(text[0]), Reader(text[1], values).read()
    assert len(letters) == len(set(letters)) == len(sizes)
    numbers = [read(dict(zip(letters, at, strict=True))) for at in product(*(range(1, size + 1) for size in sizes))]
    return np.array(numbers).reshape(sizes)
