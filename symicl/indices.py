"""Index calculus: sums over features that stay sums, differentiated and rewritten exactly at any number of features.

A sum is a :class:`SumOver`: its bound index runs over all features but the excluded ones. Distinct free index symbols
stand for distinct features. :func:`resolve` splits every sum into the terms of the distinguished features and sums of
monomials over the others; in that form sums are algebraically independent atoms and the fraction field decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import sympy as sp

from symicl.algebra import Ratio, field_of
from symicl.errors import DerivationError

BOUND_NAMES = ("m", "j", "l", "i")
"""How bound indices are shown, from the outermost sum inwards."""


def bound_index(depth: int) -> sp.Symbol:
    """The canonical bound index of a sum that holds ``depth`` further sums inside."""
    return sp.Symbol(f"_{depth}", integer=True, positive=True)


class SumOver(sp.Expr):
    """``sum over index in 1..size, index not in excluded, of body``. The bound index is renamed canonically.

    A sum over all features of a term with a Kronecker delta is the one term that the delta leaves. A constant summed
    with two features left out stays a sum: only where they are known to be distinct are there ``size - 2`` terms.
    """

    is_commutative = True

    def __new__(cls, body: Any, index: sp.Symbol, size: Any, excluded: Iterable[sp.Symbol] = ()) -> sp.Expr:
        body, size = sp.sympify(body, strict=True), sp.sympify(size, strict=True)
        left_out = sp.Tuple(*sorted(set(excluded), key=sp.default_sort_key))
        if body == 0:
            return sp.S.Zero
        if index not in body.free_symbols and len(left_out) <= 1:
            return body * (size - len(left_out))
        if not left_out and isinstance(body, sp.Mul | sp.KroneckerDelta):
            delta = next(
                (f for f in sp.Mul.make_args(body) if isinstance(f, sp.KroneckerDelta) and _is_between(f, index)), None
            )
            if delta is not None:
                (other,) = set(delta.args) - {index}
                return sp.Mul(*(f for f in sp.Mul.make_args(body) if f != delta)).xreplace({index: other})
        canonical = bound_index(1 + max((_depth(node) for node in body.atoms(SumOver)), default=-1))
        return sp.Expr.__new__(cls, body.xreplace({index: canonical}), canonical, size, left_out)

    @property
    def body(self) -> sp.Expr:
        return self.args[0]

    @property
    def index(self) -> sp.Symbol:
        return self.args[1]

    @property
    def size(self) -> sp.Expr:
        return self.args[2]

    @property
    def excluded(self) -> tuple[sp.Symbol, ...]:
        return tuple(self.args[3])

    @property
    def free_symbols(self) -> set[sp.Basic]:
        own: set[sp.Basic] = self.body.free_symbols - {self.index}
        return own.union(self.size.free_symbols, self.excluded)

    def rebuild(self, change: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        """The same sum with ``change`` applied to its body; ``change`` must not bring in sums of its own."""
        return SumOver(change(self.body), self.index, self.size, self.excluded)

    def _sympystr(self, printer: Any) -> str:
        name = shown_index(self.index)
        skipped = ", ".join(f"{name} != {printer._print(k)}" for k in self.excluded)
        body = printer._print(self.body.xreplace({self.index: sp.Symbol(name)}))
        return f"sum({body}, {name} in 1..{printer._print(self.size)}{', ' + skipped if skipped else ''})"


def _is_between(delta: sp.KroneckerDelta, index: sp.Symbol) -> bool:
    """Whether a delta compares the index with another feature; a number such as ``K + 1`` may lie outside the range."""
    return index in delta.args and all(argument.is_Symbol for argument in delta.args)


def shown_index(index: sp.Symbol) -> str:
    """The name under which a bound index is printed."""
    return BOUND_NAMES[int(index.name[1:]) % len(BOUND_NAMES)]


def _depth(node: SumOver) -> int:
    return int(node.index.name[1:])


def partial(expression: sp.Expr, variable: sp.Expr) -> sp.Expr:
    """The partial derivative with respect to a symbol or one entry ``S[n, k]`` of an indexed quantity.

    Exact, by the rules of calculus alone; the derivative of one entry by another is a product of Kronecker deltas, left
    for :func:`resolve`. Raises ``DerivationError`` for a function it has no rule for.
    """
    if expression == variable:
        return sp.S.One
    if isinstance(expression, sp.Indexed):
        if isinstance(variable, sp.Indexed) and variable.base == expression.base:
            return sp.Mul(*map(sp.KroneckerDelta, expression.indices, variable.indices))
        return sp.S.Zero
    if hasattr(expression, "rebuild"):
        return expression.rebuild(lambda body: partial(body, variable))
    if isinstance(expression, sp.Add):
        return sp.Add(*(partial(term, variable) for term in expression.args))
    if isinstance(expression, sp.Mul):
        factors = expression.args
        return sp.Add(
            *(partial(factor, variable) * sp.Mul(*factors[:i], *factors[i + 1 :]) for i, factor in enumerate(factors))
        )
    if isinstance(expression, sp.exp):
        return expression * partial(expression.args[0], variable)
    if isinstance(expression, sp.log):
        return partial(expression.args[0], variable) / expression.args[0]
    if isinstance(expression, sp.Pow):
        base, exponent = expression.args
        through_base = exponent * base ** (exponent - 1) * partial(base, variable)
        through_exponent = partial(exponent, variable)
        return through_base + (expression * sp.log(base) * through_exponent if through_exponent != 0 else 0)
    if expression.is_Atom or isinstance(expression, sp.KroneckerDelta):
        return sp.S.Zero
    raise DerivationError(
        f"no rule to differentiate {expression.func.__name__}",
        where=str(expression),
        remedy="write it with sums, products, powers, exp and log",
    )


@lru_cache(maxsize=4096)
def resolve(expression: sp.Expr, features: tuple[sp.Symbol, ...], bound: tuple[sp.Symbol, ...] = ()) -> sp.Expr:
    """The expression with sums split at the distinct ``features`` and Kronecker deltas between them decided.

    Every remaining :class:`SumOver` runs over the features other than the distinguished ones and has a monomial (with
    an irreducible denominator, if any) as its body. ``bound`` are indices of enclosing sums.
    """
    if isinstance(expression, sp.KroneckerDelta):
        left, right = expression.args
        known = set(features) | set(bound)
        return sp.S.Zero if left != right and left in known and right in known else expression
    if isinstance(expression, SumOver):
        return _resolve_sum(expression, features, bound)
    if hasattr(expression, "rebuild"):
        return expression.rebuild(lambda body: resolve(body, features, bound))
    if expression.is_Atom or isinstance(expression, sp.Indexed):
        return expression
    return expression.func(*(resolve(argument, features, bound) for argument in expression.args))


def _resolve_sum(node: SumOver, features: tuple[sp.Symbol, ...], bound: tuple[sp.Symbol, ...]) -> sp.Expr:
    scope = features + tuple(index for index in bound if index in node.free_symbols)
    explicit = [
        resolve(node.body.xreplace({node.index: feature}), features, bound)
        for feature in scope
        if feature not in node.excluded
    ]
    index = sp.Symbol(f"_b{len(bound)}", integer=True, positive=True)
    rest = resolve(node.body.xreplace({node.index: index}), features, (*bound, index))
    return sp.Add(*explicit, _collect(rest, index, node.size, (*scope, *node.excluded)))


def _collect(body: sp.Expr, index: sp.Symbol, size: sp.Expr, excluded: tuple[sp.Symbol, ...]) -> sp.Expr:
    """``sum of body over index`` as coefficients times sums of monomials in what depends on the index."""
    ratio = field_of([body])(body)
    depends = [index in atom.free_symbols for atom in ratio.field.atoms]
    constant, pairs = ratio.field.constant(1), []
    for factor, power in Ratio(ratio.field, ratio.denominator, ratio.field.context.constant(1)).factors()[1]:
        target = factor**power
        if index in factor.free_symbols:
            pairs.append(target)
        else:
            constant = constant * ratio.field(target)
    scale = ratio.denominator.factor()[0]
    inner_denominator = sp.Mul(*pairs)
    groups: dict[tuple[int, ...], sp.Expr] = {}
    for exponents, coefficient in ratio.numerator.terms():
        inside = tuple(power if moves else 0 for power, moves in zip(exponents, depends, strict=True))
        outside = sp.Mul(
            *(
                atom**power
                for atom, power, moves in zip(ratio.field.atoms, exponents, depends, strict=True)
                if power and not moves
            )
        )
        weight = coefficient / scale
        groups[inside] = groups.get(inside, 0) + sp.Rational(int(weight.p), int(weight.q)) * outside
    total = sp.S.Zero
    for inside, coefficient in groups.items():
        monomial = sp.Mul(*(atom**power for atom, power in zip(ratio.field.atoms, inside, strict=True) if power))
        summand = monomial / inner_denominator
        if index in summand.free_symbols:
            total += coefficient * SumOver(summand, index, size, excluded)
        else:  # here the features left out are distinct
            total += coefficient * summand * (size - len(set(excluded)))
    return total / constant.expression()


def canonical(expression: sp.Expr, features: tuple[sp.Symbol, ...]) -> Ratio:
    """The expression resolved at the distinguished features, as an element of its fraction field."""
    resolved = resolve(expression, features)
    return field_of([resolved])(resolved)
