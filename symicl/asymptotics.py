"""How an expression behaves as one of its symbols tends to 0 or to infinity: leading terms, with their constants.

A leading term is ``c x^a log(x)^b``. Its exponents are guessed from values far out; its constant is a limit by SymPy
(D. Gruntz, "On computing limits in a symbolic manipulation system", 1996), which confirms the guess by being finite and
different from 0.
"""

from __future__ import annotations

from fractions import Fraction

import mpmath
import sympy as sp

from symicl.errors import DerivationError

PLACES = (150, 300)
"""Decimal exponents of the values of the symbol that exponents are guessed from."""

DIGITS = 2000
LARGEST_ROOT = 4


def leading_term(expression: sp.Expr, symbol: sp.Symbol, to: sp.Expr) -> sp.Expr:
    """The leading term of an expression as a positive symbol tends to ``to``, which is 0 or ``oo``.

    The quotient of both tends to 1. Other symbols are constants; the coefficient may hold them. Raises
    ``DerivationError`` where there is no leading term ``c x^a log(x)^b``, and for another limit than 0 or infinity.
    """
    if to not in (sp.S.Zero, sp.oo):
        raise DerivationError(f"no leading term as {symbol} tends to {to}", remedy="take 0 or infinity")
    x = sp.Symbol(f"_{symbol.name}", positive=True)
    moved = expression.xreplace({symbol: x})
    body = moved.xreplace({each: sp.expand_log(each, force=True) for each in moved.atoms(sp.log) if each.has(x)})
    if not body.has(x):
        return expression
    power, log_power = _exponents(body, x, to)
    scale = x**power * sp.log(x) ** log_power
    try:
        coefficient = sp.limit(body / scale, x, to)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DerivationError(f"SymPy finds no limit: {error}", where=str(expression)[:80]) from None
    if coefficient == 0 or coefficient.is_finite is False or coefficient.has(x, sp.Limit, sp.AccumBounds):
        raise DerivationError(f"no leading term as {symbol} tends to {to}", where=str(expression)[:80])
    return coefficient * scale.xreplace({x: symbol})


def _exponents(body: sp.Expr, x: sp.Symbol, to: sp.Expr) -> tuple[sp.Rational, sp.Integer]:
    """What the exponents seem to be: ``x E'/E = a + b/log x + ...`` solved at two places far out."""
    others = sorted(body.free_symbols - {x}, key=str)
    known = {s: sp.Integer(7) if s.is_integer else sp.Rational(1, 7 + 2 * i) for i, s in enumerate(others)}
    with mpmath.workdps(DIGITS):
        value = sp.lambdify([x], body.xreplace(known), "mpmath")
        sign = 1 if to is sp.oo else -1
        logs = [sign * place * mpmath.log(10) for place in PLACES]
        step = mpmath.mpf(10) ** (-DIGITS // 3)
        slopes = [
            (mpmath.log(abs(value(mpmath.exp(at + step)))) - mpmath.log(abs(value(mpmath.exp(at - step))))) / (2 * step)
            for at in logs
        ]
        log_power = (slopes[0] - slopes[1]) / (1 / logs[0] - 1 / logs[1])
        power = slopes[1] - log_power / logs[1]
        return sp.Rational(Fraction(float(power)).limit_denominator(LARGEST_ROOT)), sp.Integer(round(float(log_power)))


def expansion(expression: sp.Expr, symbol: sp.Symbol, to: sp.Expr, count: int) -> tuple[sp.Expr, ...]:
    """The first ``count`` terms, each the leading term of what the ones before it leave. Raises as above."""
    terms: list[sp.Expr] = []
    rest = expression
    for _ in range(count):
        term = leading_term(rest, symbol, to)
        terms.append(term)
        rest = rest - term
    return tuple(terms)


__all__ = ["expansion", "leading_term"]
