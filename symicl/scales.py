"""Expressions on logarithmic scales, written so that balls stay small: what grows fastest is taken out of every sum.

With ``K = 2 e^t`` the quotient ``K/(K-1)`` mentions t twice, and its ball on a piece of the scale is wide; as ``2/(2 -
e^-t)`` it is as narrow as can be. Logarithms turn the exponentials taken out into sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from symicl.tape import Exponential


def tamed(expression: sp.Expr, scales: Sequence[sp.Symbol]) -> sp.Expr:
    """The same expression for ``scales >= 0``, the fastest exponential taken out of each sum."""
    exponent, rest = _split(expression, tuple(scales))
    return sp.exp(exponent) * rest


def tamed_share(part: sp.Expr, whole: sp.Expr, scales: Sequence[sp.Symbol]) -> sp.Expr:
    """``part / whole``, term by term, each as ``1 / sum (whole's terms / term)``: monotone where both are products.

    For code in balls, and for a whole whose terms are all positive; where one is not, the result is undefined. Each of
    them is one exponential: a product of two wide balls of positive numbers may hold negative ones.
    """
    below = [exponent + sp.log(rest) for exponent, rest in (_split(term, tuple(scales)) for term in _terms(whole))]
    total = sp.S.Zero
    for term in _terms(part):
        exponent, rest = _split(term, tuple(scales))
        total += rest / sp.Add(*(Exponential(own - exponent) for own in below))
    return total


def _terms(expression: sp.Expr) -> Iterator[sp.Expr]:
    for product in sp.Add.make_args(expression):
        yield from sp.Add.make_args(sp.expand_mul(product, deep=False))


def _split(expression: sp.Expr, scales: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, sp.Expr]:
    """``(f, r)`` with the expression being ``exp(f) r``, f a linear form in the scales."""
    if not expression.has(*scales):
        return sp.S.Zero, expression
    if isinstance(expression, sp.exp):
        argument = sp.expand(expression.args[0])
        if _is_linear(argument, scales):
            return argument, sp.S.One
        return sp.S.Zero, sp.exp(tamed(argument, scales))
    if isinstance(expression, sp.log):
        exponent, rest = _split(expression.args[0], scales)
        return sp.S.Zero, exponent + sp.log(rest)
    if isinstance(expression, sp.Pow) and expression.exp.is_Rational:
        exponent, rest = _split(expression.base, scales)
        return expression.exp * exponent, rest**expression.exp
    if isinstance(expression, sp.Mul):
        parts = [_split(factor, scales) for factor in expression.args]
        return sp.Add(*(exponent for exponent, _ in parts)), sp.Mul(*(rest for _, rest in parts))
    if isinstance(expression, sp.Add):
        return _sum([_split(term, scales) for term in expression.args], scales)
    return sp.S.Zero, expression


def _sum(parts: Sequence[tuple[sp.Expr, sp.Expr]], scales: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, sp.Expr]:
    """The sum of the parts, its fastest exponential taken out, or where none is, the least in each scale."""
    rows = [[exponent.coeff(t) for t in scales] for exponent, _ in parts]
    most = [max(column) for column in zip(*rows, strict=True)]
    taken = most if most in rows else [min(column) for column in zip(*rows, strict=True)]
    outside = sp.Add(*(c * t for c, t in zip(taken, scales, strict=True)))
    return outside, sp.Add(*(sp.exp(exponent - outside) * rest for exponent, rest in parts))


def _is_linear(argument: sp.Expr, scales: tuple[sp.Symbol, ...]) -> bool:
    linear = sp.Add(*(argument.coeff(t) * t for t in scales))
    return all(argument.coeff(t).is_Rational for t in scales) and sp.expand(argument - linear) == 0


__all__ = ["tamed", "tamed_share"]
