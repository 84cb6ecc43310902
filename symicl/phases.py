"""Phases of a path, found: which terms dominate the updates, from which step to which, and how fast things grow.

An update is a quotient of products of sums. Each sum is grouped by what moves in it, one term for each monomial in the
exponentials of the states, and a phase is a stretch on which the same term is the largest of each sum: there the update
is close to the product of these terms (dominant balance). Steps are read off a path of leaps: ``supported``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from symicl.algebra import Polynomial, field_of
from symicl.along import DIGITS, PLACES, bisected, node_steps, point_at, two_paths
from symicl.arithmetic import ARITHMETICS
from symicl.errors import BudgetError, DerivationError
from symicl.evaluate import compile_expressions
from symicl.expectation import Expectation
from symicl.indices import partial
from symicl.iterate import Run
from symicl.paths import Path
from symicl.reduce import Recurrence, reduce_system
from symicl.symmetry import restrict
from symicl.systems.base import System

BALL = ARITHMETICS["ball"]
CONFIRMED_DIGITS = 10
"""Digits of the number of steps on which two orders have to agree."""

VIEW_DIGITS = 60
CLEAR = math.log(1.1)
"""How far ahead, in logarithms, a term has to be to take over: terms that tie at the start are no phases."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Phase:
    """Steps ``start`` to ``end``; by state, the dominant part of its update and its slope d state / d log n.

    ``dominant`` is over states and parameters, the step size included. Slopes are means over the phase, from step 1 on.
    """

    start: int
    end: int
    dominant: tuple[tuple[str, sp.Expr], ...]
    slopes: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Lead:
    """Steps ``start`` to ``end``, on which ``state`` moves faster than all others."""

    state: str
    start: int
    end: int


@dataclass(frozen=True)
class Extremum:
    """The least or greatest value of a state along the way, where that is not its start."""

    state: str
    kind: str
    value: float
    step: int


@dataclass(frozen=True)
class Course:
    """The phases of a run, who leads when, its extrema, and the states along the way: a row for each of ``steps``."""

    phases: tuple[Phase, ...]
    leads: tuple[Lead, ...]
    extrema: tuple[Extremum, ...]
    names: tuple[str, ...]
    steps: tuple[int, ...]
    states: Floats


def course_of(system: System, general: System, run: Run) -> Course:
    """The phases of a run. ``general`` is the system with the parameters that terms are to be named by left open.

    Raises ``DerivationError`` for updates that are no quotients of sums (means over prompts of finite length), and
    what :func:`symicl.paths.follow` raises.
    """
    recurrence = reduce_system(system)
    terms = _Terms(general, dict(system.values), run.eta)
    path, second = two_paths(recurrence, run, DIGITS)
    if abs(path.end - second.end) * 10**CONFIRMED_DIGITS > path.end:
        raise BudgetError(
            f"two orders end at {path.end} and {second.end} steps", where="phases", remedy="choose a target they reach"
        )
    with BALL.working(VIEW_DIGITS):
        view = _View(recurrence, path, terms, run.eta)
        steps = view.steps()
        states = np.array([view.states(n) for n in steps])
        logs = np.array([view.logs(n) for n in steps])
        starts = _boundaries(view, terms, steps, logs)
        phases = [
            _phase(view, terms, winners, start, end)
            for (start, winners), end in zip(starts, [*(n for n, _ in starts[1:]), path.end], strict=True)
        ]
        leads, extrema = _leads(view, terms.names, node_steps(path, PLACES)), _extrema(view, terms.names, steps, states)
        return Course(tuple(phases), leads, extrema, terms.names, tuple(steps), states)


@dataclass(frozen=True)
class _Sum:
    """A power of a sum in the update of a state.

    The rows of ``exponents`` are monomials in the moving atoms, ``logs`` the logarithms of their coefficients,
    ``terms`` the products of both.
    """

    state: int
    power: int
    exponents: Floats
    logs: Floats
    terms: tuple[sp.Expr, ...]

    def sizes(self, logs: Floats) -> Floats:
        """The logarithms of the terms, from those of the atoms."""
        return np.asarray(logs @ self.exponents.T + self.logs)


class _Terms:
    """The factors of the updates of a system, as sums."""

    def __init__(self, general: System, values: Mapping[str, sp.Expr], eta: sp.Rational) -> None:
        symmetric = restrict(general)
        if any(state.update.has(Expectation) for state in symmetric.states):
            raise DerivationError(
                "phases need updates in closed form, and these are means over prompts",
                where=general.id,
                remedy="take an infinite prompt length",
            )
        symbols = [state.symbol for state in symmetric.states]
        self.symbols, self.names = symbols, tuple(map(str, symbols))
        field = field_of([state.update for state in symmetric.states])
        self.atoms = [atom for atom in field.atoms if atom.free_symbols & set(symbols)]
        fixed = {p.symbol: values[p.name] for p in general.parameters} | {symmetric.system.step_size: eta}
        self.sums: list[_Sum] = []
        for index, state in enumerate(symmetric.states):
            ratio = field(state.update)
            for polynomial, sign in ((ratio.numerator, 1), (ratio.denominator, -1)):
                constant, factors = polynomial.factor()
                number = sp.Rational(int(constant.p), int(constant.q))
                self.sums.append(_Sum(index, sign, np.zeros((1, len(self.atoms))), np.zeros(1), (number,)))
                self.sums += [self._sum(index, sign * int(m), f, field.atoms, fixed) for f, m in factors]

    def _sum(
        self, state: int, power: int, factor: Polynomial, atoms: Sequence[sp.Expr], fixed: Mapping[sp.Symbol, sp.Expr]
    ) -> _Sum:
        grouped: dict[tuple[int, ...], sp.Expr] = {}
        for exponents, c in factor.terms():
            powers = dict(zip(atoms, map(int, exponents), strict=True))
            key = tuple(powers[atom] for atom in self.atoms)
            rest = sp.Mul(*(atom**e for atom, e in powers.items() if atom not in self.atoms))
            grouped[key] = grouped.get(key, sp.S.Zero) + sp.Rational(int(c.p), int(c.q)) * rest
        values = {key: coefficient.xreplace(dict(fixed)) for key, coefficient in grouped.items()}
        kept = [key for key, value in values.items() if value != 0]
        terms = tuple(
            sp.factor(grouped[key]) * sp.Mul(*(a**e for a, e in zip(self.atoms, key, strict=True))) for key in kept
        )
        logs = np.array([_log(values[key]) for key in kept])
        return _Sum(state, power, np.array(kept, dtype=float), logs, terms)

    def winners(self, logs: Floats) -> list[int]:
        """The largest term of each sum."""
        return [int(np.argmax(each.sizes(logs))) for each in self.sums]

    def dominant(self, winners: Sequence[int]) -> tuple[tuple[str, sp.Expr], ...]:
        """By state, the update with each sum replaced by its largest term."""
        parts = [sp.S.One] * len(self.names)
        for each, winner in zip(self.sums, winners, strict=True):
            parts[each.state] *= each.terms[winner] ** each.power
        return tuple(zip(self.names, map(sp.powsimp, parts), strict=True))


class _View:
    """States and atoms along a path."""

    def __init__(self, recurrence: Recurrence, path: Path, terms: _Terms, eta: sp.Rational) -> None:
        self.path = path
        self._points: dict[int, tuple[arb, ...]] = {}
        self.read = compile_expressions(recurrence.lift, recurrence.coordinates, BALL, VIEW_DIGITS)
        updates = [update.xreplace({recurrence.symmetric.system.step_size: eta}) for update in recurrence.updates]
        moves = [
            sp.Add(*(partial(form, y) * u for y, u in zip(recurrence.coordinates, updates, strict=True)))
            for form in recurrence.lift
        ]
        self.speeds = compile_expressions(moves, recurrence.coordinates, BALL, VIEW_DIGITS)
        self.values = compile_expressions(terms.atoms, terms.symbols, BALL, VIEW_DIGITS)

    def steps(self) -> list[int]:
        """Where the path is looked at."""
        return node_steps(self.path)

    def point(self, n: int) -> tuple[arb, ...]:
        if n not in self._points:
            self._points[n] = point_at(self.path, n)
        return self._points[n]

    def states(self, n: int) -> list[float]:
        return [float(state) for state in self.read(*self.point(n))]

    def turn(self, column: int, before: int, after: int) -> int:
        """The first step at which a state moves the other way than at ``before``, or not at all."""
        rises = self.speeds(*self.point(before))[column] > 0
        while after - before > 1:
            middle = (before + after) // 2
            speed = self.speeds(*self.point(middle))[column]
            before, after = (middle, after) if (speed > 0 if rises else speed < 0) else (before, middle)
        return after

    def fastest(self, n: int) -> int:
        """The state that moves fastest."""
        sizes = [abs(arb(speed)).mid() for speed in self.speeds(*self.point(n))]
        return sizes.index(max(sizes))

    def ahead(self, one: int, other: int, n: int) -> float:
        """How much faster one state moves than another, in logarithms."""
        speeds = [abs(arb(speed)).mid() for speed in self.speeds(*self.point(n))]
        if speeds[one] == 0 or speeds[other] == 0:
            return math.inf if speeds[one] > 0 else 0.0 if speeds[other] == 0 else -math.inf
        return float((speeds[one] / speeds[other]).log())

    def logs(self, n: int) -> Floats:
        """The logarithms of the atoms."""
        values = self.values(*(arb(state).mid() for state in self.read(*self.point(n))))
        return np.array([float(abs(value).log()) if value != 0 else -math.inf for value in map(arb, values)])


def _boundaries(view: _View, terms: _Terms, steps: Sequence[int], logs: Floats) -> list[tuple[int, list[int]]]:
    """Where phases start, with the largest terms there."""
    sizes = [each.sizes(logs) for each in terms.sums]
    changes: dict[int, list[tuple[int, int]]] = {}
    first = []
    for position, size in enumerate(sizes):
        current: int | None = None
        since = 0
        for row, n in enumerate(steps):
            best = int(np.argmax(size[row]))
            ahead = size[row, best] - np.partition(size[row], -2)[-2] if size.shape[1] > 1 else math.inf
            if current is None:
                if ahead > CLEAR or row == len(steps) - 1:
                    current = best
                    first.append(best)
            elif best == current:
                since = row
            elif size[row, best] - size[row, current] > CLEAR:
                changes.setdefault(_crossing(view, terms.sums[position], current, best, steps[since], n), []).append(
                    (position, best)
                )
                current, since = best, row
    winners, found = first, [(0, first)]
    for n in sorted(changes):
        winners = list(winners)
        for position, best in changes[n]:
            winners[position] = best
        found.append((n, winners))
    return found


def _crossing(view: _View, each: _Sum, old: int, new: int, before: int, after: int) -> int:
    """The first step at which the new term is the larger one."""
    while after - before > 1:
        middle = (before + after) // 2
        size = each.sizes(view.logs(middle))
        before, after = (before, middle) if size[new] > size[old] else (middle, after)
    return after


def _phase(view: _View, terms: _Terms, winners: Sequence[int], start: int, end: int) -> Phase:
    low = max(start, 1)
    # Near a singularity of the flow phases are short: their ends differ in digits that float64 does not have.
    span = math.log1p(float(Fraction(end - low, low))) if end > low else math.nan
    slopes = [(b - a) / span for a, b in zip(view.states(min(low, end)), view.states(end), strict=True)]
    return Phase(start, end, terms.dominant(winners), tuple(zip(terms.names, slopes, strict=True)))


def _leads(view: _View, names: Sequence[str], steps: Sequence[int]) -> tuple[Lead, ...]:
    """Who moves fastest when; a state that is not clearly ahead does not take over."""
    current, since, found = view.fastest(0), 0, []
    before = 0
    for n in steps:
        best = view.fastest(n)
        if best == current:
            before = n
        elif view.ahead(best, current, n) > CLEAR:
            change = bisected(lambda m, new=best, old=current: view.ahead(new, old, m) > 0, before, n)  # type: ignore[misc]
            found.append(Lead(names[current], since, change))
            current, since, before = best, change, n
    return (*found, Lead(names[current], since, view.path.end))


def _extrema(view: _View, names: Sequence[str], steps: Sequence[int], states: Floats) -> tuple[Extremum, ...]:
    """The least and the greatest of each state along the way, unless that is the start."""
    found = []
    for column, name in enumerate(names):
        for kind, row in (
            ("least", int(np.argmin(states[:, column]))),
            ("greatest", int(np.argmax(states[:, column]))),
        ):
            if row == 0 or states[row, column] == states[0, column]:
                continue
            n = steps[row] if row == len(steps) - 1 else view.turn(column, steps[row - 1], steps[row + 1])
            found.append(Extremum(name, kind, view.states(n)[column], n))
    return tuple(found)


def growth_of_times(one: Course, other: Course, ratio: float) -> list[tuple[float, float] | None]:
    """``d log end / d log K`` and ``d log (end - start) / d log K`` for each phase, from runs with K and ``ratio`` K.

    None where the phases of the two do not match.
    """
    matching = len(one.phases) == len(other.phases) and all(
        a.dominant == b.dominant for a, b in zip(one.phases, other.phases, strict=True)
    )
    if not matching:
        return [None] * len(one.phases)
    return [
        (_slope(a.end, b.end, ratio), _slope(a.end - a.start, b.end - b.start, ratio))
        for a, b in zip(one.phases, other.phases, strict=True)
    ]


def _slope(one: int, other: int, ratio: float) -> float:
    return math.log(Fraction(other, one)) / math.log(ratio) if one > 0 and other > 0 else math.nan


def _log(value: sp.Expr) -> float:
    if not value.is_Rational:
        raise DerivationError(f"no value for {value}", remedy="give every parameter an exact value")
    return float(abs(arb(int(value.p)) / int(value.q)).log())


__all__ = ["Course", "Extremum", "Lead", "Phase", "course_of", "growth_of_times"]
