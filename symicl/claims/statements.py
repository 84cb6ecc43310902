"""The kinds of statements, written so that a result file reads like the statement it makes.

Distinct index symbols (``k``, ``n``) stand for distinct features. Expressions are exact; a statement with a float in it
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symicl.derive import derive
from symicl.descent import state_symbols
from symicl.errors import InputError
from symicl.expectation import multinomial_mean
from symicl.grammar import Condition, exact, parse_condition, parse_expression
from symicl.indices import SumOver, range_of
from symicl.leads import LEAD_CHANGES
from symicl.notation import unfold
from symicl.process import LOSS
from symicl.symmetry import orbits, restrict
from symicl.systems.base import System

STEP = sp.Symbol("step", integer=True, nonnegative=True)
"""The number of the step, in bounds of rates."""


@dataclass(frozen=True)
class Identity:
    """``left = right`` for all values of everything in them."""

    system: System
    left: sp.Expr
    right: sp.Expr

    def __post_init__(self) -> None:
        _check_expression(self.system, sp.Tuple(self.left, self.right))


@dataclass(frozen=True)
class Conserved:
    """A linear form in the states that training does not change."""

    system: System
    form: sp.Expr

    def __post_init__(self) -> None:
        _check_expression(self.system, self.form)


@dataclass(frozen=True)
class Sign:
    """``expression >= 0`` (or ``<= 0``) for all values of everything in it.

    ``because``, where given, is another form of the expression (of its negative for ``<=``) that shows its sign: sums
    of products of squares and of what is positive. That it is the same is decided, not assumed.
    """

    system: System
    expression: sp.Expr
    relation: str
    because: sp.Expr | None = None

    def __post_init__(self) -> None:
        _check_relation(self.relation, (">=", "<="))
        _check_expression(self.system, self.expression)
        if self.because is not None:
            _check_expression(self.system, self.because)


@dataclass(frozen=True)
class Always:
    """``condition`` holds at every step from ``first`` on (or the first step meeting ``since``) to ``last``.

    ``last`` is a step, or a condition whose first step ends the range (that step included). ``since`` may be
    ``LEAD_CHANGES`` too: the condition that another state overtakes the one that moves fastest in the first step.
    """

    system: System
    condition: Condition
    eta: sp.Rational
    last: int | Condition
    first: int = 0
    since: Condition | str | None = None

    def __post_init__(self) -> None:
        _check_steps(self.first, *([] if isinstance(self.last, Condition) else [self.last]))
        if isinstance(self.since, str) and self.since != LEAD_CHANGES:
            raise InputError(
                f"{self.since!r} is no start", where="since", remedy=f"give a condition, or {LEAD_CHANGES!r}"
            )


@dataclass(frozen=True)
class HittingTime:
    """The first step meeting ``condition`` is ``== steps``, ``<= steps`` or ``>= steps``."""

    system: System
    condition: Condition
    eta: sp.Rational
    relation: str
    steps: int

    def __post_init__(self) -> None:
        _check_relation(self.relation, ("==", "<=", ">="))
        _check_steps(self.steps)


@dataclass(frozen=True)
class Earlier:
    """One system meets a condition at a strictly earlier step than another meets the same."""

    sooner: System
    later: System
    condition: Condition
    eta: sp.Rational


@dataclass(frozen=True)
class Infimum:
    """The infimum of the loss of a one-scalar system, over all values of its states, is ``value``."""

    system: System
    value: sp.Expr

    def __post_init__(self) -> None:
        _check_expression(self.system, self.value)


@dataclass(frozen=True)
class Bounded:
    """The spectral norm of a matrix of expressions is at most ``bound`` at every point of a box.

    ``box`` lists (symbol, low, high), exact; ``bound`` is a number. A single expression is a matrix with one entry, and
    its norm the absolute value.
    """

    system: System
    matrix: tuple[tuple[sp.Expr, ...], ...]
    box: tuple[tuple[sp.Symbol, sp.Rational, sp.Rational], ...]
    bound: sp.Expr

    def __post_init__(self) -> None:
        _check_expression(self.system, sp.Tuple(self.bound, *(entry for row in self.matrix for entry in row)))
        if self.bound.free_symbols:
            raise InputError(f"the bound {self.bound} is no number", where="statement", remedy="give an exact number")


@dataclass(frozen=True)
class Rate:
    """``quantity <= bound`` (or ``>=``) at every step from ``first`` to ``last``, the bound a function of the step.

    ``quantity`` is an expression in the states and the loss, ``bound`` one in :data:`STEP`. With ``asymptotic`` the
    statement is about every step from ``first`` on, of which those up to ``last`` are looked at.
    """

    system: System
    quantity: sp.Expr
    relation: str
    bound: sp.Expr
    eta: sp.Rational
    first: int
    last: int
    asymptotic: bool = False

    def __post_init__(self) -> None:
        _check_relation(self.relation, ("<=", ">="))
        _check_steps(self.first, self.last)
        _refuse_floats(sp.Tuple(self.quantity, self.bound))
        if not 0 <= self.first <= self.last:
            raise InputError(
                f"the range of steps is {self.first} to {self.last}", where="statement", remedy="order them"
            )
        unknown = self.bound.free_symbols - {STEP}
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            raise InputError(f"the bound has {names} in it", where="statement", remedy="write it in step alone")


@dataclass(frozen=True)
class Enclosed:
    """A number that a Gaussian mixture determines lies in ``[low, high]``.

    ``quantity`` is ``minimiser``, ``first`` or ``second`` (W*, and the coefficients of 1/N and 1/N^2 in W*/2 -
    Lambda^-1) with ``place`` = (row, column) from 1, or, with no place, a constant of the inference error, or
    ``contraction``, the factor at about the best step size within 1/50 of W*.
    """

    system: System
    quantity: str
    place: tuple[int, ...]
    low: sp.Rational
    high: sp.Rational


def _check_relation(relation: str, allowed: tuple[str, ...]) -> None:
    if relation not in allowed:
        raise InputError(f"{relation!r} is not a relation here", where="statement", remedy=f"use {', '.join(allowed)}")


def _check_steps(*steps: object) -> None:
    for step in steps:
        if not isinstance(step, int) or isinstance(step, bool):
            raise InputError(f"{step!r} is no number of steps", where="statement", remedy="give an integer")


def _refuse_floats(expression: sp.Basic) -> None:
    if expression.has(sp.Float):
        raise InputError(f"{expression} has a float in it", where="statement", remedy="write exact numbers")


def _check_expression(system: System, expression: sp.Basic) -> None:
    """Refuse floats, the loss as a free symbol, and entries of single features where features are in classes."""
    _refuse_floats(expression)
    if expression.has(LOSS):
        raise InputError("the symbol of the loss stands for no expression here", remedy="use the loss of the system")
    reserved = sorted(s.name for s in expression.free_symbols if type(s) is not sp.Dummy and s.name.startswith("_"))
    if reserved:
        raise InputError(f"the name {reserved[0]} is reserved", where="statement", remedy="begin names with a letter")
    sizes = {each.name: each.size for each in system.ranges}
    for node in expression.atoms(SumOver):
        over = range_of(node.index)
        if over in sizes and node.size != sizes[over]:
            raise InputError(
                f"a sum over {over} goes to {node.size}, and {system.id} has {sizes[over]}",
                where="statement",
                remedy="sum over the whole range",
            )
    entries = expression.atoms(sp.Indexed)
    if system.features is not None and system.features.classes and entries:
        raise InputError(
            f"{min(map(str, entries))} belongs to one feature, but the features of {system.id} are in classes",
            where="statement",
            remedy="use the states, or a system without classes",
        )


def _names(system: System) -> dict[str, sp.Expr]:
    """The names a text about a system may use: its states, its parameters and the step size."""
    states = {str(symbol): symbol for symbol in state_symbols(system)}
    parameters = {parameter.name: parameter.symbol for parameter in system.parameters}
    values = dict(system.values)
    return {**parameters, **values, str(system.step_size): system.step_size, **states, **dict(system.observables)}


def _expression(system: System, given: sp.Expr | str) -> sp.Expr:
    if isinstance(given, str):
        given = parse_expression(given, _names(system), expectation=multinomial_mean)
    return unfold(system, sp.sympify(given, strict=True))


def _condition(system: System, text: str) -> Condition:
    return parse_condition(text, {**_names(system), "loss": LOSS})


def update(system: System, of: str | sp.Expr) -> sp.Expr:
    """``state(t+1) - state(t)``: by the name of a state, or by an entry such as ``S[k, k]`` or ``S[n, k]``.

    Raises ``InputError`` when the system does not train it.
    """
    if isinstance(of, str) and system.has_orbits:
        states = {str(state.symbol): state.update for state in restrict(system).states}
        if of in states:
            return states[of]
        known = ", ".join(states)
    else:
        entries = {item.variable: item.expression for item in derive(system)}
        if of in entries:
            return entries[of]
        known = ", ".join(map(str, entries))
    raise InputError(f"{system.id} does not train {of}", where=str(of), remedy=f"it trains {known}")


def at_start(system: System, expression: sp.Expr) -> sp.Expr:
    """The expression with every trained number at its value at step 0."""
    starts: dict[sp.Expr, sp.Expr] = {}
    for coordinate in system.coordinates:
        if isinstance(coordinate.start, tuple):
            raise InputError(
                f"{coordinate.variable} starts at an array of numbers",
                where=system.id,
                remedy="take a system without data",
            )
        if isinstance(coordinate.variable, sp.Indexed):
            base = coordinate.variable.base
            starts |= {entry: coordinate.start for entry in expression.atoms(sp.Indexed) if entry.base == base}
        else:
            starts[coordinate.variable] = coordinate.start
    if system.has_orbits:
        starts |= {orbit.symbol: orbit.coordinate.start for orbit in orbits(system)}
    return expression.xreplace(starts)


def simplex(names: str) -> tuple[sp.Expr, ...]:
    """Attentions that are positive and sum to 1, as ``w_i / sum w`` in free positive weights: ``simplex("a b c")``."""
    weights = [sp.Symbol(f"w_{name}", positive=True) for name in names.replace(",", " ").split()]
    total = sp.Add(*weights)
    return tuple(weight / total for weight in weights)


def equal(system: System, left: sp.Expr | str, right: sp.Expr | str) -> Identity:
    """The statement ``left = right``."""
    return Identity(system, _expression(system, left), _expression(system, right))


def conserved(system: System, form: sp.Expr | str) -> Conserved:
    """The statement that a linear form in the states, such as ``"A + (K-1)*B"``, never changes."""
    return Conserved(system, _expression(system, form))


def nonnegative(system: System, expression: sp.Expr | str, *, because: sp.Expr | str | None = None) -> Sign:
    """The statement ``expression >= 0``; ``because`` is a form of it that shows its sign, such as a sum of squares."""
    shown = None if because is None else _expression(system, because)
    return Sign(system, _expression(system, expression), ">=", shown)


def nonpositive(system: System, expression: sp.Expr | str, *, because: sp.Expr | str | None = None) -> Sign:
    """The statement ``expression <= 0``; ``because`` is a form of ``-expression`` that shows its sign."""
    shown = None if because is None else _expression(system, because)
    return Sign(system, _expression(system, expression), "<=", shown)


def always(
    system: System,
    condition: str,
    *,
    eta: object = 1,
    to: int | str,
    start: int = 0,
    since: str | None = None,
) -> Always:
    """The statement that ``condition`` holds at every step of a range of a training run.

    It starts at the step ``start``, or at the first from there on that meets ``since``: a condition, or
    ``"lead changes"``, met when another state moves as fast as the one that moves fastest in the first step.
    """
    last = _condition(system, to) if isinstance(to, str) else to
    begin = since if since in (None, LEAD_CHANGES) else _condition(system, since)
    return Always(system, _condition(system, condition), exact(eta), last, start, begin)


def first_step(system: System, condition: str, relation: str, steps: int, *, eta: object = 1) -> HittingTime:
    """The statement that the first step meeting ``condition`` is ``== steps``, ``<= steps`` or ``>= steps``."""
    return HittingTime(system, _condition(system, condition), exact(eta), relation, steps)


def sooner(system: System, than: System, condition: str, *, eta: object = 1) -> Earlier:
    """The statement that ``system`` meets ``condition`` at a strictly earlier step than the other system."""
    return Earlier(system, than, _condition(system, condition), exact(eta))


def norm_at_most(
    system: System,
    matrix: sp.Expr | Sequence[Sequence[sp.Expr]],
    bound: object,
    box: Sequence[tuple[sp.Symbol, object, object]],
) -> Bounded:
    """The statement that a matrix (or a number) has norm at most ``bound`` all over a box ``[(symbol, low, high)]``.

    ``bound`` is an exact number, or an expression that is one, such as ``sqrt(2)``.
    """
    rows = ((matrix,),) if isinstance(matrix, sp.Expr) else tuple(map(tuple, matrix))
    sides = tuple((symbol, exact(low), exact(high)) for symbol, low, high in box)
    limit = bound if isinstance(bound, sp.Expr) else exact(bound)
    return Bounded(system, rows, sides, limit)


def rate(
    system: System,
    quantity: str,
    relation: str,
    bound: str,
    *,
    start: int,
    to: int,
    eta: object = 1,
    asymptotic: bool = False,
) -> Rate:
    """The statement that a quantity of a run, such as ``"gap"``, is ``<=`` or ``>=`` a bound such as ``"2/step"``.

    At every step from ``start`` to ``to``; with ``asymptotic`` at every step from ``start`` on, which nobody can look
    at: then ``to`` says how far to look, and the verdict is at most ``supported``.
    """
    names = {**_names(system), "loss": LOSS}
    limit = parse_expression(bound, {"step": STEP, **dict(system.values)})
    return Rate(system, parse_expression(quantity, names), relation, limit, exact(eta), start, to, asymptotic)


def between(
    system: System, quantity: str, low: object, high: object, *, place: tuple[int, int] | None = None
) -> Enclosed:
    """The statement that a number which a Gaussian mixture determines lies between two exact ones; see ``Enclosed``."""
    return Enclosed(system, quantity, place or (), exact(low), exact(high))


def infimum(system: System, value: sp.Expr | str) -> Infimum:
    """The statement that the loss of a one-scalar system has this infimum over all values of its states."""
    return Infimum(system, _expression(system, value))


Statement = Identity | Conserved | Sign | Always | HittingTime | Earlier | Infimum | Bounded | Rate | Enclosed

SYSTEM_OF: Mapping[type, str] = {Earlier: "sooner"}


def system_of(statement: Statement) -> System:
    """The (first) system a statement speaks of."""
    found = getattr(statement, SYSTEM_OF.get(type(statement), "system"))
    assert isinstance(found, System)
    return found
