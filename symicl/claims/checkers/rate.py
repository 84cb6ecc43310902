"""Rates with explicit constants: every step of a range in balls, and how far from tight the bound is on the way."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.statements import STEP, Rate
from symicl.descent import process_of, state_symbols
from symicl.errors import SymiclError, UndecidedError
from symicl.evaluate import compile_expressions
from symicl.iterate import Row, Run, iterate
from symicl.process import LOSS

METHOD = "every step in ball arithmetic, from the start"
DIGITS = 20
CONSTANT_DIGITS = 80


@dataclass
class _Ratios:
    """The largest and least ratio of quantity and bound so far, with their steps, and the first violation."""

    largest: tuple[arb, int] | None = None
    least: tuple[arb, int] | None = None
    violated: tuple[arb, int] | None = None

    def add(self, ratio: arb, step: int, relation: str) -> None:
        """Raises ``UndecidedError`` where a ball does not tell."""
        ball = ARITHMETICS["ball"]
        holds = ball.less_equal(ratio, arb(1)) if relation == "<=" else ball.less_equal(arb(1), ratio)
        if not holds and self.violated is None:
            self.violated = (ratio, step)
        if self.largest is None or ratio > self.largest[0]:
            self.largest = (ratio, step)
        if self.least is None or ratio < self.least[0]:
            self.least = (ratio, step)


class _Violated(Exception):
    """The bound is broken: the run need not go on."""


def decide_rate(statement: Rate) -> Outcome:
    """Certified over the range, refuted at the first step that breaks it; an asymptotic one at most supported."""
    ball, ratios = ARITHMETICS["ball"], _Ratios()
    states = state_symbols(statement.system)
    with ball.working(CONSTANT_DIGITS):
        sides = [statement.quantity, statement.bound]
        evaluate = compile_expressions(sides, [*states, LOSS, STEP], ball, CONSTANT_DIGITS)

    def on_row(row: Row) -> None:
        if row.step < statement.first:
            return
        quantity, bound = map(arb, evaluate(*row.states, row.loss, arb(row.step)))
        if not bound > 0:
            raise UndecidedError(f"the bound is not certainly positive at step {row.step}", where=str(statement.bound))
        ratios.add(quantity / bound, row.step, statement.relation)
        if ratios.violated is not None:
            raise _Violated

    try:
        run = Run(statement.eta, steps=statement.last, dps=DIGITS, max_steps=statement.last)
        iterate(process_of(statement.system), run, "ball", on_row=on_row)
    except _Violated:
        assert ratios.violated is not None
        summary = f"broken at step {ratios.violated[1]}: the ratio to the bound is {ratios.violated[0].str(8)}"
        return Outcome(Verdict.REFUTED, Evidence(METHOD, summary, _details(statement, ratios)))
    except SymiclError as error:
        return Outcome(Verdict.UNDECIDED, Evidence(METHOD, str(error), _details(statement, ratios)))
    summary = f"holds at every step from {statement.first} to {statement.last}"
    if statement.asymptotic:
        summary += "; nothing is proved of the steps after that"
    verdict = Verdict.SUPPORTED if statement.asymptotic else Verdict.CERTIFIED
    return Outcome(verdict, Evidence(METHOD, summary, _details(statement, ratios)))


def _details(statement: Rate, ratios: _Ratios) -> tuple[tuple[str, str], ...]:
    """How loose the bound is: the ratio of the quantity to it, where it is largest and least."""
    lines = [("quantity", _short(statement.quantity)), ("bound", str(statement.bound))]
    for name, found in (("largest ratio", ratios.largest), ("least ratio", ratios.least)):
        if found is not None:
            lines.append((name, f"{found[0].str(8)} at step {found[1]}"))
    return tuple(lines)


def _short(expression: sp.Expr) -> str:
    text = str(expression)
    return text if len(text) <= 200 else text[:200] + " ..."
