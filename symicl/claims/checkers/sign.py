"""Signs: an exact certificate that holds for all values, or a point with the wrong sign."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.identity import DIGITS, vanishes
from symicl.claims.points import sample_points
from symicl.claims.pointwise import Point, value_at
from symicl.claims.statements import Sign
from symicl.errors import SymiclError
from symicl.signs import POLYA_POWERS, certificate, manifest


def decide_sign(statement: Sign) -> Outcome:
    """Proved by a certificate, refuted by a witness (the worst of the smallest found), else undecided."""
    expression = statement.expression if statement.relation == ">=" else -statement.expression
    if statement.because is not None:
        return _shown(statement, expression, statement.because)
    found = certificate(statement.system, expression)
    if found is not None:
        return Outcome(
            Verdict.PROVED,
            Evidence("sign certificate", f"{statement.relation} 0 for all values in range", tuple(found)),
        )
    return _witness(statement, expression)


def _shown(statement: Sign, expression: sp.Expr, because: sp.Expr) -> Outcome:
    """Proved when the form is the expression and shows its sign; otherwise what a search for a witness says."""
    same = vanishes(statement.system, expression - because, (expression, because))
    reasons = manifest(statement.system, because)
    if same.verdict is Verdict.PROVED and reasons is not None:
        summary = f"{statement.relation} 0 for all values in range: equal to a form whose terms are nonnegative"
        return Outcome(Verdict.PROVED, Evidence("fraction field, then signs term by term", summary, tuple(reasons)))
    outcome = _witness(statement, expression)
    why = "it is not shown to be the expression" if reasons is not None else "its sign is not manifest"
    evidence = outcome.evidence
    return replace(outcome, evidence=replace(evidence, details=(*evidence.details, ("the form given", why))))


def _witness(statement: Sign, expression: sp.Expr) -> Outcome:
    ball = ARITHMETICS["ball"]
    tried = 0
    worst: tuple[arb, Point] | None = None
    with ball.working(DIGITS):
        for point in sample_points(statement.system, expression):
            try:
                value = value_at(expression, point)
            except SymiclError:
                continue
            if not value.is_finite():
                continue
            tried += 1
            if value < 0 and (worst is None or value < worst[0]):
                worst = (value, point)
            if worst is not None and tried % 80 == 0:
                break
        if worst is not None:
            actual = value_at(statement.expression, worst[1])
            details = tuple((f"at {name}", text) for name, text in worst[1].shown().items())
            summary = f"the expression is {actual.str(10)}, not {statement.relation} 0"
            return Outcome(
                Verdict.REFUTED, Evidence("witness in balls", summary, (*details, ("value", actual.str(20))))
            )
    budget = (("points", str(tried)), ("Polya powers", str(POLYA_POWERS)), ("digits", str(DIGITS)))
    verdict = Verdict.SUPPORTED if tried else Verdict.UNDECIDED
    return Outcome(verdict, Evidence("search", "no certificate and no counterexample was found", budget))
