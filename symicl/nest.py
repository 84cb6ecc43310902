"""The order of nested sums, chosen for the reader: the shortest, then what shares a factor with a free index outside.

``sum_l x_l sum_i A_ij A_il`` is printed as ``sum_i A_ij sum_l A_il x_l``. Finite sums over whole ranges exchange, so
every order is the same number.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symicl.indices import Index, SumOver, like_index

MOST_NESTED = 5
"""The most sums inside each other whose order is chosen: all orders are tried."""

Bound = tuple[tuple[Index, sp.Expr], ...]
"""Bound indices and the sizes of their ranges."""


def renested(expression: sp.Expr) -> sp.Expr:
    """The expression with every product of nested sums over ranges in the order that reads best. Exact."""
    if is_whole(expression):
        factors, bound = _opened(expression, 0)
        return _best(tuple(factors), bound) if 1 < len(bound) <= MOST_NESTED else expression
    if expression.is_Atom or not isinstance(expression, sp.Add | sp.Mul | sp.Pow):
        return expression
    return expression.func(*(renested(argument) for argument in expression.args))


def is_whole(expression: sp.Basic) -> bool:
    """Whether this is a sum over all of an index range."""
    return isinstance(expression, SumOver) and isinstance(expression.index, Index) and not expression.excluded


def free_indices(expression: sp.Expr) -> set[Index]:
    """The indices over ranges that no sum of the expression binds."""
    return {symbol for symbol in expression.free_symbols if isinstance(symbol, Index)}


def nodes(expression: sp.Expr) -> int:
    """How long an expression is: its nodes, numbers not counted."""
    return sum(1 for node in sp.preorder_traversal(expression) if not getattr(node, "is_Rational", False))


def _opened(expression: sp.Expr, taken: int) -> tuple[list[sp.Expr], Bound]:
    """The factors of a product with the sums among them opened, at indices numbered from ``taken``."""
    factors: list[sp.Expr] = []
    bound: Bound = ()
    for factor in sp.Mul.make_args(expression):
        base, power = factor.as_base_exp()
        if not (is_whole(base) and power.is_Integer and 0 < power <= MOST_NESTED):
            factors.append(factor)
            continue
        for _ in range(int(power)):
            own = like_index(base.index, f"_o{taken + len(bound)}")
            inner, further = _opened(base.body.xreplace({base.index: own}), taken + len(bound) + 1)
            factors += inner
            bound = (*bound, (own, base.size), *further)
    return factors, bound


def _best(factors: tuple[sp.Expr, ...], bound: Bound) -> sp.Expr:
    """The product summed over the indices; what hangs together by none of them falls apart into factors."""
    result = sp.S.One
    for part, own in _components(factors, bound):
        result *= _best_connected(part, own) if own else sp.Mul(*part)
    return result


def _best_connected(factors: tuple[sp.Expr, ...], bound: Bound) -> sp.Expr:
    names = {index for index, _ in bound}
    outer = set().union(*(free_indices(factor) for factor in factors)) - names

    def rank(choice: tuple[bool, sp.Expr]) -> tuple[int, bool, Any]:
        apart, form = choice
        return nodes(form), apart, sp.default_sort_key(form)

    choices = []
    for index, size in bound:
        apart = not any(index in free_indices(f) and free_indices(f) & outer for f in factors)
        rest = tuple(pair for pair in bound if pair[0] != index)
        choices.append((apart, SumOver(_best(factors, rest), index, size)))
    return min(choices, key=rank)[1]


def _components(factors: tuple[sp.Expr, ...], bound: Bound) -> list[tuple[tuple[sp.Expr, ...], Bound]]:
    """The factors in groups that share no bound index, each with its indices; those without any in one group."""
    groups: list[tuple[list[sp.Expr], set[Index]]] = [([], set())]
    for factor in factors:
        own = {index for index, _ in bound} & free_indices(factor)
        if not own:
            groups[0][0].append(factor)
            continue
        joined = [group for group in groups[1:] if group[1] & own]
        groups = [group for group in groups if group not in joined]
        groups.append(([*(f for group in joined for f in group[0]), factor], own.union(*(g[1] for g in joined))))
    return [(tuple(part), tuple(pair for pair in bound if pair[0] in own)) for part, own in groups]
