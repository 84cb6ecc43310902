"""Identities and conservation laws: the zero polynomial in a fraction field, or a point where the sides differ."""

from __future__ import annotations

import sympy as sp
from flint import arb

from symicl.algebra import factored, identically_zero
from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.points import sample_points
from symicl.claims.pointwise import value_at
from symicl.claims.statements import Conserved, Identity
from symicl.errors import SymiclError
from symicl.expectation import Expectation, free_indices, resolved_integrands
from symicl.indices import SumOver, partial, range_of, vanishes_inside
from symicl.symmetry import restrict
from symicl.systems.base import System

DIGITS = 50
POINTS = 60


def decide_identity(statement: Identity) -> Outcome:
    """Proved by canonical form, refuted by a point, supported where points agree and the form does not vanish."""
    return vanishes(statement.system, statement.left - statement.right, (statement.left, statement.right))


def decide_conserved(statement: Conserved) -> Outcome:
    """The increment of the form in one step, by linearity from the derived updates; a nonlinear form is refused."""
    states = {state.symbol: state.update for state in restrict(statement.system).states}
    known = {parameter.symbol for parameter in statement.system.parameters} | {statement.system.step_size}
    unknown = statement.form.free_symbols - set(states) - known
    if unknown or not statement.form.free_symbols & set(states) or statement.form.has(Expectation, SumOver):
        what = f"{', '.join(map(str, unknown))} is no state of the system" if unknown else "no state occurs in it"
        return Outcome(
            Verdict.UNDECIDED, Evidence("conservation", f"{statement.form}: {what}; a form in states is meant")
        )
    slopes = {symbol: partial(statement.form, symbol) for symbol in states}
    if any(slope.free_symbols & set(states) for slope in slopes.values()):
        return Outcome(
            Verdict.UNDECIDED,
            Evidence("conservation", f"{statement.form} is not linear in the states; none was proved"),
        )
    increment = sp.Add(*(slope * states[symbol] for symbol, slope in slopes.items()))
    return vanishes(statement.system, increment, (increment, sp.S.Zero))


def vanishes(system: System, difference: sp.Expr, sides: tuple[sp.Expr, sp.Expr]) -> Outcome:
    """Whether an expression is zero for all values of what is in it."""
    if difference.has(sp.Float):
        return Outcome(Verdict.UNDECIDED, Evidence("fraction field", "there is a float in the statement"))
    features = tuple(sorted(free_indices(difference), key=str))
    try:
        plain, merged = resolved_integrands(difference, features)
        parts = [plain, *merged.values()]
        if all(identically_zero(part) or vanishes_inside(part) for part in parts):
            forms = [("difference", "the zero polynomial"), ("laws", str(len(merged)))]
            distinct = [str(index) for index in features if not range_of(index)]
            if distinct:
                forms.append(("distinct features", ", ".join(distinct)))
            return Outcome(
                Verdict.PROVED,
                Evidence(
                    "fraction field of polynomials over Q in the exponentials, parameters and sums over other features",
                    "the difference of the sides is the zero polynomial, under each expectation",
                    tuple(forms),
                ),
            )
        leftover = str(sp.Add(*(factored(part) for part in parts)))
    except SymiclError as error:
        leftover = str(error)
    return search(system, difference, sides, leftover)


def search(system: System, difference: sp.Expr, sides: tuple[sp.Expr, sp.Expr], leftover: str) -> Outcome:
    """Look for a point where a difference is certainly not zero."""
    ball = ARITHMETICS["ball"]
    tried, widest = 0, arb(0)
    for point in sample_points(system, sp.Tuple(difference, *sides), count=POINTS):
        with ball.working(DIGITS):
            try:
                gap = value_at(difference, point)
            except SymiclError:
                continue
            if not gap.is_finite():
                continue
            tried += 1
            widest = widest.max(abs(gap))
            if gap > 0 or gap < 0:
                values = {
                    side: value_at(expression, point) for side, expression in zip(("left", "right"), sides, strict=True)
                }
                details = tuple((f"at {name}", text) for name, text in point.shown().items())
                balls = tuple((side, value.str(20)) for side, value in values.items())
                return Outcome(
                    Verdict.REFUTED, Evidence("witness in balls", "the sides differ at a point", (*details, *balls))
                )
    budget = (("points", str(tried)), ("digits", str(DIGITS)), ("left over", leftover[:2000]))
    if tried == 0:
        return Outcome(Verdict.UNDECIDED, Evidence("search", "no point could be evaluated", budget))
    return Outcome(
        Verdict.SUPPORTED,
        Evidence("search", f"the sides agree at {tried} points to {widest.str(3)}; no proof was found", budget),
    )
