"""Limits of quotients of sums: proved by leading coefficients in a fraction field, or refuted by a point."""

from __future__ import annotations

import sympy as sp

from symicl.algebra import Polynomial, Ratio, field_of, identically_zero
from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.identity import DIGITS, POINTS
from symicl.claims.limits import TendsTo
from symicl.claims.points import sample_points
from symicl.claims.pointwise import value_at
from symicl.errors import SymiclError
from symicl.expectation import Expectation
from symicl.indices import SumOver
from symicl.signs import nonzero

METHOD = "leading coefficients in the fraction field of polynomials over Q"
Leading = tuple[int, sp.Expr]


def decide_limit(statement: TendsTo) -> Outcome:
    """Proved, refuted by a point where the limit is another or none, else undecided."""
    symbol, system = statement.symbol, statement.system
    if statement.expression.has(Expectation, SumOver) or statement.limit.has(Expectation, SumOver):
        return _undecided("means over prompts and sums over features are not followed to their limits")
    try:
        ratio = field_of([statement.expression])(statement.expression)
        hidden = [atom for atom in ratio.field.atoms if symbol in atom.free_symbols and atom != symbol]
        if hidden:
            return _undecided(f"{symbol} occurs in {hidden[0]}; write that as a quotient of powers of a symbol")
        (above, top), (below, bottom) = (_leading(ratio, p, symbol) for p in (ratio.numerator, ratio.denominator))
        if above < below:
            same = identically_zero(statement.limit)
        else:
            same = above == below and identically_zero(top - statement.limit * bottom)
        degrees = (
            ("numerator", f"degree {above} in {symbol}, leading coefficient {_short(top)}"),
            ("denominator", f"degree {below} in {symbol}, leading coefficient {_short(bottom)}"),
        )
        if same and nonzero(system, bottom):
            summary = f"the limit as {symbol} tends to infinity, at all values of everything else"
            return Outcome(Verdict.PROVED, Evidence(METHOD, summary, degrees))
        if same:
            return _undecided("the leading coefficient of the denominator is not shown to be different from 0")
        return _witness(statement, (above, top), (below, bottom))
    except SymiclError as error:
        return _undecided(str(error))


def _leading(ratio: Ratio, polynomial: Polynomial, symbol: sp.Symbol) -> Leading:
    """The degree of a polynomial in one atom, and the coefficient of that power."""
    place = ratio.field.position.get(symbol)
    terms = list(polynomial.terms())
    degree = 0 if place is None else max((int(exponents[place]) for exponents, _ in terms), default=0)
    coefficient = sp.S.Zero
    for exponents, c in terms:
        if place is not None and int(exponents[place]) != degree:
            continue
        rest = [
            atom ** int(power)
            for position, (atom, power) in enumerate(zip(ratio.field.atoms, exponents, strict=True))
            if position != place
        ]
        coefficient += sp.Mul(sp.Rational(int(c.p), int(c.q)), *rest)
    return degree, coefficient


def _witness(statement: TendsTo, above: Leading, below: Leading) -> Outcome:
    """A point at which the limit is certainly another number, or none."""
    (over, top), (under, bottom) = above, below
    ball = ARITHMETICS["ball"]
    gap = top if over > under else top - statement.limit * bottom if over == under else -statement.limit * bottom
    with ball.working(DIGITS):
        for point in sample_points(statement.system, sp.Tuple(gap, bottom, top), count=POINTS):
            try:
                values = [value_at(each, point) for each in (gap, bottom, top)]
            except SymiclError:
                continue
            if not all(value.is_finite() and (value > 0 or value < 0) for value in values[:2]):
                continue
            actual = "none" if over > under else "0" if over < under else (values[2] / values[1]).str(20)
            shown = {name: text for name, text in point.shown().items() if name != str(statement.symbol)}
            details = tuple((f"at {name}", text) for name, text in shown.items())
            return Outcome(
                Verdict.REFUTED,
                Evidence("witness in balls", f"the limit is {actual} at a point, and the claim differs", details),
            )
    return _undecided("the leading coefficients differ, and no point was found at which the limits do")


def _undecided(why: str) -> Outcome:
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, why))


def _short(expression: sp.Expr) -> str:
    text = str(sp.factor(expression))
    return text if len(text) <= 200 else text[:200] + " ..."


__all__ = ["decide_limit"]
