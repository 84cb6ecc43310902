"""Exchangeable features: the orbits of trained entries, and expressions restricted to the symmetric states.

Permuting features of one class leaves the loss as it is, so entries that start equal on an orbit stay equal. Placing
the distinguished features of a derived update in classes turns sums over features into sums over classes with
multiplicities, and the counts of tokens into a multinomial law of a few cell totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symicl.algebra import factored, field_of, identically_zero
from symicl.derive import distinct_features, patterns, refuse_placed, slopes
from symicl.errors import DerivationError, InputError
from symicl.expectation import Expectation, Law, Multinomial, TokenCounts, exchangeable_moment, integrands, mean
from symicl.indices import SumOver, resolve
from symicl.systems.base import Coordinate, FeatureClass, FeatureSet, Label, System

Placement = tuple[tuple[sp.Symbol, str], ...]
"""Distinguished features with the class each lies in."""


@dataclass(frozen=True)
class Orbit:
    """Trained entries that symmetry keeps equal: a representative ``variable`` with its features placed in classes.

    ``members`` is the number of entries, ``symbol`` the name of their common value.
    """

    symbol: sp.Symbol
    coordinate: Coordinate
    variable: sp.Expr
    placement: Placement
    label: Label
    members: sp.Expr


@dataclass(frozen=True)
class State:
    """One orbit of trained entries: ``symbol`` is their common value, ``members`` how many entries share it.

    ``update`` is ``symbol(t+1) - symbol(t)`` at a symmetric state, exact, over states, parameters and cell totals.
    """

    symbol: sp.Symbol
    coordinate: Coordinate
    label: Label
    members: sp.Expr
    update: sp.Expr


Matrix = tuple[tuple[sp.Expr, ...], ...]


@dataclass(frozen=True)
class SymmetricSystem:
    """A system restricted to the states its symmetry preserves.

    ``slopes`` are ``-step_size * d objective / d entry`` on each orbit; ``carry`` is the matrix that makes updates of
    them, None for the identity.
    """

    system: System
    states: tuple[State, ...]
    loss: sp.Expr
    slopes: tuple[sp.Expr, ...]
    carry: Matrix | None = None


@lru_cache(maxsize=64)
def restrict(system: System) -> SymmetricSystem:
    """The orbits of the trained entries, their updates and the loss on the symmetric states. Exact.

    Raises ``DerivationError`` when the features are not in classes, or when the updates leave the system's own states.
    """
    found = orbits(system)
    each = {item.variable: item.expression for item in slopes(system)}
    descents = tuple(_on_classes(system, each[o.variable], o.placement) for o in found)
    carry = None if system.gram is None else carry_matrix(system)
    updates = descents if carry is None else _carried(found, descents, carry)
    states = tuple(
        State(o.symbol, o.coordinate, o.label, o.members, update) for o, update in zip(found, updates, strict=True)
    )
    placed = system.features.placed if system.features else ()
    loss = _loss_on_classes(system, resolve(system.loss, distinct_features(system, sp.S.Zero)), placed)
    return SymmetricSystem(system, states, loss, descents, carry)


def _carried(found: Sequence[Orbit], descents: Sequence[sp.Expr], carry: Matrix) -> list[sp.Expr]:
    """The updates: each row of the matrix applied to the descents, those that share states over one denominator."""
    groups = sharing(descents, [orbit.symbol for orbit in found])
    return [sp.Add(*(_joined([row[j] * descents[j] for j in group]) for group in groups)) for row in carry]


def _joined(terms: Sequence[sp.Expr]) -> sp.Expr:
    plain, merged = integrands(sp.Add(*terms))
    return factored(plain) + sp.Add(*(mean(factored(body), law) for law, body in merged.items()))


def sharing(expressions: Sequence[sp.Expr], states: Sequence[sp.Symbol]) -> list[list[int]]:
    """Positions of the expressions in groups, such that expressions of different groups have no state in common."""
    groups: list[tuple[set[sp.Basic], list[int]]] = []
    for position, expression in enumerate(expressions):
        own = expression.free_symbols & set(states)
        joined = [group for group in groups if group[0] & own]
        rest = [group for group in groups if not group[0] & own]
        groups = [*rest, (own.union(*(g[0] for g in joined)), [i for g in joined for i in g[1]] + [position])]
    return [sorted(members) for _, members in groups]


def carry_matrix(system: System) -> Matrix:
    """How the descent of each orbit moves each other: ``sum of gram(n, m) gram(l, k)`` over its entries (m, l).

    Rows and columns are in the order of :func:`orbits`. Exact; raises ``DerivationError`` as :func:`carried` does.
    """
    refuse_placed(system)
    found = orbits(system)
    return tuple(tuple(_carry(system, into, out) for out in found) for into in found)


def _carry(system: System, into: Orbit, out: Orbit) -> sp.Expr:
    """The sum over the entries of the orbit ``out`` of what one of them gives to the representative of ``into``."""
    if not (isinstance(into.variable, sp.Indexed) and isinstance(out.variable, sp.Indexed)):
        return sp.Integer(int(into.variable == out.variable))
    if into.variable.base != out.variable.base:
        return sp.S.Zero
    assert system.features is not None and system.gram is not None
    weight = sp.Mul(*map(system.gram, into.variable.indices, (_other(i) for i in out.variable.indices)))
    places = [(_other(feature), name) for feature, name in out.placement]
    return factored(sp.Add(*_over_places(system, weight, into.placement, places, ())))


def _other(index: sp.Symbol) -> sp.Symbol:
    """A name for a feature that runs over an orbit, beside the features of another entry."""
    return sp.Symbol(f"_other_{index}", integer=True, positive=True)


def _over_places(
    system: System,
    weight: sp.Expr,
    known: Placement,
    places: Sequence[tuple[sp.Symbol, str]],
    taken: tuple[sp.Symbol, ...],
) -> Iterator[sp.Expr]:
    """The weight, times the number of choices, for every way to put features into their classes.

    Each goes onto a known feature that is not ``taken`` (the features of one entry are distinct) or onto a further one.
    """
    if not places:
        yield _instantiate(system, resolve(weight, tuple(feature for feature, _ in known)), known, None)
        return
    assert system.features is not None
    (feature, name), rest = places[0], places[1:]
    for other, group in known:
        if group == name and other not in taken:
            yield from _over_places(system, weight.xreplace({feature: other}), known, rest, (*taken, other))
    room = remaining(system.features.named(name), known)
    if room != 0:
        further = (*known, (feature, name))
        for value in _over_places(system, weight, further, rest, (*taken, feature)):
            yield room * value


@lru_cache(maxsize=64)
def orbits(system: System) -> tuple[Orbit, ...]:
    """The orbits of the trained entries. Raises ``DerivationError`` or ``InputError`` for an inconsistent system."""
    _check_features(system)
    found = tuple(
        orbit
        for coordinate in system.coordinates
        for _, variable, features in patterns(system, coordinate.variable)
        for orbit in _orbits_of(system, coordinate, variable, features)
    )
    names = [str(orbit.symbol) for orbit in found]
    taken = {parameter.name for parameter in system.parameters} | {str(system.step_size), "loss"}
    for name in names:
        if names.count(name) > 1 or name in taken:
            raise InputError(
                f"{system.id} gives the name {name} to two things", where=name, remedy="name each state apart"
            )
    return found


def _orbits_of(
    system: System, coordinate: Coordinate, variable: sp.Expr, features: tuple[sp.Symbol, ...]
) -> Iterator[Orbit]:
    """One orbit for each way to place the features of an entry in classes."""
    if not isinstance(variable, sp.Indexed):
        beside = system.features.placed if system.features is not None else ()
        yield Orbit(variable, coordinate, variable, beside, (), sp.S.One)
        return
    group = system.features
    if group is None or not group.classes:
        raise DerivationError(
            f"the features of {system.id} are not in classes, so its orbits are not known",
            remedy="give the feature set classes of exchangeable features",
        )
    placed = {feature for feature, _ in group.placed}
    free = [feature for feature in features if feature not in placed]
    for placement, members in _placements(group, group.placed, free):
        symbol = entry_symbol(system, variable, placement)
        label = entry_label(variable, coordinate.variable, placement, group)
        yield Orbit(symbol, coordinate, variable, placement, label, members)


def _check_features(system: System) -> None:
    """Class sizes add up to the number of features, and probabilities to 1."""
    if system.features is None or not system.features.classes:
        return
    classes = system.features.classes
    if not identically_zero(sp.Add(*(group.size for group in classes)) - system.features.size):
        raise InputError(f"the classes of {system.id} do not have {system.features.size} features together")
    for base in system.simplices:
        shares = [group.size * value for group in classes for name, value in group.values if name == base]
        if any(share.is_Rational and share <= 0 for share in shares):
            raise InputError(
                f"some probabilities {base} of {system.id} are not positive", remedy="leave such classes out"
            )
        if not identically_zero(sp.Add(*shares) - 1):
            total = factored(sp.Add(*shares))
            raise InputError(f"the probabilities {base} of {system.id} sum to {total}", remedy="make them sum to 1")


def _placements(features: FeatureSet, placed: Placement, free: list[sp.Symbol]) -> Iterator[tuple[Placement, sp.Expr]]:
    """All ways to put the free features, distinct from those placed, into classes; with the number of choices."""
    if not free:
        yield placed, sp.S.One
        return
    for group in features.classes:
        room = remaining(group, placed)
        if room == 0:
            continue
        for placement, choices in _placements(features, (*placed, (free[0], group.name)), free[1:]):
            yield placement, room * choices


def remaining(group: FeatureClass, placed: Placement) -> sp.Expr:
    """How many members of a class are not among the placed features. Raises ``DerivationError`` if negative."""
    room = group.size - sum(1 for _, name in placed if name == group.name)
    if room.is_negative:
        raise DerivationError(f"class {group.name} has {group.size} features, fewer than the statement distinguishes")
    return room


def entry_label(entry: sp.Indexed, variable: sp.Indexed, placement: Placement, features: FeatureSet) -> Label:
    """The orbit of an entry ``S[n, k]``, read from its last index to its first.

    An index that is a placed feature of the system gives that feature's name, one that repeats a later index "same",
    any other its class. Where the family itself fixes an index (``variable`` has it there), the label leaves it out.
    """
    classes, placed = dict(placement), {feature for feature, _ in features.placed}
    labels: list[str] = []
    for position in reversed(range(len(entry.indices))):
        index = entry.indices[position]
        if variable.indices[position] in placed:
            continue
        if index in placed:
            labels.append(str(index))
        elif index in entry.indices[position + 1 :]:
            labels.append("same")
        else:
            labels.append(classes[index])
    return tuple(reversed(labels))


def entry_symbol(system: System, entry: sp.Indexed, placement: Placement) -> sp.Symbol:
    """The state symbol of the orbit an entry lies in. Raises ``DerivationError`` where the system does not train it."""
    assert system.features is not None
    placed = {feature for feature, _ in system.features.placed}
    families = [c for c in _families(system) if c.variable.base == entry.base]
    for coordinate in families:
        pairs = zip(coordinate.variable.indices, entry.indices, strict=True)
        if all(index == own for own, index in pairs if own in placed):
            label = entry_label(entry, coordinate.variable, placement, system.features)
            return sp.Symbol(coordinate.name(str(entry.base), label), real=True)
    trained = ", ".join(str(c.variable) for c in families)
    raise DerivationError(
        f"{entry} occurs, but only {trained} is trained: the system is not closed",
        remedy="train all queries, or use features whose queries do not interact",
    )


def _families(system: System) -> list[Coordinate]:
    return [c for c in system.coordinates if isinstance(c.variable, sp.Indexed)]


def _loss_on_classes(system: System, expression: sp.Expr, placement: Placement) -> sp.Expr:
    """As ``_on_classes``, with a sum over queries left a sum of one term a class: nothing is gained by one fraction."""
    parts: list[sp.Expr] = []
    whole: list[sp.Expr] = []
    for term in sp.Add.make_args(expression):
        sums = [f for f in sp.Mul.make_args(term) if isinstance(f, SumOver) and f.body.has(Expectation, SumOver)]
        if len(sums) != 1 or system.features is None:
            whole.append(term)
            continue
        weight = _on_classes(system, term / sums[0], placement)
        for group in system.features.classes:
            room = remaining(group, tuple((f, name) for f, name in placement if f in sums[0].excluded))
            if room != 0:
                member = _member(placement)
                body = sums[0].body.xreplace({sums[0].index: member})
                parts.append(weight * room * _loss_on_classes(system, body, (*placement, (member, group.name))))
    return sp.Add(_on_classes(system, sp.Add(*whole), placement), *parts)


def _member(placement: Placement) -> sp.Symbol:
    """A symbol for one more feature, distinct from those placed."""
    return sp.Symbol(f"_in{len(placement)}", integer=True, positive=True)


def _on_classes(system: System, expression: sp.Expr, placement: Placement) -> sp.Expr:
    """A resolved expression at a symmetric state, its expectations over cell totals."""
    plain, merged = integrands(expression)
    result = factored(_instantiate(system, plain, placement, None))
    for law, body in merged.items():
        if isinstance(law, TokenCounts):
            inner, cells = _condition(system, body, placement, law)
            result += mean(factored(inner), cells)
        else:
            result += mean(factored(_instantiate(system, body, placement, None)), law)
    return result


@dataclass(frozen=True)
class _Prompts:
    """The random counts in an expression, and the features that its statement distinguishes (not bound by a sum)."""

    law: TokenCounts
    distinguished: Placement


def _instantiate(system: System, expression: sp.Expr, placement: Placement, prompts: _Prompts | None) -> sp.Expr:
    """Replace entries by states, class constants by values, and sums over features by sums over classes."""
    if isinstance(expression, sp.Indexed):
        return _entry_value(system, expression, placement, prompts)
    if isinstance(expression, SumOver):
        return sp.Add(*_class_terms(system, expression, placement, prompts))
    if expression.is_Atom:
        return expression
    return expression.func(*(_instantiate(system, argument, placement, prompts) for argument in expression.args))


def _entry_value(system: System, entry: sp.Indexed, placement: Placement, prompts: _Prompts | None) -> sp.Expr:
    if prompts is not None and entry.base == prompts.law.counts:
        return entry
    if any(c.variable.base == entry.base for c in _families(system)):
        return entry_symbol(system, entry, placement)
    assert system.features is not None
    classes = dict(placement)
    for pair in system.features.pairs:
        if pair.base == entry.base:
            first, second = entry.indices
            return pair.value(classes[first], classes[second], same=first == second)
    for base, value in system.features.named(classes[entry.indices[0]]).values:
        if base == entry.base:
            return value
    raise DerivationError(f"{entry.base} has no value on class {classes[entry.indices[0]]}")


def _class_terms(system: System, node: SumOver, placement: Placement, prompts: _Prompts | None) -> Iterator[sp.Expr]:
    assert system.features is not None
    excluded = tuple((feature, name) for feature, name in placement if feature in node.excluded)
    for group in system.features.classes:
        room = remaining(group, excluded)
        if room == 0:
            continue
        member = _member(placement)
        body = node.body.xreplace({node.index: member})
        value = _instantiate(system, body, (*placement, (member, group.name)), prompts)
        if prompts is None or not value.has(prompts.law.counts[member]):
            yield room * value
            continue
        left_out = [feature for feature, name in excluded if name == group.name]
        for term in sp.Add.make_args(sp.expand(value)):
            if term == 0:
                continue
            power, rest = _count_power(term, prompts.law.counts[member])
            yield rest * (_total_power(group.name, power, left_out, prompts) if power else room)


def _count_power(value: sp.Expr, count: sp.Indexed) -> tuple[int, sp.Expr]:
    """Split ``N_j^r * rest``; the rest must not depend on the count."""
    rest, factor = value.as_independent(count, as_Add=False)
    base, power = factor.as_base_exp() if factor != 1 else (count, sp.S.Zero)
    if base != count or not (power.is_Integer and power >= 0):
        raise DerivationError(f"cannot take the mean of a sum over features of {value} over prompts exactly")
    return int(power), rest


def _total_power(group: str, power: int, left_out: list[sp.Symbol], prompts: _Prompts) -> sp.Expr:
    """``sum of N_j^power`` over the members of a class but those left out.

    The power sum itself leaves out the distinguished members, so those not left out come in on their own; members that
    an enclosing sum binds are in it, and go out again.
    """
    own = [feature for feature, name in prompts.distinguished if name == group]
    counts = prompts.law.counts
    coming = [counts[feature] ** power for feature in own if feature not in left_out]
    going = [counts[feature] ** power for feature in left_out if feature not in own]
    return _power_sum(group, power) + sp.Add(*coming) - sp.Add(*going)


def _power_sum(group: str, power: int) -> sp.Symbol:
    """``sum of N_j^power`` over the members of a class that the statement does not distinguish."""
    return sp.Symbol(f"_P{power}_{group}", nonnegative=True)


def cell_total(name: str) -> sp.Symbol:
    """The symbol of the number of tokens in a cell of features."""
    return sp.Symbol(f"n_{name}", integer=True, nonnegative=True)


@dataclass(frozen=True)
class _Cell:
    """Features that share a state: a pivot alone, or the rest of a class. ``inside`` are distinguished members."""

    total: sp.Symbol
    size: sp.Expr
    probability: sp.Expr
    group: str | None
    inside: tuple[sp.Symbol, ...]


def _cells(system: System, body: sp.Expr, placement: Placement, law: TokenCounts) -> tuple[_Cell, ...]:
    """Each query alone, then each class's other features."""
    assert system.features is not None
    pivots = _pivots(system, body, placement)
    names = ["k"] if len(pivots) == 1 else [str(feature) for feature, _ in pivots]
    for name in {group.name for group in system.features.classes} & set(names):
        raise InputError(f"a class of {system.id} is named {name} like a query", where=name, remedy="rename the class")
    cells = [
        _Cell(cell_total(name), sp.S.One, _probability(system, group, law), None, (feature,))
        for name, (feature, group) in zip(names, pivots, strict=True)
    ]
    for group in system.features.classes:
        size = remaining(group, pivots)
        if size == 0:
            continue
        inside = tuple(f for f, name in placement if name == group.name and (f, name) not in pivots)
        probability = _probability(system, group.name, law)
        cells.append(_Cell(cell_total(group.name), size, probability, group.name, inside))
    return tuple(cells)


def _pivots(system: System, body: sp.Expr, placement: Placement) -> Placement:
    """Features whose scores differ from their class's: those the system places, and those that occur as a query."""
    assert system.features is not None
    bases = {c.variable.base for c in _families(system)}
    alone = {q for entry in body.atoms(sp.Indexed) if entry.base in bases for q in entry.indices[1:]}
    alone |= {feature for feature, _ in system.features.placed}
    return tuple((feature, name) for feature, name in placement if feature in alone)


def _probability(system: System, group: str, law: TokenCounts) -> sp.Expr:
    assert system.features is not None
    return next(value for base, value in system.features.named(group).values if base == law.probabilities)


def _condition(system: System, body: sp.Expr, placement: Placement, law: TokenCounts) -> tuple[sp.Expr, Law]:
    """The mean of the resolved body given the cell totals, and the law of the totals. Exact."""
    cells = _cells(system, body, placement, law)
    body = _instantiate(system, body, placement, _Prompts(law, placement))
    known: dict[sp.Expr, sp.Expr] = {}
    for cell in cells:
        if cell.size == 1 and cell.inside:
            known[law.counts[cell.inside[0]]] = cell.total
        elif cell.group is not None:
            known[_power_sum(cell.group, 1)] = cell.total - sp.Add(*(law.counts[f] for f in cell.inside))
    for cell in cells:
        if cell.size == 1 and not cell.inside and cell.group is not None:
            known.update({p: cell.total ** _order(p) for p in body.atoms(sp.Symbol) if _is_power_sum(p, cell.group)})
    conditioned = sp.S.Zero
    ratio = field_of([body.xreplace(known)])(body.xreplace(known))
    random = {law.counts[f] for cell in cells for f in cell.inside}
    denominator = ratio.polynomial_expression(ratio.denominator)
    if any(a in random or _is_power_sum(a) for a in denominator.atoms(sp.Indexed, sp.Symbol)):
        raise DerivationError(f"the mean over prompts of {body} is not determined by the totals of exchangeable tokens")
    for exponents, coefficient in ratio.numerator.terms():
        powers = {a: e for a, e in zip(ratio.field.atoms, exponents, strict=True) if e}
        moment = sp.Mul(*(_cell_moment(cell, powers, law) for cell in cells))
        outside = sp.Mul(*(a**e for a, e in powers.items() if a not in random and not _is_power_sum(a)))
        conditioned += sp.Rational(int(coefficient.p), int(coefficient.q)) * outside * moment
    multinomial = Multinomial(law.trials, tuple((cell.total, cell.size * cell.probability) for cell in cells))
    return conditioned / denominator, multinomial


def _cell_moment(cell: _Cell, powers: Mapping[sp.Expr, int], law: TokenCounts) -> sp.Expr:
    if cell.group is None or cell.size == 1:
        return sp.S.One
    sums = [_order(a) for a, e in powers.items() if _is_power_sum(a, cell.group) for _ in range(e)]
    members = [powers.get(law.counts[f], 0) for f in cell.inside]
    if not sums and not any(members):
        return sp.S.One
    return exchangeable_moment(cell.total, cell.size, members, sums)


def _is_power_sum(atom: sp.Expr, group: str | None = None) -> bool:
    parts = str(atom).split("_", 2)
    return atom.is_Symbol and str(atom).startswith("_P") and len(parts) == 3 and group in (None, parts[2])


def _order(power_sum: sp.Expr) -> int:
    return int(str(power_sum).split("_", 2)[1][1:])
