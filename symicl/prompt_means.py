"""Means over prompts without a table: polynomials in the totals over a power of one linear form.

Every body is expanded in monomials of the totals, monomials in falling factorials, and the moments of these come from
``tilted``. That is what softmax attention needs, whose denominator is the form; other bodies keep their table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, inf, log, prod, sqrt

import sympy as sp
from flint import arb, fmpq
from sympy.functions.combinatorial.numbers import stirling

from symicl.tilted import Moment, TiltedMoments

Monomial = tuple[int, ...]

MAX_MONOMIALS = 400
"""The most monomials of one body; a longer one keeps its table."""


LONGEST_TABLE = 10**9
"""Longer prompts never get a table, however few outcomes matter."""


@dataclass(frozen=True)
class Factor:
    """``(sum_i coefficients[i] * monomials[i]) ** power``; the monomials are in the cell totals."""

    coefficients: tuple[sp.Expr, ...]
    monomials: tuple[Monomial, ...]
    power: int

    @property
    def is_constant(self) -> bool:
        """Whether it does not depend on the totals."""
        return not any(any(monomial) for monomial in self.monomials)

    def is_form(self, cells: int) -> bool:
        """Whether it is a power of a linear form with a coefficient for every cell."""
        return len(self.monomials) == cells and all(sum(monomial) == 1 for monomial in self.monomials)


@dataclass(frozen=True)
class _Body:
    """Which factors are multiplied out, which divide as constants, and which one is the form (None: a polynomial)."""

    factors: tuple[Factor, ...]
    above: tuple[int, ...]
    constants: tuple[int, ...]
    form: int | None

    @property
    def power(self) -> int:
        return 0 if self.form is None else -self.factors[self.form].power

    @property
    def monomials(self) -> set[Monomial]:
        """All monomials of the numerator, multiplied out."""
        found = {(0,) * len(self.factors[0].monomials[0])}
        for place in self.above:
            for _ in range(self.factors[place].power):
                found = {_plus(a, b) for a, b in product(found, self.factors[place].monomials)}
        return found


@dataclass(frozen=True)
class Plan:
    """Bodies under one law that are worth integrals."""

    trials: int
    shares: tuple[fmpq, ...]
    bodies: tuple[_Body, ...]
    dps: int

    def bind(self, names: Sequence[Sequence[Sequence[str]]]) -> PromptMeans:
        """The means, where ``names[body][factor]`` name the coefficients: forms of the same names share integrals."""
        forms = [
            None if body.form is None else tuple(own[body.form]) for body, own in zip(self.bodies, names, strict=True)
        ]
        return PromptMeans(self, forms)


class PromptMeans:
    """The means of bodies under one law, as a function of the coefficients of their factors."""

    def __init__(self, plan: Plan, forms: Sequence[tuple[str, ...] | None]) -> None:
        self.trials, self.shares, self.bodies, self.forms = plan.trials, plan.shares, plan.bodies, forms
        monomials = set().union(*(body.monomials for body in plan.bodies))
        self.falling = {monomial: _falling(monomial) for monomial in monomials}
        wanted: dict[tuple[str, ...], list[Moment]] = {}
        for body, form in zip(plan.bodies, forms, strict=True):
            if form is not None:
                orders = [d for monomial in body.monomials for d in self.falling[monomial]]
                wanted.setdefault(form, []).extend((d, body.power) for d in orders)
        self.moments = {form: TiltedMoments(plan.trials, plan.shares, all_, plan.dps) for form, all_ in wanted.items()}

    def __call__(self, values: Sequence[Sequence[Sequence[arb]]]) -> tuple[arb, ...]:
        """The means; ``values[body][factor]`` are the coefficients, balls. Raises ``UndecidedError`` as ``tilted``."""
        known: dict[tuple[str, ...] | None, dict[Moment, arb]] = {None: {}}
        results = []
        for body, form, own in zip(self.bodies, self.forms, values, strict=True):
            coefficients = [[arb(value) for value in each] for each in own]
            if form not in known:
                assert form is not None and body.form is not None
                known[form] = self.moments[form](_scores(body.factors[body.form], coefficients[body.form]))
            total = arb(0)
            for monomial, coefficient in _numerator(body, coefficients).items():
                for order, weight in self.falling[monomial].items():
                    total += coefficient * weight * self._moment(order, body.power, known[form])
            for place in body.constants:
                total *= sum(coefficients[place], arb(0)) ** body.factors[place].power
            results.append(total)
        return tuple(results)

    def _moment(self, order: Monomial, power: int, known: dict[Moment, arb]) -> arb:
        if power:
            return known[order, power]
        draws = prod(self.trials - i for i in range(sum(order)))
        return arb(draws) * prod((arb(p) ** n for p, n in zip(self.shares, order, strict=True)), start=arb(1))


def _numerator(body: _Body, coefficients: Sequence[Sequence[arb]]) -> dict[Monomial, arb]:
    """The numerator multiplied out: monomials to coefficients."""
    expanded = {(0,) * len(body.factors[0].monomials[0]): arb(1)}
    for place in body.above:
        factor = body.factors[place]
        for _ in range(factor.power):
            longer: dict[Monomial, arb] = {}
            own = zip(factor.monomials, coefficients[place], strict=True)
            for (old, a), (new, b) in product(expanded.items(), own):
                monomial = _plus(old, new)
                longer[monomial] = longer.get(monomial, arb(0)) + a * b
            expanded = longer
    return expanded


def prompt_means(
    trials: int, shares: Sequence[sp.Rational], bodies: Sequence[Sequence[Factor]], dps: int, arithmetic: str
) -> Plan | None:
    """The means without a table; None where a body has another form, or where a table is the cheaper way.

    ``arithmetic`` names the number type that the table would have; the means themselves are balls.
    """
    cells = len(shares)
    read = [_read(tuple(factors), cells) for factors in bodies]
    fitting = [body for body in read if body is not None and len(body.monomials) <= MAX_MONOMIALS]
    if trials < 1 or arithmetic == "rational" or len(fitting) < len(read):
        return None
    if _rows(trials, shares, dps) <= _worth(fitting, cells, dps, arithmetic):
        return None
    return Plan(trials, tuple(fmpq(int(p.p), int(p.q)) for p in shares), tuple(fitting), dps)


def _read(factors: tuple[Factor, ...], cells: int) -> _Body | None:
    moving = [i for i, factor in enumerate(factors) if factor.power < 0 and not factor.is_constant]
    if len(moving) > 1 or not all(factors[i].is_form(cells) for i in moving):
        return None
    above = tuple(i for i, factor in enumerate(factors) if factor.power > 0)
    constants = tuple(i for i, factor in enumerate(factors) if factor.power < 0 and factor.is_constant)
    return _Body(factors, above, constants, moving[0] if moving else None)


def _rows(trials: int, shares: Sequence[sp.Rational], dps: int) -> float:
    """About how many outcomes a table has: all, or those within the deviations that the precision asks for."""
    if trials > LONGEST_TABLE:
        return inf
    complete = comb(trials + len(shares) - 1, len(shares) - 1)
    deviations = 2 * sqrt(2 * (dps + 10) * log(10))
    window = prod(1 + deviations * sqrt(trials * float(p * (1 - p))) for p in sorted(shares)[:-1])
    return float(min(complete, window))


def _worth(bodies: Sequence[_Body], cells: int, dps: int, arithmetic: str) -> float:
    """Up to how many rows a table is cheaper than the integrals, from timings of both.

    About 0.055 microseconds an operation and row in balls, an eighth of that in float64; 3 + 3 cells + 0.1 moments
    microseconds a node. The reference arithmetic keeps its own sums for much longer.
    """
    forms = {body.factors[body.form].coefficients for body in bodies if body.form is not None}
    nodes = max(1, len(forms)) * (4 * dps + 30)
    moments = sum(len(body.monomials) for body in bodies)
    operations = sum(2 + 2 * len(factor.monomials) for body in bodies for factor in body.factors)
    patience = {"float64": 8.0, "mp": 10.0}.get(arithmetic, 1.0)
    return patience * nodes * (3 + 3 * cells + 0.1 * moments) / (0.055 * operations)


def _scores(form: Factor, coefficients: Sequence[arb]) -> list[arb]:
    placed = {monomial.index(1): value for monomial, value in zip(form.monomials, coefficients, strict=True)}
    return [placed[cell] for cell in range(len(placed))]


def _falling(monomial: Monomial) -> dict[Monomial, int]:
    """A monomial as a combination of products of falling factorials: Stirling numbers of the second kind."""
    ranges = [[(k, int(stirling(n, k))) for k in range(n + 1) if stirling(n, k)] for n in monomial]
    return {tuple(k for k, _ in pick): prod(weight for _, weight in pick) for pick in product(*ranges)}


def _plus(left: Monomial, right: Monomial) -> Monomial:
    return tuple(a + b for a, b in zip(left, right, strict=True))
