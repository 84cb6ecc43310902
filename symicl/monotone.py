"""Where a step of gradient descent cannot raise the loss, by exact certificates.

**At every step size.** A step moves the coordinates y along the ray ``y + eta u(y)``. If ``u`` leads no coordinate out
of a half-space R of them, the ray stays in R, and if ``grad loss(y') . u(y) <= 0`` for all y and y' in R, the loss
falls all along it, however far it goes. Both are signs of rational functions in exponentials; y and y' are independent,
so the second is decided in twice the number of coordinates.

**Up to a step size.** Where ``u = -P grad loss`` with a constant P > 0 and ``(2/bound) P^-1 - Hessian`` is positive
semidefinite at every state, ``loss(y + eta u) - loss(y) <= -eta (1 - eta/bound) u' P^-1 u`` (the descent lemma;
Yu. Nesterov, "Introductory Lectures on Convex Optimization", 2004, Lemma 1.2.3, in the norm of P^-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product
from math import comb

import sympy as sp

from symicl.algebra import factored, identically_zero
from symicl.errors import DerivationError, InputError, SymiclError
from symicl.expectation import Law, Multinomial, integrands
from symicl.faces import occupied
from symicl.grammar import Condition
from symicl.indices import partial
from symicl.reduce import Recurrence, on_coordinates
from symicl.signs import assumptions, certificate, is_a_law, nonzero
from symicl.symmetry import sharing
from symicl.systems.base import System

Reasons = list[tuple[str, str]]
"""Lines of evidence: what has a sign, and why."""

Cells = tuple[tuple[sp.Symbol, sp.Expr], ...]

MAX_PROMPTS = 100
"""The most kinds of prompts that are gone through one by one to see that a mean vanishes."""


@dataclass(frozen=True)
class HalfSpace:
    """The states with ``coordinate >= bound`` (``side`` 1) or ``coordinate <= bound`` (``side`` -1); exact."""

    coordinate: sp.Symbol
    bound: sp.Expr
    side: int

    def within(self, name: str) -> sp.Expr:
        """The coordinate of a point of the half-space, by a free number >= 0: ``exp(side coordinate)`` is linear."""
        beyond = sp.Dummy(name, nonnegative=True)
        return self.side * sp.log(sp.exp(self.side * self.bound) + beyond)


def half_space(recurrence: Recurrence, condition: Condition) -> HalfSpace:
    """The half-space of a condition such as ``A >= B - log(2)`` (a strict one is taken with its boundary).

    Raises ``InputError`` where it is not a bound on one coordinate of the recurrence.
    """
    sides = (condition.left, condition.right) if condition.relation[0] == ">" else (condition.right, condition.left)
    lift = dict(zip(recurrence.states, recurrence.lift, strict=True))
    difference = sp.sympify(sides[0] - sides[1], strict=True).xreplace(lift)
    problem = InputError(
        "this is no bound on one coordinate",
        where=str(condition),
        remedy=f"bound one of {', '.join(map(str, recurrence.readings))} by a number",
    )
    moving = [y for y in recurrence.coordinates if not identically_zero(partial(difference, y))]
    if len(moving) != 1:
        raise problem
    slope = factored(partial(difference, moving[0]))
    rest = sp.expand(difference.xreplace({moving[0]: sp.S.Zero}).xreplace(dict.fromkeys(recurrence.coordinates, 0)))
    if not slope.is_Rational or slope == 0 or rest.has(*recurrence.coordinates):
        raise problem
    return HalfSpace(moving[0], -rest / slope, 1 if slope > 0 else -1)


def falls_at_every_step_size(recurrence: Recurrence, region: HalfSpace | None = None) -> Reasons | None:
    """Why no step of any size from a state (of the region) raises the loss; None where no certificate was found.

    Where the region is needed, the reasons include that no step leaves it: it then holds all along a run from there.
    """
    system = recurrence.symmetric.system
    slopes = [partial(recurrence.loss, y) for y in recurrence.coordinates]
    moves = _moves(recurrence)
    reasons: Reasons = []
    termwise = [_opposite(system, slope, move) for slope, move in zip(slopes, moves, strict=True)]
    if all(found is not None for found in termwise):
        for y, found in zip(recurrence.coordinates, termwise, strict=True):
            reasons += _named(f"along {y}", found or [])
        return reasons
    if region is not None:
        position = recurrence.coordinates.index(region.coordinate)
        inward = certificate(
            system, (region.side * moves[position]).xreplace({region.coordinate: region.within("here")})
        )
        if inward is None:
            return None
        reasons += _named(f"no step leaves the region: {region.coordinate} moves inward", inward)
    joint = _along_every_ray(recurrence, slopes, moves, region)
    return None if joint is None else reasons + _named("the loss falls along every ray", joint)


def _moves(recurrence: Recurrence) -> list[sp.Expr]:
    """The updates per unit of step size."""
    per_step = {recurrence.symmetric.system.step_size: sp.S.One}
    return [update.xreplace(per_step) for update in recurrence.updates]


def _named(name: str, lines: Reasons) -> Reasons:
    return [(f"{name}: {factor}", why) for factor, why in lines]


def _opposite(system: System, slope: sp.Expr, move: sp.Expr) -> Reasons | None:
    """Why one coordinate never moves up the loss: its slope and its move have opposite signs at all pairs of states."""
    for sign in (1, -1):
        first, second = certificate(system, sign * move), certificate(system, -sign * slope)
        if first is not None and second is not None:
            return _named("its update", first) + _named("the slope of the loss", second)
    return None


def _along_every_ray(
    recurrence: Recurrence, slopes: list[sp.Expr], moves: list[sp.Expr], region: HalfSpace | None
) -> Reasons | None:
    """``- grad loss(y') . u(y) >= 0`` at all y and y' of the region, by one certificate; at infinite prompt length."""
    if any(integrands(expression)[1] for expression in (*slopes, *moves)):
        return None  # a product of two means has no certificate
    there = {y: sp.Dummy(f"{y}_there", real=True) for y in recurrence.coordinates}
    here: dict[sp.Symbol, sp.Expr] = {}
    if region is not None:
        here[region.coordinate] = region.within("here")
        there[region.coordinate] = region.within("there")
    pairs = [sp.Tuple(slope, move) for slope, move in zip(slopes, moves, strict=True)]
    reasons: Reasons = []
    for group in sharing(pairs, recurrence.coordinates):  # queries that do not act on each other, one by one
        total = sp.Add(*(slopes[i].xreplace(there) * moves[i].xreplace(here) for i in group))
        found = certificate(recurrence.symmetric.system, -total)
        if found is None:
            return None
        reasons += found
    return reasons


def falls_up_to(recurrence: Recurrence, bound: sp.Expr) -> Reasons | None:
    """Why no step of a size up to ``bound`` raises the loss, at any state; None where no certificate was found.

    ``bound`` is an expression in the parameters, positive over their whole range. One or two coordinates.
    """
    system = recurrence.symmetric.system
    if len(recurrence.coordinates) > 2 or bound.has(*recurrence.coordinates) or not _positive(system, bound):
        return None
    metric = _metric(recurrence)
    if metric is None:
        return None
    inverse = metric.inv().applyfunc(factored)
    definite = _semidefinite(system, inverse)
    if definite is None:
        return None
    reasons = _named("the metric of the step", definite)
    size = range(len(recurrence.coordinates))
    gradient = [partial(recurrence.loss, y) for y in recurrence.coordinates]
    hessian = [[integrands(partial(gradient[i], y)) for y in recurrence.coordinates] for i in size]
    laws = {law for row in hessian for _, merged in row for law in merged}
    if len(laws) > 1 or not all(isinstance(law, Multinomial) and law.trials.is_positive for law in laws):
        return None
    law: Multinomial | None = next(iter(laws), None)
    if law is not None:
        if not (is_a_law(system, law) and identically_zero(1 - sp.Add(*(share for _, share in law.cells)))):
            return None  # only under a law do signs of all prompts give the sign of their mean
        reasons += [("assumed", text) for text in assumptions(law)]
    body = sp.Matrix(
        len(size),
        len(size),
        lambda i, j: 2 * inverse[i, j] / bound - sp.Add(hessian[i][j][0], *hessian[i][j][1].values()),
    )
    # The metric's part is constant: under the mean, it may stand beside the Hessian of each prompt, whose totals add up
    # to its length.
    if law is not None and law.trials.is_Symbol:
        body = body.xreplace({law.trials: sp.Add(*(total for total, _ in law.cells))})
    shown = _of_every_prompt(system, body, () if law is None else law.cells)
    return None if shown is None else reasons + shown


def _positive(system: System, bound: sp.Expr) -> bool:
    """Whether a bound is certainly finite and greater than 0 over the whole range of the parameters."""
    if certificate(system, bound) is None:
        return False
    try:
        return nonzero(system, bound) and nonzero(system, 1 / bound)
    except SymiclError:
        return False


def loss_is_constant(recurrence: Recurrence) -> bool:
    """Whether no step changes the loss, identically: each coordinate is still, or the loss does not depend on it."""
    try:
        pairs = zip(recurrence.coordinates, _moves(recurrence), strict=True)
        return all(_vanishes(move) or _vanishes(partial(recurrence.loss, y)) for y, move in pairs)
    except SymiclError:
        return False


def rests_at(recurrence: Recurrence, place: Mapping[sp.Symbol, sp.Expr]) -> bool:
    """Whether no coordinate moves, exactly, where the coordinates have the exact values of ``place``."""
    try:
        return all(_vanishes(move.xreplace(dict(place))) for move in _moves(recurrence))
    except SymiclError:
        return False


def _of_every_prompt(system: System, body: sp.Matrix, cells: Cells) -> Reasons | None:
    """Why a matrix in the totals of a prompt is positive semidefinite whatever they are, if not all are 0.

    Totals are whole numbers: of as few cells as it takes, prompts without and with their tokens are told apart.
    """
    for size in range(len(cells) + 1):
        for told in combinations(cells, size):
            reasons: Reasons = []
            for present in product((False, True), repeat=size):
                found = _semidefinite(system, body.xreplace(occupied(told, present)))
                if found is None:
                    break
                kinds = (f"{total} {'>= 1' if here else '= 0'}" for (total, _), here in zip(told, present, strict=True))
                name = ", ".join(["2/bound times the metric's inverse, less the Hessian", *kinds])
                reasons.append((name, found[-1][1]))
            else:
                return reasons
    return None


def _semidefinite(system: System, matrix: sp.Matrix) -> Reasons | None:
    """Why a symmetric matrix of one or two rows is positive semidefinite: its diagonal and its determinant."""
    minors = [matrix[i, i] for i in range(matrix.rows)]
    if matrix.rows == 2:
        minors.append(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])
    reasons: Reasons = []
    for minor in minors:
        found = certificate(system, minor)
        if found is None:
            return None
        reasons += found
    names = "diagonal and determinant" if matrix.rows == 2 else "entry"
    return [*reasons, (f"the {names}", f"{names} nonnegative: {len(reasons)} factors with a sign")]


def _metric(recurrence: Recurrence) -> sp.Matrix | None:
    """P with ``update = -P grad loss`` identically, over the parameters; None where it is not of the form looked for.

    Gradient descent on entries that share their values moves a state by its slope over the number of its members; a
    query's loss is the objective up to one factor, read off the first update.
    """
    symmetric = recurrence.symmetric
    if symmetric.carry is not None:
        return None
    rows = sp.Matrix([[partial(form, state.symbol) for state in symmetric.states] for form in recurrence.readings])
    shares = sp.diag(*(1 / state.members for state in symmetric.states))
    bare = (rows * shares * rows.T).applyfunc(factored)
    slopes = [partial(recurrence.loss, y) for y in recurrence.coordinates]
    moves = _moves(recurrence)
    try:
        descents = [
            on_coordinates(sp.Add(*(bare[i, j] * slope for j, slope in enumerate(slopes))), {})
            for i in range(len(slopes))
        ]
        factor = _quotient(moves[0], descents[0])
        fixed = set().union(*(p.symbol.free_symbols for p in symmetric.system.parameters), set())
        if factor is None or factor.free_symbols - fixed:
            return None
        if not all(_vanishes(move - factor * descent) for move, descent in zip(moves, descents, strict=True)):
            return None
    except DerivationError:
        return None
    return (-factor * bare).applyfunc(factored)


def _quotient(left: sp.Expr, right: sp.Expr) -> sp.Expr | None:
    """``left / right`` by what stands under their one mean, or outside it; None where they have no such form."""
    parts = [{None: plain, **merged} for plain, merged in map(integrands, (left, right))]
    laws = [{law for law, body in part.items() if body != 0} for part in parts]
    if laws[0] != laws[1] or len(laws[0]) != 1:
        return None
    (law,) = laws[0]
    return factored(parts[0][law] / parts[1][law])


def _vanishes(expression: sp.Expr) -> bool:
    plain, merged = integrands(expression)
    return identically_zero(plain) and all(_no_prompt_counts(law, body) for law, body in merged.items())


def _no_prompt_counts(law: Law, body: sp.Expr) -> bool:
    """Whether a body vanishes at all totals, or for every kind of prompt that there is, where these are few."""
    if identically_zero(body):
        return True
    if not (isinstance(law, Multinomial) and law.trials.is_Integer):
        return False
    trials, totals = int(law.trials), [total for total, _ in law.cells]
    if trials > MAX_PROMPTS or comb(trials + len(totals) - 1, len(totals) - 1) > MAX_PROMPTS:
        return False
    prompts = combinations_with_replacement(totals, trials)
    at_prompts = (body.xreplace({n: sp.Integer(prompt.count(n)) for n in totals}) for prompt in prompts)
    return all(not value.has(sp.nan, sp.zoo, sp.oo) and identically_zero(value) for value in at_prompts)
