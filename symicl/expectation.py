"""An expectation is a node of the expression; its law knows how to evaluate it exactly.

Three laws: moments of a random task (evaluated at once), counts of i.i.d. tokens over all features (at symbolic K), and
the multinomial law of a few cell totals that the former becomes when features are exchangeable. Numbers are for
``evaluate``; here everything is exact and symbolic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.functions.combinatorial.numbers import stirling

from symicl.algebra import factored, identically_zero
from symicl.errors import DerivationError, InputError
from symicl.indices import SumOver, partial, resolve


class Law(sp.Basic):
    """What is random in an :class:`Expectation`. ``variables`` are bound in its body.

    ``certain`` says that it is a law at all values of what is free in it, so that its means keep signs.
    """

    certain: bool = False

    @property
    def places(self) -> frozenset[sp.Symbol]:
        """The indices that stand for any in the law's own expressions, and are bound there."""
        return frozenset()

    @property
    def variables(self) -> frozenset[sp.Basic]:
        raise NotImplementedError

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return set().union(*(argument.free_symbols for argument in self.args)) - set(self.variables)


def _trials(value: Any) -> sp.Expr:
    """A number of draws: an integer >= 0, or an expression that still has symbols. Raises ``InputError``."""
    trials = sp.sympify(value, strict=True)
    if not trials.free_symbols and not (trials.is_Integer and trials >= 0):
        raise InputError(f"{trials} is no number of draws", where="trials", remedy="give an integer >= 0")
    return trials


class TokenCounts(Law):
    """Counts ``counts[m]``, m = 1..size, of ``trials`` i.i.d. tokens, each being m with ``probabilities[m]``."""

    def __new__(cls, counts: sp.IndexedBase, trials: Any, probabilities: sp.IndexedBase, size: Any) -> TokenCounts:
        node: TokenCounts = sp.Basic.__new__(cls, counts, _trials(trials), probabilities, sp.sympify(size, strict=True))
        return node

    @property
    def counts(self) -> sp.IndexedBase:
        return self.args[0]

    @property
    def trials(self) -> sp.Expr:
        return self.args[1]

    @property
    def probabilities(self) -> sp.IndexedBase:
        return self.args[2]

    @property
    def variables(self) -> frozenset[sp.Basic]:
        return frozenset({self.counts, self.counts.label})


class Multinomial(Law):
    """Totals of ``trials`` i.i.d. draws over a few cells, ``cells`` a tuple of (total, probability of the cell).

    Probabilities are kept in canonical form, so that equal laws are the same law.
    """

    def __new__(cls, trials: Any, cells: Sequence[tuple[sp.Symbol, Any]]) -> Multinomial:
        pairs = sp.Tuple(
            *(sp.Tuple(total, factored(sp.sympify(probability, strict=True))) for total, probability in cells)
        )
        node: Multinomial = sp.Basic.__new__(cls, _trials(trials), pairs)
        return node

    @property
    def trials(self) -> sp.Expr:
        return self.args[0]

    @property
    def cells(self) -> tuple[tuple[sp.Symbol, sp.Expr], ...]:
        return tuple((pair[0], pair[1]) for pair in self.args[1])

    @property
    def variables(self) -> frozenset[sp.Basic]:
        return frozenset(total for total, _ in self.cells)

    def _sympystr(self, printer: Any) -> str:
        totals, odds = zip(*((total, printer._print(share)) for total, share in self.cells), strict=True)
        return f"{', '.join(map(str, totals))} ~ Multinomial({printer._print(self.trials)}, {', '.join(odds)})"


class Expectation(sp.Expr):
    """``E[body]`` under a law. Linear, and differentiated under the sign: laws do not depend on what is trained."""

    is_commutative = True

    def __new__(cls, body: Any, law: Law) -> sp.Expr:
        body = sp.sympify(body, strict=True)
        if not _bound_in(body, law.variables):
            return body
        return sp.Expr.__new__(cls, body, law)

    @property
    def body(self) -> sp.Expr:
        return self.args[0]

    @property
    def law(self) -> Law:
        law: Law = self.args[1]
        return law

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return {s for s in self.body.free_symbols if not _bound_in(s, self.law.variables)} | self.law.free_symbols

    def rebuild(self, change: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        """The same expectation with ``change`` applied to its body."""
        return Expectation(change(self.body), self.law)

    def _symicl_grammar(self, show: Callable[[sp.Expr], str]) -> str:
        if not isinstance(self.law, Multinomial):
            raise InputError(f"an expectation under {type(self.law).__name__} has no form in the grammar")
        cells = ", ".join(f"{total.name}={show(probability)}" for total, probability in self.law.cells)
        return f"E({show(self.body)}, trials={show(self.law.trials)}, {cells})"

    def _sympystr(self, printer: Any) -> str:
        return f"E[{printer._print(self.body)}]"


def _bound_in(expression: sp.Basic, variables: frozenset[sp.Basic]) -> bool:
    return any(node in variables for node in sp.preorder_traversal(expression))


def multinomial_mean(body: sp.Expr, trials: sp.Expr, probabilities: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """``E[body]`` over multinomial totals, as the grammar's ``E(body, trials=N, n_a=p_a, ...)`` builds it.

    Raises ``InputError`` when the probabilities do not sum to 1 identically.
    """
    if not identically_zero(sp.Add(*probabilities.values()) - 1):
        shown = ", ".join(f"{total}={p}" for total, p in probabilities.items())
        raise InputError("the probabilities of an expectation do not sum to 1", where=shown)
    return Expectation(body, Multinomial(trials, tuple(probabilities.items())))


@dataclass(frozen=True)
class RandomTask:
    """A task f with mean zero and ``E f(v_m) f(v_n) = kernel(m, n)``, values written ``values[m]``."""

    values: sp.IndexedBase
    size: sp.Expr
    kernel: Callable[[sp.Symbol, sp.Symbol], sp.Expr]

    def mean(self, body: sp.Expr) -> sp.Expr:
        """``E[body]`` for a body quadratic in the values; exact.

        Uses ``E q(f) = q(0) + 1/2 sum_mn kernel(m,n) d2q/df_m df_n``. Raises ``DerivationError`` when the body is not a
        polynomial of degree two in the values.
        """
        m, n = sp.Dummy("m", integer=True, positive=True), sp.Dummy("n", integer=True, positive=True)
        if sp.sympify(self.kernel(m, n), strict=True).xreplace({n: m}) != sp.sympify(self.kernel(m, m), strict=True):
            raise InputError(
                "the task kernel compares its indices in Python, where they are symbols",
                where=f"kernel of {self.values}",
                remedy="write KroneckerDelta(m, n) for the case m = n",
            )
        second = partial(partial(body, self.values[m]), self.values[n])
        if second.has(self.values):
            raise DerivationError(f"second moments of {self.values} do not determine the mean of {body}")
        at_zero = _without(body, self.values)
        curvature = SumOver(SumOver(self.kernel(m, n) * second, m, self.size), n, self.size)
        return at_zero + curvature / 2


def _without(expression: sp.Expr, values: sp.IndexedBase) -> sp.Expr:
    """The expression at ``values = 0``."""
    if isinstance(expression, sp.Indexed) and expression.base == values:
        return sp.S.Zero
    if hasattr(expression, "rebuild"):
        return expression.rebuild(lambda body: _without(body, values))
    if expression.is_Atom or isinstance(expression, sp.Indexed):
        return expression
    return expression.func(*(_without(argument, values) for argument in expression.args))


def integrands(expression: sp.Expr) -> tuple[sp.Expr, dict[Law, sp.Expr]]:
    """Split an expression linear in expectations into its plain part and one integrand a law.

    A sum of expectations becomes the expectation of the sum. Raises ``DerivationError`` when an expectation occurs
    other than linearly, or under a law that depends on a feature summed over.
    """
    expression = _means_outside(expression)
    nodes = sorted(expression.atoms(Expectation), key=sp.default_sort_key)
    nodes = [node for node in nodes if not any(node in other.body.atoms(Expectation) for other in nodes)]
    stand_ins = {node: sp.Dummy("E") for node in nodes}
    flat = expression.xreplace(stand_ins)
    merged: dict[Law, sp.Expr] = {}
    for node, stand_in in stand_ins.items():
        weight = partial(flat, stand_in)
        if weight.has(*stand_ins.values()):
            raise DerivationError(f"an expectation occurs other than linearly in {expression}")
        if _bound_in(weight, node.law.variables):
            raise DerivationError(f"{weight} stands beside an expectation that binds what is in it", where=str(node))
        merged[node.law] = merged.get(node.law, sp.S.Zero) + weight * node.body
    plain = flat.xreplace(dict.fromkeys(stand_ins.values(), sp.S.Zero))
    return plain, merged


def _means_outside(expression: sp.Expr) -> sp.Expr:
    """The expression with ``sum of E[f_m]`` written ``E[sum of f_m]`` wherever a sum holds an expectation."""
    if expression.is_Atom or not expression.has(Expectation) or isinstance(expression, Expectation):
        return expression
    if not isinstance(expression, SumOver):
        return expression.func(*(_means_outside(argument) for argument in expression.args))
    plain, merged = integrands(expression.body)
    if any(expression.index in law.free_symbols for law in merged):
        raise DerivationError(f"a law depends on the feature that {expression} sums over")
    outside = expression.rebuild(lambda _: plain)
    return outside + sp.Add(*(Expectation(_sum_like(expression, body), law) for law, body in merged.items()))


def _sum_like(node: SumOver, body: sp.Expr) -> sp.Expr:
    """The sum of another body over the same features."""
    return node.rebuild(lambda _: body)


def laws_in(expression: sp.Expr) -> set[Law]:
    """The laws of the expectations in an expression."""
    return {node.law for node in expression.atoms(Expectation)}


def bound_in(expression: sp.Expr) -> set[sp.Basic]:
    """What sums and expectations in an expression bind."""
    bound: set[sp.Basic] = {node.index for node in expression.atoms(SumOver)}
    for law in laws_in(expression):
        bound |= (set(law.variables) if isinstance(law, Multinomial) else set()) | law.places
    return bound


def free_indices(expression: sp.Expr) -> set[sp.Symbol]:
    """The index symbols that stand for features: those of entries, deltas and exclusions, not bound by a sum."""
    found: set[sp.Symbol] = set()
    for entry in expression.atoms(sp.Indexed):
        found |= {index for index in entry.indices if index.is_Symbol}
    for delta in expression.atoms(sp.KroneckerDelta):
        found |= {index for index in delta.args if index.is_Symbol}
    for node in expression.atoms(SumOver):
        found |= set(node.excluded)
    return found - bound_in(expression)


def gathered(expression: sp.Expr, features: tuple[sp.Symbol, ...]) -> sp.Expr:
    """The expression resolved at the distinguished features, in canonical factored form under each expectation."""
    plain, merged = resolved_integrands(expression, features)
    return factored(plain) + sp.Add(*(mean(factored(body), law) for law, body in merged.items()))


def resolved_integrands(expression: sp.Expr, features: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, dict[Law, sp.Expr]]:
    """As :func:`integrands`, each part resolved at the distinguished features."""
    plain, merged = integrands(expression)
    return resolve(plain, features), {law: resolve(body, features) for law, body in merged.items()}


def mean(body: sp.Expr, law: Law) -> sp.Expr:
    """``E[body]`` with the factors that are not random taken out of the expectation."""
    random = [factor for factor in sp.Mul.make_args(body) if _bound_in(factor, law.variables)]
    fixed = [factor for factor in sp.Mul.make_args(body) if not _bound_in(factor, law.variables)]
    return sp.Mul(*fixed) * Expectation(sp.Mul(*random), law)


def exchangeable_moment(
    total: sp.Expr, size: sp.Expr, powers: Sequence[int], power_sums: Sequence[int], inside: int = 0
) -> sp.Expr:
    """``E[prod_i N_i^powers[i] prod_r (sum_j N_j^r) | sum of all N = total]`` for exchangeable multinomial counts.

    The cell has ``size`` members; ``powers`` belong to distinct members, of which the last ``inside`` take part in the
    power sums (whose exponents are ``power_sums``) and the others do not. Exact, from the factorial moments
    ``E[prod (N_i)_{r_i} | total] = (total)_{sum r} / size^{sum r}``.
    """
    if power_sums:
        first, rest = power_sums[0], power_sums[1:]
        outside = len(powers) - inside
        moments = [
            exchangeable_moment(total, size, [*powers[:i], powers[i] + first, *powers[i + 1 :]], rest, inside)
            for i in range(outside, len(powers))
        ]
        fresh = exchangeable_moment(total, size, [*powers, first], rest, inside + 1)
        return sp.Add(*moments) + (size - len(powers)) * fresh
    result = sp.S.Zero
    for orders, weight in _falling(powers):
        order = sum(orders)
        result += weight * sp.Mul(*(total - i for i in range(order))) / size**order
    return result


def _falling(powers: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
    """``prod N_i^powers[i]`` as a combination of products of falling factorials."""
    combinations: list[tuple[tuple[int, ...], int]] = [((), 1)]
    for power in powers:
        combinations = [
            ((*orders, order), weight * int(stirling(power, order)))
            for orders, weight in combinations
            for order in range(power + 1)
            if stirling(power, order)
        ]
    return combinations
