"""Updates to recurrence: conserved quantities and shift invariances are found, and the rest is what has to be iterated.

The states obey linear conservation laws (``A + (K-1) B = 0``) and their updates do not change under some shifts of all
scores; both are nullspaces of coefficient matrices over the field of the parameters. The reduced coordinates are
differences that the shifts leave alone; the full states are read off them linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symicl.algebra import Field, Polynomial, Ratio, factored, field_of, nullspace
from symicl.expectation import Law, integrands, mean
from symicl.indices import partial
from symicl.symmetry import SymmetricSystem, restrict, sharing
from symicl.systems.base import System

Vector = tuple[sp.Expr, ...]


@dataclass(frozen=True)
class Recurrence:
    """A system in reduced coordinates.

    ``readings`` are the coordinates as linear forms in the states, ``lift`` the states as affine forms in the
    coordinates, ``updates`` the increments of the coordinates and ``loss`` the loss, over coordinates and parameters;
    ``conserved`` are linear forms in the states with first coefficient 1, constant along training; ``start`` holds the
    coordinates at step 0. All exact.
    """

    symmetric: SymmetricSystem
    coordinates: tuple[sp.Symbol, ...]
    readings: Vector
    lift: Vector
    updates: Vector
    loss: sp.Expr
    conserved: Vector
    start: Vector

    @property
    def states(self) -> tuple[sp.Symbol, ...]:
        return tuple(state.symbol for state in self.symmetric.states)


@lru_cache(maxsize=64)
def reduce_system(system: System) -> Recurrence:
    """The recurrence of a system in reduced coordinates. Exact. Raises ``DerivationError``."""
    return reduce_symmetric(restrict(system))


def reduce_symmetric(symmetric: SymmetricSystem) -> Recurrence:
    """As :func:`reduce_system`, for a system already restricted to its symmetric states."""
    blocks = _blocks(symmetric)
    pieces = [_reduce_block(symmetric, block) for block in blocks]
    names = _coordinate_names(symmetric, sum(len(piece.readings) for piece in pieces))
    coordinates: list[sp.Symbol] = []
    readings: list[sp.Expr] = []
    lift: dict[sp.Symbol, sp.Expr] = {}
    shifted: dict[sp.Symbol, sp.Expr] = {}
    for piece in pieces:
        own = names[len(coordinates) : len(coordinates) + len(piece.readings)]
        lift.update({state: _affine(row, own) for state, row in zip(piece.states, piece.lift, strict=True)})
        shifted.update({state: _affine(row, own) for state, row in zip(piece.states, piece.shifted, strict=True)})
        coordinates += own
        readings += piece.readings
    increments = tuple(_increment(symmetric, reading, shifted) for reading in readings)
    starts = {state.symbol: state.coordinate.start for state in symmetric.states}
    return Recurrence(
        symmetric=symmetric,
        coordinates=tuple(coordinates),
        readings=tuple(readings),
        lift=tuple(lift[state.symbol] for state in symmetric.states),
        updates=increments,
        loss=sp.Add(*(on_coordinates(term, shifted) for term in sp.Add.make_args(symmetric.loss))),
        conserved=tuple(form for piece in pieces for form in piece.conserved),
        start=tuple(reading.xreplace(starts) for reading in readings),
    )


def _increment(symmetric: SymmetricSystem, reading: sp.Expr, shifted: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """What one step adds to a linear form in the states, as a function of the coordinates.

    Where updates are combinations of the descents of several queries, these stay apart: over a common denominator they
    would be many times as long.
    """
    symbols = [state.symbol for state in symmetric.states]
    if symmetric.carry is None:
        updates = {state.symbol: state.update for state in symmetric.states}
        return on_coordinates(_linear(reading, updates), shifted)
    weights = [partial(reading, symbol) for symbol in symbols]
    columns = zip(*symmetric.carry, strict=True)
    mixed = [factored(sp.Add(*(w * c for w, c in zip(weights, column, strict=True)))) for column in columns]
    total = sp.S.Zero
    for group in sharing(symmetric.slopes, symbols):
        total += on_coordinates(sp.Add(*(mixed[j] * symmetric.slopes[j] for j in group)), shifted)
    return total


def commutation_defects(recurrence: Recurrence) -> Vector:
    """For each state, its update at the lifted coordinates minus the lifted increment of the coordinates.

    All identically zero exactly when reducing and updating commute. The shift invariance is not used here: the full
    states are put in as they stand, so this checks what :func:`reduce_symmetric` did by another way.
    """
    lift = dict(zip(recurrence.states, recurrence.lift, strict=True))
    increments = dict(zip(recurrence.coordinates, recurrence.updates, strict=True))
    return tuple(
        on_coordinates(state.update, lift)
        - _linear(form - form.xreplace(dict.fromkeys(increments, sp.S.Zero)), increments)
        for state, form in zip(recurrence.symmetric.states, recurrence.lift, strict=True)
    )


def on_coordinates(expression: sp.Expr, replacement: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The expression with states replaced, in canonical form under each expectation."""
    plain, merged = integrands(expression)
    total = factored(plain.xreplace(replacement))
    for law, body in merged.items():
        total += mean(factored(body.xreplace(replacement)), law)
    return total


def _linear(form: sp.Expr, values: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """A linear form evaluated at the values (coefficients by differentiation, so that expectations stay linear)."""
    return sp.Add(*(partial(form, symbol) * value for symbol, value in values.items()))


def _coordinate_names(symmetric: SymmetricSystem, count: int) -> list[sp.Symbol]:
    taken = {str(s) for state in symmetric.states for s in state.update.free_symbols | {state.symbol}}
    stem = "D" if "D" not in taken else "D_"
    names = [stem] if count == 1 else [f"{stem}{i + 1}" for i in range(count)]
    return [sp.Symbol(name if name not in taken else f"{name}_", real=True) for name in names]


def _blocks(symmetric: SymmetricSystem) -> list[list[int]]:
    """States grouped so that no update of one group mentions another: such groups evolve on their own."""
    symbols = [state.symbol for state in symmetric.states]
    groups: list[set[int]] = []
    for i, state in enumerate(symmetric.states):
        linked = {j for j, symbol in enumerate(symbols) if symbol in state.update.free_symbols} | {i}
        joined = [group for group in groups if group & linked]
        groups = [group for group in groups if not group & linked] + [linked.union(*joined)]
    return sorted((sorted(group) for group in groups), key=lambda group: group[0])


@dataclass(frozen=True)
class _Block:
    """One group of states; ``lift`` and ``shifted`` hold a row a state: coefficients on the coordinates, a constant."""

    states: tuple[sp.Symbol, ...]
    readings: Vector
    conserved: Vector
    lift: tuple[Vector, ...]
    shifted: tuple[Vector, ...]


def _affine(row: Vector, coordinates: Sequence[sp.Symbol]) -> sp.Expr:
    return sp.Add(*(c * y for c, y in zip(row, coordinates, strict=False)), row[-1])


def _reduce_block(symmetric: SymmetricSystem, block: list[int]) -> _Block:
    states = tuple(symmetric.states[i].symbol for i in block)
    per_step = {symmetric.system.step_size: sp.S.One}
    descents = [symmetric.slopes[i].xreplace(per_step) for i in block]
    starts = [symmetric.states[i].coordinate.start for i in block]
    constants = _constants(symmetric, block, descents, states)
    terms = [term for term in sp.Add.make_args(symmetric.loss) if term.free_symbols & set(states)]
    shifts = _invariances([*descents, *terms], states)
    rows = _independent(constants, nullspace(shifts, len(states)), len(states))
    matrix = sp.Matrix(rows)
    inverse = matrix.inv().applyfunc(factored)
    kept = len(constants)
    values = [factored(sp.Add(*(c * s for c, s in zip(row, starts, strict=True)))) for row in constants]
    lift = tuple(
        (*inverse[i, kept:], factored(sp.Add(*(inverse[i, j] * values[j] for j in range(kept)))))
        for i in range(len(states))
    )
    forms = [sp.Add(*(c * s for c, s in zip(row, states, strict=True))) for row in rows]
    return _Block(states, tuple(forms[kept:]), tuple(forms[:kept]), lift, _shift(lift, shifts))


def _constants(
    symmetric: SymmetricSystem, block: list[int], descents: list[sp.Expr], states: tuple[sp.Symbol, ...]
) -> list[list[sp.Expr]]:
    """A basis of the linear forms in the block's states that no step changes.

    With updates ``P u`` these are the w for which ``P' w`` annihilates the descents u, and that is a combination of a
    basis of their linear dependencies. Descents are compared in groups that share states: others share no dependency.
    """
    if symmetric.carry is None:
        return _dependencies(descents, states)
    size = len(block)
    known: list[list[sp.Expr]] = []
    for group in sharing(descents, states):
        for row in _dependencies([descents[i] for i in group], states):
            entries = dict(zip(group, row, strict=True))
            known.append([entries.get(i, sp.S.Zero) for i in range(size)])
    rows = [
        [*(symmetric.carry[i][j] for i in block), *(-row[position] for row in known)]
        for position, j in enumerate(block)
    ]
    found = nullspace(rows, size + len(known))
    return [_first_one(row[:size]) for row in found if any(entry != 0 for entry in row[:size])]


def _first_one(row: list[sp.Expr]) -> list[sp.Expr]:
    """The row divided by its first entry that is not zero."""
    first = next(entry for entry in row if entry != 0)
    return [factored(entry / first) for entry in row]


def _independent(first: list[list[sp.Expr]], candidates: list[list[sp.Expr]], size: int) -> list[list[sp.Expr]]:
    """``first`` completed to a basis of R^size by candidates and then by unit vectors, while they are independent."""
    rows = list(first)
    units = [[sp.Integer(int(i == j)) for j in range(size)] for i in range(size)]
    for row in [*candidates, *units]:
        if len(rows) < size and not nullspace([list(column) for column in zip(*rows, row, strict=True)], len(rows) + 1):
            rows.append(row)
    return rows


def _shift(lift: tuple[Vector, ...], shifts: list[list[sp.Expr]]) -> tuple[Vector, ...]:
    """The lift moved along the invariant shifts until the last state each shift moves is zero."""
    rows = [list(row) for row in lift]
    for vector in shifts:
        pivot = max(i for i, entry in enumerate(vector) if entry != 0)
        anchor = [entry / vector[pivot] for entry in rows[pivot]]
        rows = [
            [factored(a - v * b) for a, b in zip(row, anchor, strict=True)] for row, v in zip(rows, vector, strict=True)
        ]
    return tuple(tuple(row) for row in rows)


def _channels(expressions: Sequence[sp.Expr]) -> list[tuple[frozenset[sp.Basic], list[sp.Expr]]]:
    """The expressions split into plain parts and the integrands of each law, with what the law binds."""
    split = [integrands(expression) for expression in expressions]
    laws: list[Law] = list(dict.fromkeys(law for _, merged in split for law in merged))
    plain_parts = (frozenset[sp.Basic](), [plain for plain, _ in split])
    return [plain_parts, *((law.variables, [merged.get(law, sp.S.Zero) for _, merged in split]) for law in laws)]


def _dependencies(expressions: Sequence[sp.Expr], states: tuple[sp.Symbol, ...]) -> list[list[sp.Expr]]:
    """A basis of the constant vectors w with ``sum_i w_i expressions_i = 0`` identically, law by law."""
    rows: list[list[sp.Expr]] = []
    for bound, channel in _channels(expressions):
        field = field_of(channel)
        numerators = _over_common_denominator([field(entry) for entry in channel])
        rows += _coefficient_rows(field, numerators, bound | set(states))
    return nullspace(rows, len(expressions))


def _invariances(expressions: Sequence[sp.Expr], states: tuple[sp.Symbol, ...]) -> list[list[sp.Expr]]:
    """A basis of the shifts v of the states that leave every expression as it is."""
    rows: list[list[sp.Expr]] = []
    basis = nullspace(rows, len(states))
    for expression in expressions:
        for bound, (integrand,) in _channels([expression]):
            atoms = [atom for atom in field_of([integrand]).atoms if atom.free_symbols & set(states)]
            slopes_of_atoms = [partial(atom, state) for atom in atoms for state in states]
            field = field_of([integrand, *slopes_of_atoms, *(entry for vector in basis for entry in vector)])
            slopes = _over_common_denominator([_slope(field(integrand), state) for state in states])
            if not all(_combination(field, vector, slopes).is_zero for vector in basis):
                rows += _coefficient_rows(field, slopes, bound | set(states))
                basis = nullspace(rows, len(states))
    return basis


def _combination(field: Field, vector: Sequence[sp.Expr], polynomials: Sequence[Polynomial]) -> Ratio:
    one = field.context.constant(1)
    total = field.constant(0)
    for entry, polynomial in zip(vector, polynomials, strict=True):
        total = total + field(entry) * Ratio(field, polynomial, one)
    return total


def _slope(element: Ratio, state: sp.Symbol) -> Ratio:
    """The derivative along a state, times the square of the element's denominator."""
    field, one = element.field, element.field.context.constant(1)
    top, bottom = element.numerator, element.denominator
    total = field.constant(0)
    for atom in field.atoms:
        if state in atom.free_symbols:
            name = f"x{field.position[atom]}"
            outer = top.derivative(name) * bottom - top * bottom.derivative(name)
            if not outer.is_zero():
                total = total + field(partial(atom, state)) * Ratio(field, outer, one)
    return total


def _coefficient_rows(
    field: Field, numerators: Sequence[Polynomial], moving_symbols: frozenset[sp.Basic]
) -> list[list[sp.Expr]]:
    """One row of coefficients for each monomial in what moves (states, prompts), a column for each polynomial."""
    moving = [bool(atom.free_symbols & moving_symbols) for atom in field.atoms]
    rows: dict[tuple[int, ...], list[sp.Expr]] = {}
    for column, numerator in enumerate(numerators):
        for exponents, coefficient in numerator.terms():
            key = tuple(e if m else 0 for e, m in zip(exponents, moving, strict=True))
            fixed = [a**e for a, e, m in zip(field.atoms, exponents, moving, strict=True) if e and not m]
            row = rows.setdefault(key, [sp.S.Zero] * len(numerators))
            row[column] += sp.Mul(sp.Rational(int(coefficient.p), int(coefficient.q)), *fixed)
    return list(rows.values())


def _over_common_denominator(elements: Sequence[Ratio]) -> list[Polynomial]:
    common = elements[0].denominator
    for element in elements[1:]:
        common = common / common.gcd(element.denominator) * element.denominator
    return [element.numerator * (common / element.denominator) for element in elements]
