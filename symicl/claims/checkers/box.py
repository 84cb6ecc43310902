"""Bounds on a box: branch and bound in balls, until the bound lies outside the enclosure of the maximum."""

from __future__ import annotations

import sympy as sp

from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.statements import Bounded
from symicl.enclosure import maximum_norm
from symicl.evaluate import value_of

METHOD = "branch and bound in balls"
GAPS = (sp.Rational(1, 10), sp.Rational(1, 100), sp.Rational(1, 1000), sp.Rational(1, 10**4))
"""Relative gaps tried in turn: most bounds are decided by a coarse one."""

MAX_BOXES = 40_000
DIGITS = 30


def decide_bounded(statement: Bounded) -> Outcome:
    """Certified where the maximum is surely at most the bound, refuted by a point where it is surely more."""
    ball = ARITHMETICS["ball"]
    bound = value_of(statement.bound, ball, DIGITS)
    examined = 0
    for gap in GAPS:
        found = maximum_norm(statement.matrix, statement.box, tolerance=gap, max_boxes=MAX_BOXES, dps=DIGITS)
        examined += found.boxes
        details = (
            ("maximum at least", found.lower.str(12)),
            ("maximum at most", found.upper.str(12)),
            ("boxes", str(examined)),
            *((f"at {symbol}", str(value)) for symbol, value in found.where.items()),
        )
        if found.upper <= bound:
            return Outcome(
                Verdict.CERTIFIED, Evidence(METHOD, "the maximum over the box is at most the bound", details)
            )
        if found.lower > bound:
            return Outcome(Verdict.REFUTED, Evidence(METHOD, "the norm exceeds the bound at a point", details))
        if not found.reached:
            break
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, "the bound lies within the enclosure of the maximum", details))
