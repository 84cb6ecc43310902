"""SymPy's LaTeX printer, taught sums over features, expectations and names for whole subexpressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter

from symicl.attention import ATTENTION, readable
from symicl.expectation import Expectation
from symicl.indices import BOUND_NAMES, SumOver


class Printer(LatexPrinter):
    """SymPy's LaTeX printer with sums over features, expectations, and names for whole subexpressions.

    ``names`` maps subexpressions to their names, ``symbols`` names of symbols to LaTeX, ``entries`` the base of an
    indexed quantity to its names on and off the diagonal, ``bound`` lists bound indices from the innermost outwards.
    """

    def __init__(
        self,
        names: Mapping[sp.Expr, str] | None = None,
        symbols: Mapping[str, str] | None = None,
        entries: Mapping[str, tuple[str, str]] | None = None,
        bound: Sequence[str] = BOUND_NAMES,
    ) -> None:
        super().__init__()
        self.names, self.symbols, self.entries, self.bound = names or {}, symbols or {}, entries or {}, bound

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
        ordered.sort(key=lambda t: (self._print(t).startswith("-"), isinstance(t, SumOver), _constant(t)))
        last = len(ordered) - 1
        return [
            self._signed(self.bracketed(t) if isinstance(t, SumOver) and i < last else self._print(t))
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
        return f"{stem}_{{{','.join(self._print(index) for index in indices)}}}"

    def _print_SumOver(self, expr: SumOver) -> str:
        index = self._print(expr.index)
        skipped = ", ".join(self._print(feature) for feature in expr.excluded)
        sign = rf"\sum_{{{index} \neq {skipped}}}" if skipped else rf"\sum_{{{index}=1}}^{{{self._print(expr.size)}}}"
        return f"{sign} {self.bracketed(expr.body)}"

    def _print_Expectation(self, expr: Expectation) -> str:
        return rf"\mathbb{{E}}\left[{self._print(expr.body)}\right]"


def _constant(expression: sp.Expr) -> bool:
    """Whether only parameters occur: positive symbols, as opposed to states, counts and what is indexed."""
    if expression.has(sp.exp, sp.Indexed, Expectation):
        return False
    return all(symbol.is_positive for symbol in expression.free_symbols)


def expression_latex(expression: sp.Expr, symbols: Sequence[tuple[str, str]] = ()) -> str:
    """One expression as LaTeX math (no delimiters), with readable signs. ``symbols``: LaTeX of names with their own."""
    return Printer(symbols=dict(symbols))._print(readable(expression))
