"""Update equations as LaTeX: a printer for the expressions of systems, and displays that fit the page.

Rewriting is done elsewhere (``symicl.attention``), exactly; this file only lays out. Long sums are named (``Z_1`` for
denominators, ``P_1`` for numerators) and broken between their terms. The output is the same in every run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from symicl.attention import ATTENTION, attention_definition, attention_form, readable, softmax_weights
from symicl.derive import Update, distinct_features, slopes
from symicl.expectation import Expectation, Multinomial
from symicl.reduce import Recurrence, reduce_system
from symicl.render.display import LINE, Equation, display, label, prose, width
from symicl.render.notation_latex import derivation_latex, range_sentence
from symicl.render.printer import Printer
from symicl.render.times_latex import hitting_time_latex
from symicl.symmetry import State
from symicl.systems.base import Parameter, System, SystemFamily

RATES = (r"\alpha", r"\beta", r"\gamma", r"\delta", r"\zeta", r"\theta")
"""Names of the general updates, in the order of the patterns of coinciding indices."""

SCORE_NAMES: Mapping[str, tuple[str, str]] = {"S": ("A", "B")}
"""Entries with equal and with distinct indices, as in arXiv 2310.05249: ``A_k = S[k,k]``, ``B_{k,n} = S[n,k]``."""

PROMPT_SETTING = r"""A prompt consists of tokens drawn independently from the features $v_{1}, \dots, v_{K}$, the
feature $v_{m}$ with probability $p_{m}$; the query $v_{k}$ has the same law and is independent of the prompt.
In a prompt of $N$ tokens, $N_{m}$ of them are equal to $v_{m}$; at $N = \infty$ the counts are replaced by the $p_{m}$.
The label of a token is the value of a random task at it. One softmax layer with scores $S_{n,k}$ (token $v_{n}$, query
$v_{k}$) predicts the label of the query by the mean of the labels, weighted by its attention"""


def system_latex(system: System | SystemFamily, *, entries: Mapping[str, tuple[str, str]] = SCORE_NAMES) -> str:
    """The update equations of one system as appendix-ready LaTeX: a subsection with numbered, labelled displays.

    A family is typeset at symbolic parameters, and at infinite prompt length beside the finite one. A system with index
    ranges is given in its own notation: definitions, loss, gradient, updates and second derivatives. Without classes
    of features the general updates are given, in attention weights where the system has a softmax; otherwise states,
    conservation laws, updates, reduced coordinates and loss. Raises ``DerivationError`` as deriving does.
    """
    regimes = _regimes(system)
    if regimes[0][1].ranges:
        return _ranged_system(system, regimes)
    return _named_system(system, regimes) if regimes[0][1].has_orbits else _general(regimes[0][1], entries)


def paper_latex(
    title: str, systems: Sequence[System | SystemFamily], *, entries: Mapping[str, tuple[str, str]] = SCORE_NAMES
) -> str:
    """All systems of a paper, the general ones first, as one appendix section. See :func:`system_latex`."""
    general = [system for system in systems if not _regimes(system)[0][1].has_orbits]
    ordered = [*general, *(system for system in systems if system not in general)]
    intro = (
        "\n\nStates on a right-hand side are taken at step $t$; a change from step $t$ to step $t+1$ is one step of "
        "gradient\ndescent."
    )
    if not all(_regimes(system)[0][1].ranges for system in systems):
        intro += " The abbreviations $Z_{i}$ and $P_{i}$ are local to a subsection."
    parts = [rf"\section{{{prose(title)}}}" + intro, *(system_latex(system, entries=entries) for system in ordered)]
    return "\n\n".join(parts) + "\n"


def standalone(body: str, title: str = "") -> str:
    """A complete document around a body: 11pt article, A4, margins of 2.5 cm, amsmath."""
    head = [
        r"\documentclass[11pt]{article}",
        r"\usepackage[a4paper,margin=2.5cm]{geometry}",
        r"\usepackage{amsmath,amssymb}",
        r"\allowdisplaybreaks",
    ]
    start = [rf"\title{{{prose(title)}}}", r"\author{}", r"\date{}"] if title else []
    return "\n".join(
        [*head, *start, r"\begin{document}", *([r"\maketitle"] if title else []), body, r"\end{document}", ""]
    )


@dataclass(frozen=True)
class Names:
    """Names given to sums so far, in order."""

    given: tuple[tuple[sp.Expr, str], ...] = ()

    def with_sums(self, sums: Iterable[sp.Expr], letter: str) -> Names:
        """Names for the sums that have none yet, numbered on."""
        names = self
        for expression in dict.fromkeys(sums):
            if expression not in dict(names.given):
                number = 1 + sum(1 for _, name in names.given if name.startswith(letter))
                names = replace(names, given=(*names.given, (expression, f"{letter}_{{{number}}}")))
        return names


def _factors(expression: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    """(base, exponent) of the factors, of those of each term of a sum and under expectations."""
    found = []
    for factor in (f for term in sp.Add.make_args(expression) for f in sp.Mul.make_args(term)):
        if isinstance(factor, Expectation):
            found += _factors(factor.body)
        else:
            found.append(factor.as_base_exp())
    return sorted(found, key=lambda pair: tuple(map(sp.default_sort_key, pair)))


def _abbreviate(expressions: Sequence[sp.Expr], names: Names, symbols: Mapping[str, str]) -> Names:
    """Names for the denominators with exponentials, and for the numerators of what is still too wide for a line."""
    denominators = (
        base
        for expression in expressions
        for base, power in _factors(expression)
        if base.is_Add and base.has(sp.exp) and power.is_Integer and power < 0
    )
    names = names.with_sums(denominators, "Z")
    for expression in expressions:
        printer = Printer(dict(names.given), symbols)
        if width(printer._print(expression)) > LINE - 80:
            long = (
                base
                for base, power in _factors(expression)
                if base.is_Add and power.is_positive and width(printer._print(base)) > 100
            )
            names = names.with_sums(long, "P")
    return names


def _definitions(before: Names, after: Names, symbols: Mapping[str, str], *where: str) -> list[Equation]:
    printer = Printer(symbols=symbols)
    return [
        Equation(label(*where, re.sub(r"\W", "", name)), name, tuple(printer.terms(expression)))
        for expression, name in after.given[len(before.given) :]
    ]


# General updates.


def _regimes(system: System | SystemFamily) -> list[tuple[str, System]]:
    """The systems to typeset, by regime: as given, and for families with infinite values also at infinity."""
    if isinstance(system, System):
        return [("", system)]
    infinite = {parameter.name: sp.oo for parameter in system.parameters if parameter.infinite}
    return [("", system()), *([("infinite", system(**infinite))] if infinite else [])]


def _general(system: System, entries: Mapping[str, tuple[str, str]]) -> str:
    updates = slopes(system)
    weights = softmax_weights(sp.Add(*(update.expression for update in updates)))
    text = [rf"\subsection{{{prose(_capital(system.title))}}}"]
    symbols = dict(system.symbols)
    plain = Printer(symbols=symbols, bound=("m", "k", "l"))
    shown = [_in_attention(update, weights) for update in updates]
    if weights is not None and any(expression.has(ATTENTION) for expression in shown):
        loss = attention_form(system.loss, weights, distinct_features(system, sp.S.Zero))
        text += _setting(system, weights, loss, plain)
    printer = Printer(symbols=symbols, entries=entries)
    text.append(_entry_sentence(updates, entries, printer))
    equations = []
    for position, (update, expression) in enumerate(zip(updates, shown, strict=True)):
        rate = _rate(position, update)
        terms = tuple(printer.terms(_without_factor(expression, system.step_size)))
        equations.append(Equation(label(system.id, _rate_name(position)), rate, terms))
    if system.gram is not None:
        return "\n".join([*text, display([*equations, _carried_step(system, updates, plain)])])
    for position, update in enumerate(updates):
        name = printer._print(update.variable)
        step = f"+ {printer._print(system.step_size)} {_rate(position, update)}"
        where = label(system.id, re.sub(r"[{},\\]", "", name))
        equations.append(Equation(where, f"{name}^{{(t+1)}}", (step,), f"{name}^{{(t)}}"))
    return "\n".join([*text, display(equations)])


def _carried_step(system: System, updates: Sequence[Update], plain: Printer) -> Equation:
    """How scores move where the features have inner products: by the rates, carried over to Q and read off again."""
    assert system.features is not None and system.gram is not None
    off = next(update for update in updates if len(set(update.variable.indices)) == 2)
    n, k = off.variable.indices
    m, j = (sp.Symbol(name, integer=True, positive=True) for name in ("m", "l"))

    def rate(position: int, *indices: sp.Symbol) -> str:
        return f"{RATES[position]}_{{{','.join(map(str, indices))}}}"

    own, left, right = (plain._print(system.gram(*pair)) for pair in ((n, j), (n, m), (j, k)))
    size, name = plain._print(system.features.size), plain._print(off.variable)
    inner = rf"{own} {rate(0, j)} + \sum_{{m \neq l}} {left} {rate(1, j, m)}"
    step = rf"+ {plain._print(system.step_size)} \sum_{{l=1}}^{{{size}}} {right} \left({inner}\right)"
    return Equation(label(system.id, "scores"), f"{name}^{{(t+1)}}", (step,), f"{name}^{{(t)}}")


def _setting(system: System, weights: sp.IndexedBase, loss: sp.Expr, printer: Printer) -> list[str]:
    token, query = sp.Symbol("m", integer=True, positive=True), sp.Symbol("k", integer=True, positive=True)
    variable = system.coordinates[0].variable
    assert system.features is not None
    definition = attention_definition(weights, variable.base, system.features.size, token, query)
    inner = Printer(symbols=printer.symbols, bound=("j",))
    attention = Equation(label(system.id, "attention"), r"a_{m,k}", tuple(inner.terms(definition)))
    equation = Equation(label(system.id, "loss"), "L", tuple(printer.terms(loss)))
    return [
        PROMPT_SETTING,
        display([attention]),
        "Half the mean squared error, averaged over tasks, prompts and queries, is the population loss",
        display([equation]),
        rf"where $\mathbb{{E}}$ is over prompts. Scores start at zero and are trained by gradient descent with step"
        rf" size ${printer._print(system.step_size)}$.",
    ]


def _entry_sentence(updates: Sequence[Update], entries: Mapping[str, tuple[str, str]], printer: Printer) -> str:
    plain = Printer(symbols=printer.symbols)
    renamed = [
        f"${printer._print(update.variable)} = {plain._print(update.variable)}$"
        for update in updates
        if isinstance(update.variable, sp.Indexed) and str(update.variable.base) in entries
    ]
    names = f"With {' and '.join(renamed)} for distinct indices, the" if renamed else "The"
    return f"{names} updates are"


def _in_attention(update: Update, weights: sp.IndexedBase | None) -> sp.Expr:
    if weights is None:
        return readable(update.expression)
    form = attention_form(update.expression, weights, update.features)
    return form if form.has(ATTENTION) else readable(update.expression)


def _without_factor(expression: sp.Expr, factor: sp.Expr) -> sp.Expr:
    """The expression with one of its factors left out; as it is when it does not have it in every term."""
    terms = [sp.Mul.make_args(term) for term in sp.Add.make_args(expression)]
    if not all(factor in term for term in terms):
        return expression / factor
    return sp.Add(*(sp.Mul(*(f for f in term if f != factor)) for term in terms))


def _rate_name(position: int) -> str:
    return RATES[position][1:] if position < len(RATES) else f"rate{position}"


def _rate(position: int, update: Update) -> str:
    name = RATES[position] if position < len(RATES) else rf"\rho^{{[{position}]}}"
    own = update.variable.indices if isinstance(update.variable, sp.Indexed) else ()
    indices = ",".join(dict.fromkeys(str(index) for index in reversed(own)))
    return f"{name}_{{{indices}}}" if indices else name


# Systems with index ranges.


def _ranged_system(system: System | SystemFamily, regimes: Sequence[tuple[str, System]]) -> str:
    parameters = system.parameters if isinstance(system, SystemFamily) else ()
    first = regimes[0][1]
    text = [
        rf"\subsection{{{prose(_capital(system.title))}}}",
        " ".join([*_parameter_sentence(parameters, dict(first.symbols)), range_sentence(first)]),
    ]
    for regime, each in regimes:
        if len(regimes) > 1:
            text.append(_regime_title(regime))
        text += derivation_latex(each, regime)
    return "\n".join(text)


def _regime_title(regime: str) -> str:
    return rf"\paragraph{{{'Infinite prompts' if regime else 'Finite prompts'}.}}"


# Named systems.


def _named_system(system: System | SystemFamily, regimes: Sequence[tuple[str, System]]) -> str:
    parameters = system.parameters if isinstance(system, SystemFamily) else ()
    recurrences = [reduce_system(regime) for _, regime in regimes]
    first = recurrences[0]
    symbols = _symbols(first)
    text = [
        rf"\subsection{{{prose(_capital(system.title))}}}",
        " ".join([*_parameter_sentence(parameters, symbols), *_class_sentences(first, symbols)]),
        _state_sentence(first, symbols),
    ]
    names = Names()
    shared: tuple[Any, ...] = ()
    for (regime, _), recurrence in zip(regimes, recurrences, strict=True):
        if len(regimes) > 1:
            text.append(_regime_title(regime))
        statics = (recurrence.conserved, recurrence.readings, recurrence.lift)
        block, names = _regime(recurrence, regime, names, symbols, statics != shared)
        shared = statics
        text += block
    return "\n".join(text)


def _regime(
    recurrence: Recurrence, regime: str, names: Names, symbols: Mapping[str, str], statics: bool
) -> tuple[list[str], Names]:
    identifier = recurrence.symmetric.system.id
    where = (identifier, regime)
    text = [*_law_sentences(recurrence, symbols), "The states change by"]
    states = [(state.symbol, readable(state.update)) for state in recurrence.symmetric.states]
    loss = readable(recurrence.symmetric.loss)
    block, names = _updates(states, loss, names, symbols, where)
    text.append(block)
    if statics:
        text += _statics(recurrence, symbols, where)
    text.append("In the reduced coordinates,")
    reduced = [(c, readable(update)) for c, update in zip(recurrence.coordinates, recurrence.updates, strict=True)]
    block, names = _updates(reduced, readable(recurrence.loss), names, symbols, (*where, "reduced"))
    return [*text, block, *hitting_time_latex(recurrence, symbols, where)], names


def _updates(
    pairs: Sequence[tuple[sp.Symbol, sp.Expr]],
    loss: sp.Expr,
    names: Names,
    symbols: Mapping[str, str],
    where: tuple[str, ...],
) -> tuple[str, Names]:
    """The updates, then the loss, then what the new abbreviations in them stand for."""
    after = _abbreviate([*(expression for _, expression in pairs), loss], names, symbols)
    printer = Printer(dict(after.given), symbols)
    equations = []
    for symbol, expression in pairs:
        name = printer._print(symbol)
        terms = tuple(printer.terms(expression))
        equations.append(Equation(label(*where, symbol.name), f"{name}^{{(t+1)}}", terms, f"{name}^{{(t)}}"))
    equations.append(Equation(label(*where, "loss"), "L", tuple(printer.terms(loss))))
    return display(equations + _definitions(names, after, symbols, *where)), after


def _statics(recurrence: Recurrence, symbols: Mapping[str, str], where: tuple[str, ...]) -> list[str]:
    """Conservation laws, reduced coordinates and the states in terms of them."""
    printer = Printer(symbols=symbols)
    starts = {state.symbol: state.coordinate.start for state in recurrence.symmetric.states}
    text = []
    laws = [
        Equation(label(*where, f"conserved{i + 1}"), _in_order(form, recurrence, printer), (f"+ {value}",))
        for i, form in enumerate(recurrence.conserved)
        for value in [printer._print(form.xreplace(starts))]
    ]
    if laws:
        text += ["Constant along training:", display(laws)]
    readings = [
        Equation(label(*where, "coordinate", c.name), printer._print(c), tuple(printer.terms(readable(reading))))
        for c, reading in zip(recurrence.coordinates, recurrence.readings, strict=True)
    ]
    lifts = [
        Equation(label(*where, "lift", state.name), printer._print(state), tuple(printer.terms(readable(form))))
        for state, form in zip(recurrence.states, recurrence.lift, strict=True)
    ]
    return [*text, "The reduced coordinates, and the states in terms of them, are", display(readings + lifts)]


def _in_order(form: sp.Expr, recurrence: Recurrence, printer: Printer) -> str:
    """A linear form with the states in their own order."""
    terms = [readable(form.coeff(state)) * state for state in recurrence.states if form.has(state)]
    return " ".join(text for term in terms for text in printer.terms(term)).removeprefix("+ ")


def _symbols(recurrence: Recurrence) -> dict[str, str]:
    """LaTeX of names: the system's own, and what a coordinate says of its states."""
    own: dict[str, str] = {}
    for state in recurrence.symmetric.states:
        shown = state.coordinate.latex(state.symbol.name)
        if shown != state.symbol.name:
            own[state.symbol.name] = shown
    return own | dict(recurrence.symmetric.system.symbols)


def _parameter_sentence(parameters: Sequence[Parameter], symbols: Mapping[str, str]) -> list[str]:
    printer = Printer(symbols=symbols)
    shown = []
    for parameter in parameters:
        name = printer._print(parameter.symbol)
        if parameter.minimum is not None:
            name = rf"{name} \ge {parameter.minimum}"
        if parameter.above is not None:
            name = f"{printer._print(parameter.above)} < {name}"
        if parameter.below is not None:
            name = f"{name} < {printer._print(parameter.below)}"
        shown.append(f"${name}$ ({prose(parameter.meaning)})")
    return [f"Parameters: {', '.join(shown)}."] if shown else []


def _class_sentences(recurrence: Recurrence, symbols: Mapping[str, str]) -> list[str]:
    features = recurrence.symmetric.system.features
    if features is None:
        return []
    printer = Printer(symbols=symbols)
    groups = []
    for group in features.classes:
        values = "".join(f", ${base}_{{m}} = {printer._print(readable(value))}$" for base, value in group.values)
        size = printer._print(group.size)
        groups.append(f"{prose(group.name)} (${size}$ feature{'' if group.size == 1 else 's'}{values})")
    placed = [f"$v_{{{printer._print(feature)}}}$ is in the class {prose(name)}" for feature, name in features.placed]
    fixed = f"; {' and '.join(placed)}" if placed else ""
    return [f"Classes of exchangeable features: {'; '.join(groups)}{fixed}."]


def _state_sentence(recurrence: Recurrence, symbols: Mapping[str, str]) -> str:
    printer = Printer(symbols=symbols)
    features = recurrence.symmetric.system.features
    placed = [feature for feature, _ in features.placed] if features else []
    return f"States: {'; '.join(_state_phrase(state, placed, printer) for state in recurrence.symmetric.states)}."


def _state_phrase(state: State, placed: Sequence[sp.Symbol], printer: Printer) -> str:
    """The state, the entries it stands for and how many they are."""
    name, variable = printer._print(state.symbol), state.coordinate.variable
    if not isinstance(variable, sp.Indexed):
        return f"${name}$"
    free = [index for index in variable.indices if index not in placed]
    known = {str(feature): feature for feature in placed}
    same = {index: known[part] for index, part in zip(free, state.label, strict=True) if part in known}
    same |= {index: free[-1] for index, part in zip(free, state.label, strict=True) if part == "same"}
    distinct = [rf"\neq {', '.join(known)}"] if known else []
    where = [
        f"${' '.join([printer._print(index), *distinct])}$ in the class {prose(part)}"
        for index, part in zip(free, state.label, strict=True)
        if index not in same
    ]
    entry = printer._print(variable.xreplace(same))
    if not where:
        return f"${name} = {entry}$"
    members = printer._print(readable(state.members))
    entries = "entry" if state.members == 1 else "entries"
    return f"${name} = {entry}$ for {' and '.join(where)} (${members}$ {entries})"


def _law_sentences(recurrence: Recurrence, symbols: Mapping[str, str]) -> list[str]:
    """Each law of an expectation, once."""
    printer = Printer(symbols=symbols)
    expressions = [*(state.update for state in recurrence.symmetric.states), recurrence.symmetric.loss]
    laws = dict.fromkeys(
        node.law
        for expression in expressions
        for node in sorted(expression.atoms(Expectation), key=sp.default_sort_key)
        if isinstance(node.law, Multinomial)
    )
    text = []
    for law in laws:
        totals = ", ".join(printer._print(total) for total, _ in law.cells)
        odds = ", ".join(printer._print(readable(probability)) for _, probability in law.cells)
        text.append("The expectation is over the numbers of tokens")
        text.append(
            rf"\[ ({totals}) \sim \mathrm{{Multinomial}}\left({printer._print(law.trials)};\, {odds}\right). \]"
        )
    return text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
