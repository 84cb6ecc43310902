"""Systems with index ranges as LaTeX, in their own notation: definitions, loss, gradient, updates, second derivatives.

Everything is derived at unspecified indices and folded into the names the system defines. Free indices have the first
letters of their ranges, and no letter of a formula is both free and bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement

import sympy as sp

from symicl.derive import Update, derive, hessian
from symicl.gather import gather
from symicl.indices import BOUND_NAMES, Index, range_of
from symicl.nest import nodes
from symicl.notation import fold
from symicl.render.display import LINE, Equation, breakable, display, label, prose, width
from symicl.render.laws import law_sentence
from symicl.render.printer import Printer, letter_for, symbol_names
from symicl.systems.base import Coordinate, IndexRange, System

LONGEST = 6
"""The most lines that a second derivative may take; longer ones are left out, and the text says so."""


def range_sentence(system: System) -> str:
    """What the indices of each range are called and how far they run."""
    printer = Printer(symbols=dict(system.symbols))
    ranges = list(system.ranges)
    if system.features is not None:
        ranges.append(IndexRange("features", system.features.size, BOUND_NAMES))
    return f"Indices run over {_listed([f'the {prose(each.name)} (${_span(each, printer)}$)' for each in ranges])}."


def _span(over: IndexRange, printer: Printer) -> str:
    size = printer._print(over.size)
    steps = ", ".join(map(str, range(1, int(over.size) + 1))) if size in ("1", "2", "3") else rf"1, \dots, {size}"
    return f"{', '.join(printer._print(sp.Symbol(letter)) for letter in over.letters)} = {steps}"


def _listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([*([", ".join(items[:-1])] if items[1:] else []), items[-1]])


def derivation_latex(system: System, regime: str = "") -> list[str]:
    """The paragraphs and displays of one system; ``regime`` goes into the labels.

    Raises ``DerivationError`` as deriving does.
    """
    return _Section(system, (system.id, regime)).text()


class _Section:
    """One system being typeset: its names, and where its labels begin."""

    def __init__(self, system: System, where: tuple[str, ...]) -> None:
        self.system, self.where, self.symbols = system, where, dict(system.symbols)
        parts = [system.loss, system.objective, *(part for d in system.definitions for part in (d.name, d.body))]
        letters = {i.name for part in parts for i in part.free_symbols if isinstance(i, Index)}
        self.names = symbol_names(*parts, system.step_size) - letters
        self.loss = self.symbols.get("loss", "L")
        self.objective = self.loss
        if system.objective != system.loss:
            self.objective = self.symbols.get("objective", rf"\widehat{{{self.loss}}}")

    def text(self) -> list[str]:
        """Definitions, loss, gradient, updates and second derivatives, in this order."""
        updates = derive(self.system)
        text = self._definitions() + self._losses()
        trained = self._shown([self._lettered(each.variable) for each in self.system.coordinates])
        text.append(f"The gradient in what is trained, {trained}, is")
        text.append(display([self._gradient(update) for update in updates]))
        step = self._printer()._print(self.system.step_size)
        text.append(f"and one step of gradient descent of size ${step}$, with right-hand sides at step $t$, is")
        text.append(display([self._step(update) for update in updates]))
        return text + self._second_derivatives()

    def _definitions(self) -> list[str]:
        equations = []
        for definition in self.system.definitions:
            letters = self._letters(definition.name)
            name, body = definition.name.xreplace(letters), definition.body.xreplace(letters)
            stem = str(name.base) if isinstance(name, sp.Indexed) else str(name)
            equations.append(self._equation((stem,), self._printer(name, body)._print(name), [body], name))
        return ["Notation:", display(equations)] if equations else []

    def _losses(self) -> list[str]:
        prediction = self.system.prediction
        said = "" if prediction is None else f"The prediction is {self._shown([self._lettered(prediction)])}. "
        losses = [("loss", self.loss, self.system.loss), ("objective", self.objective, self.system.objective)]
        shown = losses[: 1 if self.objective == self.loss else 2]
        equations = [self._equation((name,), left, self._forms(value, as_defined=True)) for name, left, value in shown]
        also = " and the objective that is descended" if shown[1:] else ""
        laws = law_sentence(self.system)
        return [f"{said}The loss{also} {'are' if also else 'is'}", display(equations), *([laws] if laws else [])]

    def _gradient(self, update: Update) -> Equation:
        variable, expression = self._at_letters(update)
        left = rf"\frac{{\partial {self.objective}}}{{\partial {self._printer(variable)._print(variable)}}}"
        forms = self._forms(-expression / self.system.step_size, update.features)
        return self._equation(("gradient", self._stem(variable)), left, forms, variable)

    def _step(self, update: Update) -> Equation:
        """The update in full, or by the gradient where it would be too wide."""
        variable, expression = self._at_letters(update)
        printer = self._printer(variable)
        name = printer._print(variable)
        where, left, lead = (self._stem(variable),), f"{name}^{{(t+1)}}", f"{name}^{{(t)}}"
        equation = self._equation(where, left, self._forms(expression, update.features), variable, lead=lead)
        if _fits(equation):
            return equation
        gradient = rf"\frac{{\partial {self.objective}}}{{\partial {name}}}"
        step = f"- {printer._print(self.system.step_size)} {gradient}"
        return Equation(label(*self.where, *where), left, (step,), lead)

    def _second_derivatives(self) -> list[str]:
        families = [each for each in self.system.coordinates if _is_ranged(each)]
        equations, left_out, deltas = [], [], False
        for one, other in combinations_with_replacement(families, 2):
            first = self._lettered(one.variable)
            second = self._lettered(other.variable, _index_names(first))
            equation, has_delta = self._second_derivative(first, second)
            if _fits(equation) and len(equation.rows()) <= LONGEST:
                equations.append(equation)
                deltas |= has_delta
            else:
                left_out.append(self._shown([first, second]))
        text = []
        if equations:
            delta = r", where $\delta$ is $1$ for equal indices and $0$ for others," if deltas else ""
            text += [f"The second derivatives are{delta}", display(equations)]
        if left_out:
            text.append(f"Too long to print are the second derivatives in {'; in '.join(left_out)}.")
        return text

    def _second_derivative(self, first: sp.Expr, second: sp.Expr) -> tuple[Equation, bool]:
        printer = self._printer(first, second)
        names = [printer._print(variable) for variable in (first, second)]
        below = rf"\partial {names[0]}^{{2}}" if first == second else rf"\partial {names[0]} \partial {names[1]}"
        left = rf"\frac{{\partial^{{2}} {self.objective}}}{{{below}}}"
        forms = self._forms(hessian(self.system, first, second))
        where = ("hessian", self._stem(first), self._stem(second))
        return self._equation(where, left, forms, first, second), forms[0].has(sp.KroneckerDelta)

    def _forms(
        self, expression: sp.Expr, features: tuple[sp.Symbol, ...] = (), *, as_defined: bool = False
    ) -> list[sp.Expr]:
        """The expression in the notation, in equal forms: as short as it gets, then multiplied out.

        With ``as_defined`` it stays as it came where the notation makes it no shorter.
        """
        folded = fold(self.system, expression)
        shortest = gather(folded, features)
        if as_defined and nodes(expression) <= nodes(shortest):
            shortest = expression
        return list(dict.fromkeys([shortest, _multiplied_out(shortest), folded, _multiplied_out(folded)]))

    def _equation(
        self, name: Sequence[str], left: str, forms: Sequence[sp.Expr], *also: sp.Expr, lead: str = ""
    ) -> Equation:
        """The first form that fits the page, or else the first; ``also`` are expressions on the other side."""
        where = label(*self.where, *name)
        room = LINE - width(left) - width("=") - 14
        equations = []
        for form in forms:
            terms = self._printer(form, *also).terms(form)
            pieces = (piece for term in terms for piece in ((term,) if width(term) <= room else breakable(term)))
            equations.append(Equation(where, left, tuple(pieces), lead))
        return next((equation for equation in equations if _fits(equation)), equations[0])

    def _printer(self, *formula: sp.Expr) -> Printer:
        reserved = self.names | symbol_names(*formula)
        return Printer(symbols=self.symbols, ranges=self.system.ranges, reserved=reserved)

    def _at_letters(self, update: Update) -> tuple[sp.Expr, sp.Expr]:
        letters = self._letters(update.variable)
        return update.variable.xreplace(letters), update.expression.xreplace(letters)

    def _lettered(self, expression: sp.Expr, taken: Iterable[str] = ()) -> sp.Expr:
        return expression.xreplace(self._letters(expression, taken))

    def _letters(self, expression: sp.Expr, taken: Iterable[str] = ()) -> Mapping[Index, Index]:
        """The free indices of an expression, in the order they stand there, by the first letters of their ranges."""
        used = self.names.union(taken)
        letters: dict[Index, Index] = {}
        places = expression.indices if isinstance(expression, sp.Indexed) else ()
        rest = sorted((s for s in expression.free_symbols if s not in places), key=sp.default_sort_key)
        for index in (*places, *rest):
            if isinstance(index, Index) and index not in letters:
                letters[index] = Index(letter_for(index.over, self.system.ranges, used), index.over)
                used |= {letters[index].name}
        return letters

    def _shown(self, expressions: Sequence[sp.Expr]) -> str:
        return _listed([f"${self._printer(each)._print(each)}$" for each in expressions])

    def _stem(self, variable: sp.Expr) -> str:
        return re.sub(r"[{},\\]", "", self._printer(variable)._print(variable))


def _multiplied_out(expression: sp.Expr) -> sp.Expr:
    """The outermost brackets of products multiplied out; sums over ranges stay as they are."""
    return sp.Add(*(sp.expand_mul(term, deep=False) for term in sp.Add.make_args(expression)))


def _fits(equation: Equation) -> bool:
    """Whether lines can be broken so that each is on the page."""
    room = LINE - width(equation.left) - width("=") - 14
    return all(width(piece) <= room for piece in (equation.lead, *equation.terms))


def _is_ranged(coordinate: Coordinate) -> bool:
    """Whether second derivatives hold at all indices, equal or not: it has none that stand for features."""
    variable = coordinate.variable
    return not isinstance(variable, sp.Indexed) or all(range_of(index) for index in variable.indices)


def _index_names(expression: sp.Expr) -> set[str]:
    return {symbol.name for symbol in expression.free_symbols if isinstance(symbol, Index)}
