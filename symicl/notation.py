"""A paper's notation: expressions written with the names a system defines, and the names put back.

Folding replaces what a name stands for (``exp(u_i)`` by ``f[i] * alpha``), collects in the fraction field, where what
is common cancels, and checks itself: the result, unfolded, is the expression it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

import sympy as sp

from symicl.algebra import factored, identically_zero
from symicl.errors import DerivationError
from symicl.indices import SumOver, range_of, resolve, rewritten
from symicl.systems.base import Definition, System


def fold(system: System, expression: sp.Expr) -> sp.Expr:
    """The expression in the system's names, in canonical form. Exact.

    An expression that the names do not fit is returned as it came.
    """
    return _folded(system.definitions, expression)


@lru_cache(maxsize=256)
def _folded(definitions: tuple[Definition, ...], expression: sp.Expr) -> sp.Expr:
    try:
        folded = resolve(expression, ())
        for definition in definitions:
            folded = resolve(_replaced(folded, definition), ())
        folded = factored(folded)
        same = identically_zero(resolve(_unfolded(definitions, folded - expression), ()))
    except DerivationError:
        return expression
    return folded if same else expression


def unfold(system: System, expression: sp.Expr) -> sp.Expr:
    """The expression with every name replaced by what it stands for. Exact."""
    return _unfolded(system.definitions, expression)


def _unfolded(definitions: tuple[Definition, ...], expression: sp.Expr) -> sp.Expr:
    for definition in reversed(definitions):
        expression = rewritten(expression, partial(_meaning, definition=definition))
    return expression


def _meaning(node: sp.Expr, definition: Definition) -> sp.Expr | None:
    """What a name stands for at the indices it has here; None for anything else."""
    name = definition.name
    if isinstance(name, sp.Indexed) and isinstance(node, sp.Indexed) and node.base == name.base:
        return definition.body.xreplace(dict(zip(name.indices, node.indices, strict=True)))
    return definition.body if node == name else None


def _replaced(expression: sp.Expr, definition: Definition) -> sp.Expr:
    """The expression with what the name replaces written by it, at any indices."""
    found, value = definition.solved

    def replacement(node: sp.Expr) -> sp.Expr | None:
        if isinstance(found, sp.exp):
            return _exponential(node, found, value) if isinstance(node, sp.exp) else None
        places = _matched(node, found)
        return None if places is None else value.xreplace(places)

    return rewritten(expression, replacement)


def _exponential(node: sp.exp, found: sp.exp, value: sp.Expr) -> sp.Expr | None:
    """``exp(sum of c_k u(i_k) + rest)`` as ``product of value(i_k)^c_k * exp(rest)``, where ``found`` is ``exp(u)``."""
    result, rest = sp.S.One, sp.S.Zero
    unit, pattern = found.args[0].as_coeff_Mul(rational=True)
    for term in sp.Add.make_args(node.args[0]):
        coefficient, monomial = term.as_coeff_Mul(rational=True)
        places = _matched(monomial, pattern)
        if places is None or not (coefficient / unit).is_Integer:
            rest += term
        else:
            result *= value.xreplace(places) ** (coefficient / unit)
    return None if result == 1 else result * sp.exp(rest)


def _matched(node: sp.Expr, pattern: sp.Expr) -> dict[sp.Symbol, sp.Symbol] | None:
    """The indices to put into the pattern to get the node; None where there are none."""
    if node == pattern:
        return {}
    if node.func != pattern.func:
        return None
    free = sorted((s for s in pattern.free_symbols if range_of(s)), key=str)
    choices: list[dict[sp.Symbol, sp.Symbol]] = [{}]
    for symbol in free:
        own = [s for s in node.free_symbols if range_of(s) == range_of(symbol)]
        choices = [{**choice, symbol: other} for choice in choices for other in own]
    return next((choice for choice in choices if pattern.xreplace(choice) == node), None)


def softmax_exponent(definition: Definition, definitions: Sequence[Definition]) -> sp.Expr | None:
    """U where the definition is ``exp(u_i) / sum over l of exp(u_l)``, the sum having a name or not; else None."""
    known = {other.name: other.body for other in definitions}
    weights = [factor for factor in sp.Mul.make_args(definition.body) if isinstance(factor, sp.exp)]
    if len(weights) != 1 or not isinstance(definition.name, sp.Indexed) or len(definition.name.indices) != 1:
        return None
    total = weights[0] / definition.body
    total = known.get(total, total)
    if not isinstance(total, SumOver) or total.excluded:
        return None
    return weights[0].args[0] if total.body.xreplace({total.index: definition.name.indices[0]}) == weights[0] else None
