"""SymPy's LaTeX printer, taught sums over features, expectations and names for whole subexpressions."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter

from symicl.attention import ATTENTION, readable
from symicl.expectation import Expectation
from symicl.gather import gather
from symicl.indices import BOUND_NAMES, Index, SumOver, range_of
from symicl.systems.base import IndexRange

NOT_INDICES = ("e", "t")
"""Letters that no bound index gets: the base of exponentials and the step."""


def letter_for(over: str, ranges: Sequence[IndexRange], taken: Container[str]) -> str:
    """The first letter of a range that is not taken; the empty name stands for the features.

    When all are, the letters with a number: ``i1``.
    """
    own = next((each.letters for each in ranges if each.name == over), ()) or BOUND_NAMES
    numbered = (f"{letter}{number}" for number in count(1) for letter in own)
    return next(letter for letter in chain(own, numbered) if letter not in taken and letter not in NOT_INDICES)


class Printer(LatexPrinter):
    """SymPy's LaTeX printer with sums over features, expectations, and names for whole subexpressions.

    ``names`` maps subexpressions to their names, ``symbols`` names of symbols to LaTeX, ``entries`` the base of an
    indexed quantity to its names on and off the diagonal, ``bound`` lists bound indices from the innermost outwards.

    In systems with ``ranges`` a bound index gets a letter of its range instead: the first that is not free in the sum,
    not used by a sum around it and not among ``reserved``, the names of symbols elsewhere in the formula.
    """

    def __init__(
        self,
        names: Mapping[sp.Expr, str] | None = None,
        symbols: Mapping[str, str] | None = None,
        entries: Mapping[str, tuple[str, str]] | None = None,
        bound: Sequence[str] = BOUND_NAMES,
        ranges: Sequence[IndexRange] = (),
        reserved: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.names, self.symbols, self.entries, self.bound = names or {}, symbols or {}, entries or {}, bound
        self.ranges, self.reserved = ranges, frozenset(reserved)
        self.scope: dict[sp.Symbol, str] = {}

    def _print(self, expr: Any, **kwargs: Any) -> str:
        if isinstance(expr, sp.Expr) and expr in self.names:
            return self.names[expr]
        return str(super()._print(expr, **kwargs))

    def bracketed(self, expression: sp.Expr) -> str:
        """As a factor: sums in brackets, unless they have a name."""
        text = self._print(expression)
        loose = isinstance(expression, sp.Add | SumOver) and expression not in self.names
        return rf"\left({text}\right)" if loose else text

    def terms(self, expression: sp.Expr) -> list[str]:
        """The terms of a sum with their signs: positive ones first, and of a sign constants after what moves."""
        if expression in self.names or not isinstance(expression, sp.Add):
            return [self._signed(self._print(expression))]
        ordered = self._as_ordered_terms(expression)
        if self.ranges:
            ordered.sort(key=self._print)
        ordered.sort(key=lambda t: (self._print(t).startswith("-"), isinstance(t, SumOver), _constant(t)))
        last = len(ordered) - 1
        return [
            self._signed(
                self.bracketed(t) if isinstance(t, SumOver) and i < last and not _ranged(t) else self._print(t)
            )
            for i, t in enumerate(ordered)
        ]

    @staticmethod
    def _signed(text: str) -> str:
        return f"- {text[1:].lstrip()}" if text.startswith("-") else f"+ {text}"

    def _print_Add(self, expr: sp.Expr, order: Any = None) -> str:
        return " ".join(self.terms(expr)).removeprefix("+ ")

    def _print_Mul(self, expr: sp.Expr) -> str:
        constant, factors = expr.as_coeff_mul(rational=True)
        exponents = [factor.args[0] for factor in factors if isinstance(factor, sp.exp)]
        above, below, behind = [], [], []
        for factor in factors:
            if isinstance(factor, sp.exp):
                continue
            base, power = factor.as_base_exp()
            if isinstance(factor, Expectation | SumOver):
                behind.append(factor)
            elif power.is_Rational and power < 0:
                below.append(base**-power)
            else:
                above.append(factor)
        top = self._ordered(above)
        if exponents:
            top.append(f"e^{{{self._print(sp.Add(*exponents))}}}")
        if abs(constant.p) != 1 or not (top or behind or below):
            top.insert(0, str(abs(constant.p)))
        bottom = ([str(constant.q)] if constant.q != 1 else []) + self._ordered(below)
        if bottom:
            if len(below) == 1 and constant.q == 1 and len(bottom) == 1 and isinstance(below[0], sp.Add | SumOver):
                bottom = [self._print(below[0])]
            if len(above) == 1 and len(top) == 1 and isinstance(above[0], sp.Add):
                top = [self._print(above[0])]
            top = [rf"\frac{{{' '.join(top) or '1'}}}{{{' '.join(bottom)}}}"]
        behind.sort(key=lambda factor: (isinstance(factor, SumOver), sp.default_sort_key(factor)))
        top += [self._print(f) if i == len(behind) - 1 else self.bracketed(f) for i, f in enumerate(behind)]
        return ("- " if constant < 0 else "") + " ".join(top)

    def _ordered(self, factors: Iterable[sp.Expr]) -> list[str]:
        """Factors as LaTeX: Greek letters, parameters, then what moves: symbols before brackets."""

        def place(factor: sp.Expr) -> tuple[bool, bool, bool, Any]:
            base = factor.as_base_exp()[0]
            single = base.is_Symbol or (isinstance(base, sp.Indexed) and base.base != ATTENTION)
            greek = self._print(base).startswith("\\") and base.is_Symbol
            moves = not _constant(base) and not (single and not base.is_Symbol)
            return not greek, moves, isinstance(base, sp.Add), sp.default_sort_key(factor)

        return [self.bracketed(factor) for factor in sorted(factors, key=place)]

    def _print_Pow(self, expr: sp.Expr) -> str:
        base, power = expr.as_base_exp()
        if power.is_Rational and power < 0:
            return rf"\frac{{1}}{{{self._print(base**-power)}}}"
        if not power.is_Integer:
            return str(super()._print_Pow(expr))
        text = self.bracketed(base)
        simple = base.is_Symbol or base in self.names or isinstance(base, sp.Indexed | sp.Add | SumOver)
        return f"{text}^{{{power}}}" if simple else rf"\left({text}\right)^{{{power}}}"

    def _print_exp(self, expr: sp.Expr) -> str:
        return f"e^{{{self._print(expr.args[0])}}}"

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        if expr in self.scope:
            return str(super()._print_Symbol(sp.Symbol(self.scope[expr])))
        if re.fullmatch(r"_\d+", expr.name):
            return self.bound[int(expr.name[1:]) % len(self.bound)]
        if expr.name in self.symbols:
            return self.symbols[expr.name]
        stem, _, suffix = expr.name.partition("_")
        parts = suffix.split("_")
        if all(part.isalnum() for part in parts) and (len(parts) > 1 or (len(suffix) > 1 and suffix.isalpha())):
            shown = (rf"\mathrm{{{part}}}" if len(part) > 1 and part.isalpha() else part for part in parts)
            return f"{stem}_{{{','.join(shown)}}}"
        return str(super()._print_Symbol(expr))

    def _print_Indexed(self, expr: sp.Indexed) -> str:
        stem, indices = str(expr.base), list(expr.indices)
        if stem in self.entries and len(indices) == 2:
            diagonal, off = self.entries[stem]
            stem, indices = (diagonal, indices[:1]) if indices[0] == indices[1] else (off, indices[::-1])
        stem = self.symbols.get(stem, stem)
        return f"{stem}_{{{','.join(self._print(index) for index in indices)}}}"

    def _print_KroneckerDelta(self, expr: sp.KroneckerDelta, exp: str | None = None) -> str:
        delta = rf"\delta_{{{','.join(self._print(index) for index in expr.args)}}}"
        return delta if exp is None else f"{delta}^{{{exp}}}"

    def _print_SumOver(self, expr: SumOver) -> str:
        if not (self.ranges or _ranged(expr)):
            return self._sum(expr)
        scope, reserved = self.scope, self.reserved
        self.reserved |= {symbol.name for symbol in expr.free_symbols if symbol.is_Symbol and symbol not in scope}
        letter = letter_for(range_of(expr.index), self.ranges, self.reserved.union(scope.values()))
        self.scope = {**scope, expr.index: letter}
        try:
            return self._sum(expr)
        finally:
            self.scope, self.reserved = scope, reserved

    def _sum(self, expr: SumOver) -> str:
        index = self._print(expr.index)
        skipped = ", ".join(self._print(feature) for feature in expr.excluded)
        sign = rf"\sum_{{{index} \neq {skipped}}}" if skipped else rf"\sum_{{{index}=1}}^{{{self._print(expr.size)}}}"
        body = self._print(expr.body) if _ranged(expr.body) else self.bracketed(expr.body)
        return f"{sign} {body}"

    def _print_Expectation(self, expr: Expectation) -> str:
        return rf"\mathbb{{E}}\left[{self._print(expr.body)}\right]"


def _constant(expression: sp.Expr) -> bool:
    """Whether only parameters occur: positive symbols, as opposed to states, counts and what is indexed."""
    if expression.has(sp.exp, sp.Indexed, Expectation):
        return False
    return all(symbol.is_positive for symbol in expression.free_symbols)


def _ranged(expression: sp.Expr) -> bool:
    """Whether this is a sum over an index range: it ends where the next term begins, and needs no brackets there."""
    return isinstance(expression, SumOver) and isinstance(expression.index, Index)


def symbol_names(*expressions: sp.Expr) -> frozenset[str]:
    """The names of what is free in the expressions, for ``reserved``."""
    return frozenset(s.name for expression in expressions for s in expression.free_symbols if s.is_Symbol)


def expression_latex(
    expression: sp.Expr, symbols: Sequence[tuple[str, str]] = (), ranges: Sequence[IndexRange] = ()
) -> str:
    """One expression as LaTeX math (no delimiters), with readable signs.

    ``symbols``: LaTeX of names with their own; ``ranges``: those of the system. Bound indices have the letters of their
    range, none of them free in the expression or bound twice, and sums over ranges are gathered.
    """
    printer = Printer(symbols=dict(symbols), ranges=ranges, reserved=symbol_names(expression) if ranges else ())
    return printer._print(gather(expression) if ranges else readable(expression))
