"""Index calculus: sums over features that stay sums, differentiated and rewritten exactly at any number of features.

A sum is a :class:`SumOver`: its bound index runs over all features but the excluded ones. Distinct free index symbols
stand for distinct features. :func:`resolve` splits every sum into the terms of the distinguished features and sums of
monomials over the others; in that form sums are algebraically independent atoms and the fraction field decides.

Quantities with other kinds of indices (the rows and columns of a matrix) use an :class:`Index`, which knows its range.
Such indices may coincide; sums over them are completed to the whole range instead of being split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any

import sympy as sp

from symicl.algebra import Ratio, field_of
from symicl.errors import DerivationError

BOUND_NAMES = ("m", "j", "l", "i")
"""How bound indices are shown, from the innermost sum outwards, where nothing else has the name."""

FURTHER_NAMES = tuple(f"{name}{i}" for i in range(1, 20) for name in BOUND_NAMES)


class Index(sp.Symbol):
    """An index over a named range, such as ``Index("i", "rows")``. A plain symbol is an index over the features."""

    __slots__ = ("over",)
    over: str

    def __new__(cls, name: str, over: str) -> Index:
        index: Index = sp.Symbol.__xnew__(cls, name, integer=True, positive=True)
        index.over = over
        return index

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.over)

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        return (self.name, self.over), {}


def range_of(index: sp.Basic) -> str:
    """The name of the range that an index runs over; empty for the features."""
    return index.over if isinstance(index, Index) else ""


def fresh_index(index: sp.Symbol) -> sp.Symbol:
    """An index over the same range with a name that nothing else has."""
    return like_index(index, f"_{sp.Dummy().dummy_index}")


def like_index(index: sp.Symbol, name: str) -> sp.Symbol:
    """An index of another name over the same range."""
    return Index(name, index.over) if isinstance(index, Index) else sp.Symbol(name, integer=True, positive=True)


def bound_index(depth: int, like: sp.Symbol) -> sp.Symbol:
    """The canonical bound index of a sum that holds ``depth`` further sums inside, over the range of ``like``."""
    return like_index(like, f"_{depth}")


class SumOver(sp.Expr):
    """``sum over index in 1..size, index not in excluded, of body``. The bound index is renamed canonically.

    A sum over all features of a term with a Kronecker delta is the one term that the delta leaves. A constant summed
    with two features left out stays a sum: only where they are known to be distinct are there ``size - 2`` terms.
    """

    is_commutative = True

    def __new__(cls, body: Any, index: sp.Symbol, size: Any, excluded: Iterable[sp.Symbol] = ()) -> sp.Expr:
        body, size = sp.sympify(body, strict=True), sp.sympify(size, strict=True)
        left_out = sp.Tuple(*sorted(set(excluded), key=sp.default_sort_key))
        for other in left_out:
            if other.is_Symbol and range_of(other) != range_of(index):
                raise DerivationError(
                    f"a sum leaves out {other}, which does not run over its range",
                    remedy="leave out an index of the sum's",
                )
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
        canonical = bound_index(1 + max((_depth(node) for node in body.atoms(SumOver)), default=-1), index)
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

    def opened(self) -> tuple[sp.Symbol, sp.Expr]:
        """A free index with a name to print, and the body at it."""
        taken = {symbol.name for symbol in self.free_symbols if symbol.is_Symbol}
        first = _depth(self) % len(BOUND_NAMES)
        name = next(n for n in (*BOUND_NAMES[first:], *BOUND_NAMES, *FURTHER_NAMES) if n not in taken)
        index = like_index(self.index, name)
        return index, self.body.xreplace({self.index: index})

    def _sympystr(self, printer: Any) -> str:
        index, opened = self.opened()
        name, body = index.name, printer._print(opened)
        skipped = ", ".join(f"{name} != {printer._print(k)}" for k in self.excluded)
        return f"sum({body}, {name} in 1..{printer._print(self.size)}{', ' + skipped if skipped else ''})"


def _is_between(delta: sp.KroneckerDelta, index: sp.Symbol) -> bool:
    """Whether a delta compares the index with another of its range; a number such as ``K + 1`` may lie outside it."""
    return index in delta.args and all(arg.is_Symbol and range_of(arg) == range_of(index) for arg in delta.args)


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
            return sp.Mul(*map(_delta, expression.indices, variable.indices))
        return sp.S.Zero
    if hasattr(expression, "rebuild"):
        moved = variable.base if isinstance(variable, sp.Indexed) else variable
        if getattr(expression, "law", sp.S.Zero).has(moved) or getattr(expression, "size", sp.S.Zero).has(moved):
            raise DerivationError(
                f"a law or a range depends on {variable}, which is differentiated by",
                where=str(expression),
                remedy="write the mean out, so that its dependence is in the expression",
            )
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


def _delta(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    """1 where two indices of one quantity are equal. Raises ``DerivationError`` where their ranges differ."""
    if left.is_Symbol and right.is_Symbol and range_of(left) != range_of(right):
        raise DerivationError(
            f"{left} and {right} index the same place of one quantity, but run over different ranges",
            remedy="use one Index range for each place",
        )
    return sp.KroneckerDelta(left, right)


@lru_cache(maxsize=4096)
def resolve(expression: sp.Expr, features: tuple[sp.Symbol, ...], bound: tuple[sp.Symbol, ...] = ()) -> sp.Expr:
    """The expression with sums split at the distinct ``features`` and Kronecker deltas between them decided.

    Every remaining :class:`SumOver` runs over the features other than the distinguished ones, or over the whole range
    of an :class:`Index`, and has a monomial (with an irreducible denominator, if any) as its body. ``bound`` are
    indices of enclosing sums.
    """
    if isinstance(expression, sp.KroneckerDelta):
        left, right = expression.args
        distinct = {index for index in (*features, *bound) if not isinstance(index, Index)}
        return sp.S.Zero if left != right and left in distinct and right in distinct else expression
    if isinstance(expression, SumOver):
        return _resolve_sum(expression, features, bound)
    if hasattr(expression, "rebuild"):
        return expression.rebuild(lambda body: resolve(body, features, bound))
    if expression.is_Atom or isinstance(expression, sp.Indexed):
        return expression
    return expression.func(*(resolve(argument, features, bound) for argument in expression.args))


def _resolve_sum(node: SumOver, features: tuple[sp.Symbol, ...], bound: tuple[sp.Symbol, ...]) -> sp.Expr:
    if isinstance(node.index, Index):
        return _complete_sum(node, features, bound)
    candidates = features + tuple(index for index in bound if index in node.free_symbols)
    scope = tuple(index for index in candidates if not isinstance(index, Index))
    explicit = [
        resolve(node.body.xreplace({node.index: feature}), features, bound)
        for feature in scope
        if feature not in node.excluded
    ]
    index = sp.Symbol(f"_b{len(bound)}", integer=True, positive=True)
    rest = resolve(node.body.xreplace({node.index: index}), features, (*bound, index))
    return sp.Add(*explicit, _collect(rest, index, node.size, (*scope, *node.excluded)))


def _complete_sum(node: SumOver, features: tuple[sp.Symbol, ...], bound: tuple[sp.Symbol, ...]) -> sp.Expr:
    """The sum over the whole range, less the term left out."""
    if len(node.excluded) > 1:
        raise DerivationError(
            f"{node} leaves out two indices that may coincide", remedy="leave out one, and take the other off by itself"
        )
    index = like_index(node.index, f"_b{len(bound)}")
    whole = _collect(resolve(node.body.xreplace({node.index: index}), features, (*bound, index)), index, node.size, ())
    left_out = [resolve(node.body.xreplace({node.index: other}), features, bound) for other in node.excluded]
    return sp.Add(whole, *(-term for term in left_out))


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
        monomial = sp.Mul(
            *(_power(atom, power) for atom, power in zip(ratio.field.atoms, inside, strict=True) if power)
        )
        summand = monomial / inner_denominator
        if index in summand.free_symbols and isinstance(index, Index):
            total += coefficient * _in_one_order(summand, index, size)
        elif index in summand.free_symbols:
            total += coefficient * _sum_apart(summand, index, size, excluded)
        else:  # here the features left out are distinct
            total += coefficient * summand * (size - len(set(excluded)))
    return total / constant.expression()


def _sum_apart(summand: sp.Expr, index: sp.Symbol, size: sp.Expr, excluded: tuple[sp.Symbol, ...]) -> sp.Expr:
    """The sum over features other than the distinct ones excluded.

    A bound feature of an enclosing sum that the summand does not speak of is left in and its term taken off, so that
    the sum does not depend on it: ``sum_m x_m sum_(j != m) y_j`` and ``sum x sum y - sum x y`` are one.
    """
    strangers = [b for b in dict.fromkeys(excluded) if str(b).startswith("_b") and b not in summand.free_symbols]
    kept = tuple(feature for feature in excluded if feature not in strangers)
    return SumOver(summand, index, size, kept) - sp.Add(*(summand.xreplace({index: b}) for b in strangers))


MOST_NESTED = 5
"""The most sums inside each other whose order is made canonical: all orders are tried."""


def _in_one_order(monomial: sp.Expr, index: Index, size: sp.Expr) -> sp.Expr:
    """The sum of a monomial over a whole range, sums among its factors exchanged with it so that equal sums look equal.

    ``sum_i u_i sum_j A_ij w_j`` and ``sum_j w_j sum_i A_ij u_i`` are one; of all orders the first by sort key is taken.
    """
    factors, bound = _opened(monomial)
    if not bound or len(bound) >= MOST_NESTED:
        return SumOver(monomial, index, size)
    orders = permutations([(index, size), *bound])
    return min((_nested(factors, order) for order in orders), key=sp.default_sort_key)


def _opened(monomial: sp.Expr) -> tuple[list[sp.Expr], list[tuple[sp.Symbol, sp.Expr]]]:
    """The factors of a product with the sums among them opened, and the indices of those sums with their sizes."""
    factors: list[sp.Expr] = []
    bound: list[tuple[sp.Symbol, sp.Expr]] = []
    for factor in sp.Mul.make_args(monomial):
        base, power = factor.as_base_exp()
        whole = isinstance(base, SumOver) and isinstance(base.index, Index) and not base.excluded
        if not (whole and power.is_Integer and power > 0):
            factors.append(factor)
            continue
        for _ in range(int(power)):
            own = fresh_index(base.index)
            inner, further = _opened(base.body.xreplace({base.index: own}))
            factors += inner
            bound += [(own, base.size), *further]
    return factors, bound


def _nested(factors: list[sp.Expr], order: Sequence[tuple[sp.Symbol, sp.Expr]]) -> sp.Expr:
    """The product summed over the indices, the first one outermost, each sum holding only what depends on its index."""
    for index, size in reversed(order):
        inside = [factor for factor in factors if index in factor.free_symbols]
        outside = [factor for factor in factors if index not in factor.free_symbols]
        factors = [*outside, SumOver(sp.Mul(*inside), index, size)]
    return sp.Mul(*factors)


def _power(atom: sp.Expr, power: int) -> sp.Expr:
    """A power of an atom; a delta is 0 or 1, and so are its powers."""
    return atom if isinstance(atom, sp.KroneckerDelta) else atom**power


def rewritten(expression: sp.Expr, replacement: Callable[[sp.Expr], sp.Expr | None]) -> sp.Expr:
    """The expression with nodes replaced from the outside in; what comes in is not looked at again.

    Sums are rebuilt around a fresh index, since what comes in may hold sums of its own.
    """
    new = replacement(expression)
    if new is not None:
        return new
    if isinstance(expression, SumOver):
        fresh = fresh_index(expression.index)
        body = rewritten(expression.body.xreplace({expression.index: fresh}), replacement)
        return SumOver(body, fresh, expression.size, expression.excluded)
    if hasattr(expression, "rebuild"):
        return expression.rebuild(lambda body: rewritten(body, replacement))
    if expression.is_Atom or isinstance(expression, sp.Indexed):
        return expression
    return expression.func(*(rewritten(argument, replacement) for argument in expression.args))


def replaced_entries(expression: sp.Expr, base: sp.IndexedBase, value: Callable[[sp.Symbol], sp.Expr]) -> sp.Expr:
    """The expression with every entry ``base[j]`` replaced by ``value(j)``, inside sums as well. Exact."""
    return rewritten(
        expression,
        lambda node: value(node.indices[0]) if isinstance(node, sp.Indexed) and node.base == base else None,
    )


def vanishes_inside(expression: sp.Expr) -> bool:
    """Whether a resolved expression is zero because, written with one sum over each range, every summand is.

    Sums of rational functions of an index are not independent: ``sum of 1/(1+g_m)`` and ``sum of g_m/(1+g_m)`` add up
    to n. Enough for zero, not necessary; False where the expression is not linear in its sums over ranges.
    """
    ratio = field_of([expression])(expression)
    sums = [isinstance(atom, SumOver) and isinstance(atom.index, Index) for atom in ratio.field.atoms]
    inside: dict[tuple[str, sp.Expr], sp.Expr] = {}
    outside = sp.S.Zero
    for exponents, coefficient in ratio.numerator.terms():
        powers = list(zip(ratio.field.atoms, exponents, sums, strict=True))
        weight = sp.Rational(int(coefficient.p), int(coefficient.q))
        rest = weight * sp.Mul(*(atom**power for atom, power, is_sum in powers if power and not is_sum))
        here = [(atom, power) for atom, power, is_sum in powers if power and is_sum]
        if not here:
            outside += rest
            continue
        (node, power), *others = here
        if power != 1 or others or node.excluded:
            return False
        key, index = (range_of(node.index), node.size), like_index(node.index, "_inside")
        inside[key] = inside.get(key, sp.S.Zero) + rest * node.body.xreplace({node.index: index})
    return all(field_of([part])(part).is_zero for part in (outside, *inside.values()))


def canonical(expression: sp.Expr, features: tuple[sp.Symbol, ...]) -> Ratio:
    """The expression resolved at the distinguished features, as an element of its fraction field."""
    resolved = resolve(expression, features)
    return field_of([resolved])(resolved)
