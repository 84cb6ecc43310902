"""Sums gathered for the reader: ``sum A_ij f_i (c_i - sum c_l f_l)`` for a difference of products of sums.

Sums over index ranges that depend on the same free indices become one sum, whose body is factored; terms with the same
Kronecker deltas are factored apart from the others. Exact: :func:`gather` decides the identity before it uses a form.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symicl.algebra import field_of, identically_zero
from symicl.errors import DerivationError
from symicl.indices import Index, SumOver, resolve
from symicl.nest import free_indices, is_whole, nodes, renested

Slot = tuple[tuple[str, ...], str, str]
"""Of a sum: its free indices, its range and its size."""


def gather(expression: sp.Expr, features: tuple[sp.Symbol, ...] = ()) -> sp.Expr:
    """The expression with sums over ranges gathered; it is returned as it came where that makes it no shorter.

    ``features`` are the distinct features it speaks of. Exact: equality is decided in the fraction field.
    """
    try:
        form = _product(renested(expression), 0)
        same = identically_zero(resolve(form - expression, features))
    except DerivationError:
        return expression
    return form if same and nodes(form) <= nodes(expression) else expression


@dataclass(frozen=True)
class _Term:
    """``coefficient * product of deltas * product of sums``; the sums are those that may be gathered."""

    whole: sp.Expr
    coefficient: sp.Expr
    deltas: tuple[sp.Expr, ...]
    sums: tuple[SumOver, ...]

    @property
    def key(self) -> tuple[tuple[sp.Expr, ...], tuple[Slot, ...]]:
        """What terms must share to become one."""
        return self.deltas, tuple(_slot(node) for node in self.sums)


def _slot(node: SumOver) -> Slot:
    return tuple(sorted(f"{i.name}:{i.over}" for i in free_indices(node))), node.index.over, str(node.size)


def _term(expression: sp.Expr) -> _Term:
    """The factors of a term apart. Sums without free indices are gathered only where only numbers multiply them."""
    factors = sp.Mul.make_args(expression)
    deltas = tuple(f for f in factors if isinstance(f, sp.KroneckerDelta))
    sums = [f for f in factors if is_whole(f)]
    chosen = [f for f in sums if free_indices(f)]
    if not chosen and all(f.is_Rational or f in sums for f in factors) and len(sums) == 1:
        chosen = sums
    chosen.sort(key=lambda node: (_slot(node), sp.default_sort_key(node)))
    rest = sp.Mul(*(f for f in factors if f not in deltas and f not in chosen))
    return _Term(expression, rest, deltas, tuple(chosen))


def _product(expression: sp.Expr, depth: int) -> sp.Expr:
    """Factored, and each factor that is a sum gathered. ``depth`` counts the opened sums around it."""
    constant, pairs = field_of([expression])(expression).factors()
    factors = []
    for base, power in pairs:
        form = _sum(base, depth) if base.is_Add else base
        if form.is_Add and not _leads(form):
            form, constant = sp.Add(*(-term for term in form.args)), constant * (-1) ** power
        factors.append(form**power)
    return sp.Mul(constant, *factors)


def _sum(expression: sp.Expr, depth: int) -> sp.Expr:
    terms = [_term(term) for term in sp.Add.make_args(expression)]
    groups: dict[tuple[tuple[sp.Expr, ...], tuple[Slot, ...]], list[_Term]] = {}
    for term in terms:
        groups.setdefault(term.key, []).append(term)
    return sp.Add(*(_group(members, len(members) == len(terms), depth) for members in groups.values()))


def _group(members: list[_Term], everything: bool, depth: int) -> sp.Expr:
    """The terms of one key as one term; as they are where there is nothing to gather."""
    deltas, slots = members[0].key
    if len(members) == 1:
        return members[0].whole
    if everything and not deltas and not slots:
        return _partly_factored(sp.Add(*(member.whole for member in members)), depth)
    indices = [Index(f"_g{depth + i}", over) for i, (_, over, _) in enumerate(slots)]
    opened = []
    for member in members:
        bodies = [s.body.xreplace({s.index: index}) for s, index in zip(member.sums, indices, strict=True)]
        opened.append(sp.Mul(member.coefficient, *bodies))
    form = _product(sp.Add(*opened), depth + len(slots))
    for node, index in reversed(list(zip(members[0].sums, indices, strict=True))):
        factors = sp.Mul.make_args(form)
        inside = sp.Mul(*(f for f in factors if index in f.free_symbols))
        outside = sp.Mul(*(f for f in factors if index not in f.free_symbols))
        form = outside * SumOver(inside, index, node.size)
    return form * sp.Mul(*deltas)


def _partly_factored(expression: sp.Expr, depth: int) -> sp.Expr:
    """The terms that share the most frequent factor apart from the others, where that is shorter."""
    held = {term: {f.as_base_exp()[0] for f in sp.Mul.make_args(term)} for term in expression.args}
    found = sorted((f for f in set().union(*held.values()) if not f.is_Rational), key=sp.default_sort_key)
    often = max(found, key=lambda factor: sum(factor in own for own in held.values()))
    sharing = [term for term, own in held.items() if often in own]
    if not 1 < len(sharing) < len(held):
        return expression
    rest = _sum(sp.Add(*(term for term in held if term not in sharing)), depth)
    form = _product(sp.Add(*sharing), depth) + rest
    return form if nodes(form) < nodes(expression) else expression


def _leads(expression: sp.Expr) -> bool:
    """Whether a sum has the sign to print: more positive terms than negative ones, or else the shortest positive."""
    balance = sum(1 if _is_positive(term) else -1 for term in expression.args)
    if balance:
        return balance > 0
    return _is_positive(min(expression.args, key=lambda term: (nodes(term), sp.default_sort_key(term))))


def _is_positive(term: sp.Expr) -> bool:
    return bool(term.as_coeff_Mul(rational=True)[0] > 0)
