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
FIRST_VALUES = (97, 1009)
NO_NUMBERS = (sp.oo, -sp.oo, sp.zoo, sp.nan, sp.I, sp.Limit, sp.AccumBounds)


def leading_term(expression: sp.Expr, symbol: sp.Symbol, to: sp.Expr) -> sp.Expr:
    """The leading term of an expression as a positive symbol tends to ``to``, which is 0 or ``oo``.

    The quotient of both tends to 1. Other symbols are constants; the coefficient may hold them. Raises
    ``DerivationError`` where there is no leading term ``c x^a log(x)^b``, and for another limit than 0 or infinity.
    """
    if to not in (sp.S.Zero, sp.oo):
        raise DerivationError(f"no leading term as {symbol} tends to {to}", remedy="take 0 or infinity")
    x = sp.Dummy(symbol.name, positive=True)
    body = sp.expand_log(expression.xreplace({symbol: x}))  # only where factors are certainly positive
    if not body.has(x):
        return body
    guesses = {_exponents(body, x, to, first) for first in FIRST_VALUES}
    if len(guesses) != 1:
        raise DerivationError(f"the growth in {symbol} depends on other symbols", where=str(expression)[:80])
    ((power, log_power),) = guesses
    scale = x**power * sp.log(x) ** log_power
    try:
        coefficient = sp.limit(body / scale, x, to)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DerivationError(f"SymPy finds no limit: {error}", where=str(expression)[:80]) from None
    if coefficient == 0 or coefficient.is_finite is False or coefficient.has(x, *NO_NUMBERS):
        raise DerivationError(f"no leading term as {symbol} tends to {to}", where=str(expression)[:80])
    return coefficient * scale.xreplace({x: symbol})


def _exponents(body: sp.Expr, x: sp.Symbol, to: sp.Expr, first: int) -> tuple[sp.Rational, sp.Integer]:
    """What the exponents seem to be: ``x E'/E = a + b/log x + ...`` solved at two places far out.

    Other symbols get values below 1 with large denominators, or integers, that begin with ``first``.
    """
    others = sorted(body.free_symbols - {x}, key=str)
    known = {
        s: sp.Integer(first + i) if s.is_integer else sp.Rational(first, 9 * first + 1 + 101 * i)
        for i, s in enumerate(others)
    }
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
