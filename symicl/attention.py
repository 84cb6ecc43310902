"""Rewriting for the reader: expressions in attention weights, and sums collected with readable signs.

The updates of a softmax layer are rational functions of ``w_m = weights[m] exp(S[m, k])``; written in the attention
``a_m = w_m / sum_j w_j`` they become polynomials. Everything here is exact, and :func:`attention_form` checks itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp

from symicl.algebra import Field, Polynomial, Ratio, field_of
from symicl.errors import DerivationError
from symicl.expectation import Expectation, Law, TokenCounts, integrands, mean
from symicl.indices import SumOver, canonical, resolve

ATTENTION = sp.IndexedBase("a")
"""``a[m, k]``: the attention of the query ``v_k`` on all tokens equal to ``v_m``; these sum to 1 over m."""

Features = tuple[sp.Symbol, ...]


class AttentionLaw(Law):
    """The law of the attention weights ``a`` when the counts of tokens follow ``counts``."""

    def __new__(cls, counts: Law) -> AttentionLaw:
        node: AttentionLaw = sp.Basic.__new__(cls, counts)
        return node

    @property
    def counts(self) -> Law:
        """The law of the counts of tokens."""
        law: Law = self.args[0]
        return law

    @property
    def variables(self) -> frozenset[sp.Basic]:
        """The attention weights, bound in an expectation."""
        return frozenset({ATTENTION, ATTENTION.label})

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """Those of the law of the counts."""
        return set(self.counts.free_symbols)


def softmax_weights(expression: sp.Expr) -> sp.IndexedBase | None:
    """The base ``w`` of the sums of ``w[m] exp(S[m, k])`` in the expression; None when there is no such sum."""
    for node in sorted(expression.atoms(SumOver), key=sp.default_sort_key):
        part = _power_sum(node)
        if part is not None and part[2] == 1:
            return part[0]
    return None


def attention_form(expression: sp.Expr, weights: sp.IndexedBase, features: Features) -> sp.Expr:
    """The expression in the attention ``a[m, k]`` (token, query), with sums over the tokens other than the query.

    ``weights`` are counts or frequencies, ``features`` the distinct features the expression speaks of.
    The softmax's denominator goes by ``sum_m a[m, k] = 1``. Exact: the definition of ``a`` put back gives the
    expression again, or else the expression is returned as it came.
    """
    try:
        form = _attention_form(expression, weights, features)
        restored = without_attention(form, weights, expression)
        same = _same(restored, expression, features)
    except DerivationError:
        return expression
    return form if same else expression


def without_attention(form: sp.Expr, weights: sp.IndexedBase, like: sp.Expr) -> sp.Expr:
    """Every ``a[m, k]`` replaced by its definition, with the scores and the number of features found in ``like``."""
    scores, size = _scores_and_size(like)
    return _restore(form, weights, scores, size)


def attention_definition(
    weights: sp.IndexedBase, scores: sp.IndexedBase, size: sp.Expr, token: sp.Symbol, query: sp.Symbol
) -> sp.Expr:
    """``weights[m] exp(S[m, k]) / sum_j weights[j] exp(S[j, k])`` for the token m and the query k."""
    index = sp.Dummy("j", integer=True, positive=True)
    total = SumOver(weights[index] * sp.exp(scores[index, query]), index, size)
    return weights[token] * sp.exp(scores[token, query]) / total


def _attention_form(expression: sp.Expr, weights: sp.IndexedBase, features: Features) -> sp.Expr:
    if isinstance(expression, SumOver) and expression.has(Expectation, SumOver) and _power_sum(expression) is None:
        inner = sp.Dummy("k", integer=True, positive=True)
        body = expression.body.xreplace({expression.index: inner})
        return SumOver(_attention_form(body, weights, (inner, *features)), inner, expression.size, expression.excluded)
    plain, merged = integrands(resolve(expression, features))
    result = sp.Mul(*_polynomial_form(plain, weights, features))
    for law, body in merged.items():
        if not (isinstance(law, TokenCounts) and law.counts == weights):
            raise DerivationError(f"{weights} are not the counts of {law}")
        constant, rest = _polynomial_form(body, weights, features)
        result += constant * mean(rest, AttentionLaw(law))
    return result


def _polynomial_form(body: sp.Expr, weights: sp.IndexedBase, features: Features) -> tuple[sp.Rational, sp.Expr]:
    """One integrand in attention weights, assuming it does not change when all weights of a query are scaled.

    In two factors, the rational one first.
    """
    if body == 0:
        return sp.S.Zero, sp.S.One
    known: dict[sp.Expr, sp.Expr] = {}
    entries: list[sp.Expr] = []
    for query in dict.fromkeys(s.indices[1] for s in sorted(_score_entries(body), key=sp.default_sort_key)):
        own = [feature for feature in features if feature == query]
        others = [feature for feature in features if feature != query]
        here = [ATTENTION[feature, query] for feature in own + others]
        entries += here
        for node in _outermost(body):
            part = _power_sum(node)
            if part is None:
                known[node] = _weighted_sum(node, weights)
            elif part[0] != weights or set(node.excluded) != set(features):
                raise DerivationError(f"{node} is not a sum of powers of softmax weights")
            elif part[1].indices[1] == query:
                known[node] = _rest(part[2], here, query, node.size, len(own))
        for exponential in body.atoms(sp.exp):
            entry = exponential.args[0]
            if isinstance(entry, sp.Indexed) and entry.indices[1] == query:
                known[exponential] = ATTENTION[entry.indices[0], query] / weights[entry.indices[0]]
    replaced = body.xreplace(known)
    sums = sorted(replaced.atoms(SumOver), key=sp.default_sort_key)
    return _arranged_parts(replaced, [sums, *([entry] for entry in reversed(entries))])


def _outermost(expression: sp.Expr) -> list[SumOver]:
    """The sums that are in no other sum."""
    nodes = expression.atoms(SumOver)
    inner: set[sp.Basic] = set().union(*(node.body.atoms(SumOver) for node in nodes))
    return sorted(nodes - inner, key=sp.default_sort_key)


def _weighted_sum(node: SumOver, weights: sp.IndexedBase) -> sp.Expr:
    """The sum with ``a[m, k]`` for ``weights[m] exp(S[m, k])``; other factors, such as a kernel's, stay."""
    known: dict[sp.Expr, sp.Expr] = {}
    for exponential in node.body.atoms(sp.exp):
        times, entry = exponential.args[0].as_coeff_Mul()
        if not (isinstance(entry, sp.Indexed) and len(entry.indices) == 2 and times.is_Integer):
            raise DerivationError(f"{exponential} is no power of a softmax weight")
        known[exponential] = (ATTENTION[entry.indices] / weights[entry.indices[0]]) ** times
    found = node.rebuild(lambda body: body.xreplace(known))
    if found.has(weights):
        raise DerivationError(f"{node} is not a sum over softmax weights")
    return found


def _rest(power: int, here: Sequence[sp.Expr], query: sp.Symbol, size: sp.Expr, own: int) -> sp.Expr:
    """``sum of a_m**power`` over the features not distinguished, by the sum over those other than the query."""
    if power == 1:
        return 1 - sp.Add(*here)
    index = sp.Dummy("m", integer=True, positive=True)
    others = SumOver(ATTENTION[index, query] ** power, index, size, (query,))
    return others - sp.Add(*(entry**power for entry in here[own:]))


def _power_sum(node: SumOver) -> tuple[sp.IndexedBase, sp.Indexed, int] | None:
    """(w, S[m, k], r) when the body is ``(w[m] exp(S[m, k]))**r``."""
    powers: dict[sp.Expr, sp.Expr] = {}
    scores: dict[sp.Expr, sp.Expr] = {}
    for factor in sp.Mul.make_args(node.body):
        base, exponent = factor.as_base_exp()
        if isinstance(factor, sp.exp):
            coefficient, entry = factor.args[0].as_coeff_Mul()
            scores[entry] = coefficient
        else:
            powers[base] = exponent
    if len(powers) != 1 or len(scores) != 1:
        return None
    (weight, power), (entry, times) = next(iter(powers.items())), next(iter(scores.items()))
    fits = isinstance(weight, sp.Indexed) and isinstance(entry, sp.Indexed) and len(entry.indices) == 2
    if not fits or weight.indices != entry.indices[:1] or weight.indices[0] != node.index:
        return None
    return (weight.base, entry, int(power)) if power == times and power.is_Integer and power > 0 else None


def _score_entries(expression: sp.Expr) -> set[sp.Indexed]:
    entries = {atom for node in expression.atoms(sp.exp) for atom in node.args[0].atoms(sp.Indexed)}
    return {entry for entry in entries if len(entry.indices) == 2}


def _scores_and_size(expression: sp.Expr) -> tuple[sp.IndexedBase, sp.Expr]:
    bases = sorted({entry.base for entry in _score_entries(expression)}, key=sp.default_sort_key)
    sizes = sorted({node.size for node in expression.atoms(SumOver)}, key=sp.default_sort_key)
    if len(bases) != 1 or len(sizes) != 1:
        raise DerivationError(f"{expression} does not have one softmax over one set of features")
    return bases[0], sizes[0]


def _restore(form: sp.Expr, weights: sp.IndexedBase, scores: sp.IndexedBase, size: sp.Expr) -> sp.Expr:
    if isinstance(form, sp.Indexed):
        return attention_definition(weights, scores, size, *form.indices) if form.base == ATTENTION else form
    if isinstance(form, Expectation):
        law = form.law.counts if isinstance(form.law, AttentionLaw) else form.law
        return Expectation(_restore(form.body, weights, scores, size), law)
    if isinstance(form, SumOver):
        # Not rebuild: the definition brings in a sum of its own, whose bound index must not be captured.
        inner = sp.Dummy("m", integer=True, positive=True)
        body = _restore(form.body.xreplace({form.index: inner}), weights, scores, size)
        return SumOver(body, inner, form.size, form.excluded)
    if form.is_Atom:
        return form
    return form.func(*(_restore(argument, weights, scores, size) for argument in form.args))


def _same(left: sp.Expr, right: sp.Expr, features: Features) -> bool:
    """Whether two expressions are equal, decided in the fraction field under each expectation."""
    if isinstance(left, SumOver) and isinstance(right, SumOver) and left.args[2:] == right.args[2:]:
        inner = sp.Dummy("k", integer=True, positive=True)
        bodies = [node.body.xreplace({node.index: inner}) for node in (left, right)]
        return _same(bodies[0], bodies[1], (inner, *features))
    plain, merged = integrands(resolve(left - right, features))
    return all(canonical(part, features).is_zero for part in (plain, *merged.values()))


def readable(expression: sp.Expr) -> sp.Expr:
    """The same expression factored, each factor collected by its exponentials and sums, then by what is random.

    Exact. An expression that the fraction field cannot hold is returned as it came.
    """
    try:
        plain, merged = integrands(expression)
        result = _collected(plain, frozenset())
        for law, body in merged.items():
            constant, rest = _collected(body, law.variables).as_coeff_Mul(rational=True)
            result += constant * mean(rest, law)
    except DerivationError:
        return expression
    return result


def _collected(expression: sp.Expr, random: Iterable[sp.Basic]) -> sp.Expr:
    """Arranged; a linear form term by term, so that it is not put in one fraction."""
    atoms = field_of([expression]).atoms
    leading = [atom for atom in atoms if isinstance(atom, sp.exp | SumOver)]
    counts = [atom for atom in atoms if atom not in leading and not atom.free_symbols.isdisjoint(random)]
    linear = [atom for atom in atoms if atom.is_Symbol and atom.is_real and not atom.is_positive]
    if linear and not leading and not counts:
        return sp.Add(*(arranged(term, [[]]) for term in sp.Add.make_args(expression)))
    return arranged(expression, [leading, counts])


def arranged(expression: sp.Expr, groups: Sequence[Sequence[sp.Expr]]) -> sp.Expr:
    """The expression factored, each factor a sum collected by the first group of atoms, its coefficients by the next.

    Exact. A factor is written with the sign that makes it positive at a reference point (integers 100, other symbols
    1/2, attention weights 1/4, all else 1), so ``1 - p1`` and not ``p1 - 1``; the signs taken out stand in front.
    """
    constant, rest = _arranged_parts(expression, groups)
    return constant * rest


def _arranged_parts(expression: sp.Expr, groups: Sequence[Sequence[sp.Expr]]) -> tuple[sp.Rational, sp.Expr]:
    """As ``arranged``, the rational factor apart: SymPy would multiply it into a lone sum."""
    ratio = field_of([expression])(expression)
    constant, pairs = ratio.polynomial_factors()
    factors = []
    for base, power in pairs:
        flip = _at_reference(ratio.field, base) < 0
        constant = -constant if flip and power % 2 else constant
        factors.append(_arranged_sum(ratio, -base if flip else base, groups) ** power)
    return constant, sp.Mul(*factors)


def _arranged_sum(ratio: Ratio, polynomial: Polynomial, groups: Sequence[Sequence[sp.Expr]]) -> sp.Expr:
    atoms = ratio.field.atoms
    group = set(groups[0]) if groups else set()
    moving = [atom in group for atom in atoms]
    if len(polynomial) == 1 or not groups:
        return ratio.polynomial_expression(polynomial)
    coefficients: dict[tuple[int, ...], sp.Expr] = {}
    for exponents, coefficient in polynomial.terms():
        inside = tuple(e if m else 0 for e, m in zip(exponents, moving, strict=True))
        outside = [a**e for a, e, m in zip(atoms, exponents, moving, strict=True) if e and not m]
        term = sp.Mul(sp.Rational(int(coefficient.p), int(coefficient.q)), *outside)
        coefficients[inside] = coefficients.get(inside, sp.S.Zero) + term
    if len(coefficients) == 1 and not any(next(iter(coefficients))):
        return _arranged_sum(ratio, polynomial, groups[1:])
    return sp.Add(
        *(
            arranged(coefficient, groups[1:]) * sp.Mul(*(a**e for a, e in zip(atoms, inside, strict=True) if e))
            for inside, coefficient in coefficients.items()
        )
    )


def _at_reference(field: Field, polynomial: Polynomial) -> sp.Rational:
    values = [_reference(atom) for atom in field.atoms]
    return sp.Add(
        *(
            sp.Rational(int(c.p), int(c.q)) * sp.Mul(*(v**e for v, e in zip(values, exponents, strict=True) if e))
            for exponents, c in polynomial.terms()
        )
    )


def _reference(atom: sp.Expr) -> sp.Rational:
    if isinstance(atom, sp.Indexed) and atom.base == ATTENTION:
        return sp.Rational(1, 4)
    if not atom.is_Symbol:
        return sp.Integer(1)
    return sp.Integer(100) if atom.is_integer else sp.Rational(1, 2)
