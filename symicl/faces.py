"""What is left of a recurrence when one coordinate has escaped to infinity: its face, exact and symbolic.

Along a coordinate in which the loss falls at every state there is no finite minimiser. In the limit the other
coordinates still move: at finite prompt length by the prompts that do not show the escaping feature at all, whose cell
is empty. Each mean over prompts splits by which cells are empty; what survives is a mean over the other cells, under
the law given that those are empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

import sympy as sp

from symicl.algebra import factored
from symicl.errors import BudgetError, DerivationError
from symicl.expectation import Law, Multinomial, integrands, mean
from symicl.floor import limit
from symicl.indices import partial
from symicl.reduce import Recurrence
from symicl.signs import certificate
from symicl.systems.base import System

MAX_TRIALS = 10_000
"""The longest prompt whose chance to lack a feature is written out as an exact number."""


@dataclass(frozen=True)
class Face:
    """The other coordinates, their increments per unit of step size, and the loss, where ``escaping`` is infinite.

    ``escaping`` maps the escaping coordinate to ``oo`` or ``-oo``; it is empty where none escapes, and the face is then
    the recurrence itself. ``readings`` are the coordinates as linear forms in the states. All exact.
    """

    recurrence: Recurrence
    escaping: Mapping[sp.Symbol, sp.Expr]
    coordinates: tuple[sp.Symbol, ...]
    readings: tuple[sp.Expr, ...]
    updates: tuple[sp.Expr, ...]
    loss: sp.Expr
    start: tuple[sp.Expr, ...]


def directions(recurrence: Recurrence) -> dict[sp.Symbol, sp.Expr]:
    """The coordinates along which the loss falls at every state, by certificate, with the end it falls towards."""
    system = recurrence.symmetric.system
    found: dict[sp.Symbol, sp.Expr] = {}
    for coordinate in recurrence.coordinates:
        slope = partial(recurrence.loss, coordinate)
        if certificate(system, -slope) is not None:
            found[coordinate] = sp.oo
        elif certificate(system, slope) is not None:
            found[coordinate] = -sp.oo
    return found


def face_of(recurrence: Recurrence) -> Face:
    """The face of a recurrence, parameters symbols or not. Several coordinates may escape where none acts on another.

    Raises ``DerivationError`` where every coordinate escapes, two that act on each other do, or a limit has no closed
    form.
    """
    escaping = directions(recurrence)
    identity = recurrence.symmetric.system.id
    if len(escaping) == len(recurrence.coordinates):
        raise DerivationError(
            f"the loss of {identity} falls along every coordinate at every state, so it has no finite minimiser",
            where=", ".join(map(str, recurrence.readings)),
            remedy="ask `descends` which step sizes are safe",
        )
    return _face(recurrence, escaping)


def _face(recurrence: Recurrence, escaping: Mapping[sp.Symbol, sp.Expr]) -> Face:
    system = recurrence.symmetric.system
    per_step = {system.step_size: sp.S.One}
    kept = [i for i, y in enumerate(recurrence.coordinates) if y not in escaping]

    def at_face(expression: sp.Expr) -> sp.Expr:
        return sp.Add(*(at_end(term) for term in sp.Add.make_args(expression)))

    def at_end(term: sp.Expr) -> sp.Expr:
        own = [y for y in escaping if term.has(y)]
        if not own:
            return term
        if len(own) > 1:  # the limits along two of them might depend on their order
            raise DerivationError(
                f"several coordinates of {system.id} that act on each other escape to infinity",
                where=", ".join(
                    str(dict(zip(recurrence.coordinates, recurrence.readings, strict=True))[y]) for y in own
                ),
                remedy="take a system in which one escapes, or orthonormal features",
            )
        (coordinate,) = own
        turned = term if escaping[coordinate] is sp.oo else term.xreplace({coordinate: -coordinate})
        return limit_along(system, turned, coordinate)

    return Face(
        recurrence,
        dict(escaping),
        tuple(recurrence.coordinates[i] for i in kept),
        tuple(recurrence.readings[i] for i in kept),
        tuple(at_face(recurrence.updates[i].xreplace(per_step)) for i in kept),
        at_face(recurrence.loss),
        tuple(recurrence.start[i] for i in kept),
    )


def limit_along(system: System, expression: sp.Expr, coordinate: sp.Symbol) -> sp.Expr:
    """The limit as a coordinate tends to infinity, means over prompts included; exact.

    Raises ``DerivationError`` where it is infinite or has no closed form.
    """
    plain, merged = integrands(expression)
    total = limit(system, plain, coordinate)
    for law, body in merged.items():
        total += _limit_of_mean(system, law, body, coordinate)
    return total


def _limit_of_mean(system: System, law: Law, body: sp.Expr, coordinate: sp.Symbol) -> sp.Expr:
    """Split by as few cells as decide the limit: where one of them has tokens, it has to be zero."""
    if not isinstance(law, Multinomial):
        raise DerivationError("the limit needs the law of cell totals")
    problem = DerivationError(f"no limit along {coordinate}")
    for size in range(len(law.cells) + 1):
        for cells in combinations(law.cells, size):
            try:
                return _split(system, law, factored(body), coordinate, cells)
            except DerivationError as error:
                problem = error
    raise problem


def _split(
    system: System,
    law: Multinomial,
    body: sp.Expr,
    coordinate: sp.Symbol,
    cells: tuple[tuple[sp.Symbol, sp.Expr], ...],
) -> sp.Expr:
    total = sp.S.Zero
    for present in product((False, True), repeat=len(cells)):
        value = limit(system, body.xreplace(occupied(cells, present)), coordinate)
        if value == 0:
            continue
        if any(present):
            raise DerivationError(
                f"prompts with tokens of {coordinate}'s feature keep {value}; their share has no closed form"
            )
        total += _given_empty(law, {cell for cell, _ in cells}, value)
    return total


def occupied(cells: tuple[tuple[sp.Symbol, sp.Expr], ...], present: tuple[bool, ...]) -> dict[sp.Symbol, sp.Expr]:
    """Cell totals of prompts in which just the marked cells have tokens: 0, or 1 and some more."""
    return {
        total: 1 + sp.Symbol(f"{total}_more", integer=True, nonnegative=True) if here else sp.S.Zero
        for (total, _), here in zip(cells, present, strict=True)
    }


def _given_empty(law: Multinomial, empty: set[sp.Symbol], body: sp.Expr) -> sp.Expr:
    """``E[body 1{these cells are empty}]``, by the law of the other cells given that."""
    if law.trials.is_Integer and law.trials > MAX_TRIALS:
        raise BudgetError(
            f"prompts of {law.trials} tokens are too long for the exact chance that one lacks a feature",
            where=f"N = {law.trials}",
            remedy=f"take at most {MAX_TRIALS} tokens",
        )
    others = [(total, share) for total, share in law.cells if total not in empty]
    if not empty:
        return mean(body, law)
    if not others:  # a prompt without any token: only where prompts may be empty
        return sp.Pow(0, law.trials) * body
    left = factored(sp.Add(*(share for _, share in others)))
    weight = sp.Pow(left, law.trials)
    if len(others) == 1:
        return weight * factored(body.xreplace({others[0][0]: law.trials}))
    return weight * mean(body, Multinomial(law.trials, tuple((total, share / left) for total, share in others)))
