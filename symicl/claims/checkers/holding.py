"""An inequality at a point: both sides in balls, with more digits until they tell."""

from __future__ import annotations

import sympy as sp
from flint import arb

from symicl.algebra import identically_zero
from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict, shown
from symicl.claims.holding import HoldsAt
from symicl.errors import SymiclError, UndecidedError
from symicl.evaluate import value_of

METHOD = "both sides in ball arithmetic"
DIGITS = (30, 60, 120)


def decide_holding(statement: HoldsAt) -> Outcome:
    """Certified or refuted by disjoint balls; equal sides are decided in the fraction field."""
    ball = ARITHMETICS["ball"]
    values = dict(statement.at)
    left, right = statement.left.xreplace(values), statement.right.xreplace(values)
    known = tuple((f"at {symbol}", shown(value)) for symbol, value in statement.at)
    if _same(left, right):
        holds = "=" in statement.relation
        verdict = Verdict.PROVED if holds else Verdict.REFUTED
        return Outcome(verdict, Evidence("fraction field", "the sides are equal", known))
    compare = ball.less_equal if "=" in statement.relation else ball.less
    for digits in DIGITS:
        with ball.working(digits):
            sides = (arb(value_of(left, ball, digits)), arb(value_of(right, ball, digits)))
            try:
                holds = compare(*(sides if statement.relation[0] == "<" else sides[::-1]))
            except UndecidedError:
                continue
            sides_shown = (*known, ("left", sides[0].str(20)), ("right", sides[1].str(20)))
            ratio = () if sides[1].contains(0) else (("ratio", (sides[0] / sides[1]).str(8)),)
            summary = f"{statement.relation} holds" if holds else f"{statement.relation} is false"
            return Outcome(
                Verdict.CERTIFIED if holds else Verdict.REFUTED, Evidence(METHOD, summary, (*sides_shown, *ratio))
            )
    budget = (("budget", f"{DIGITS[-1]} digits"),)
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, "the sides cannot be told apart", (*known, *budget)))


def _same(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether the sides are equal identically, and are numbers."""
    try:
        return identically_zero(left - right) and arb(value_of(left, ARITHMETICS["ball"], DIGITS[0])).is_finite()
    except SymiclError:
        return False
