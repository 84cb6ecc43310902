"""The infimum of a loss that falls along its only coordinate: its limit, prompt by prompt.

The loss is shown to fall in the coordinate at every state (a sign certificate for its derivative), so its infimum is
the limit. For each set of cells that a prompt may leave empty, the loss of the prompt tends to a rational number or to
zero; the sum over prompts is finite, so the limits add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial as bind
from itertools import product

import sympy as sp

from symicl.algebra import Ratio, factored, field_of, identically_zero
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.identity import search
from symicl.claims.checkers.sign import certificate
from symicl.claims.statements import Infimum
from symicl.errors import DerivationError
from symicl.expectation import Law, Multinomial, integrands
from symicl.indices import partial
from symicl.reduce import Recurrence, reduce_system

METHOD = "monotone loss (sign certificate) and its exact limit"


def decide_infimum(statement: Infimum) -> Outcome:
    """Proved when the loss falls at every state and its limit is the value; refuted when the limit differs."""
    recurrence = reduce_system(statement.system)
    if len(recurrence.coordinates) != 1:
        return _undecided(f"the system has {len(recurrence.coordinates)} coordinates; this decides one")
    slope = partial(recurrence.loss, recurrence.coordinates[0])
    falls = certificate(statement.system, -slope)
    if falls is None:
        return _undecided("no certificate that the loss falls at every state")
    try:
        limit = loss_limit(recurrence)
    except DerivationError as error:
        return _undecided(str(error))
    difference = limit - statement.value
    details = [("limit", str(limit)), *(("derivative of the loss: " + name, why) for name, why in falls)]
    if identically_zero(difference):
        summary = "the loss falls at every state and tends to this value"
        return Outcome(Verdict.PROVED, Evidence(METHOD, summary, tuple(details)))
    return search(statement.system, difference, (limit, statement.value), str(difference))


def loss_limit(recurrence: Recurrence) -> sp.Expr:
    """The limit of the loss of a one-scalar system as its coordinate tends to infinity; exact.

    Raises ``DerivationError`` where it is infinite or has no closed form.
    """
    coordinate = recurrence.coordinates[0]
    plain, merged = integrands(recurrence.loss)
    total = _limit(plain, coordinate)
    for law, body in merged.items():
        for weight, prompt in _prompts(law, body):
            value = _limit(prompt, coordinate)
            if value != 0:
                total += weight(value)
    return factored(total) if not total.has(sp.Pow) else total


def _prompts(law: Law, body: sp.Expr) -> Iterator[tuple[Callable[[sp.Expr], sp.Expr], sp.Expr]]:
    """For each set of nonempty cells: how to weigh a constant there, and the body of such prompts."""
    if not isinstance(law, Multinomial):
        raise DerivationError("the limit needs the law of cell totals")
    for present in product((False, True), repeat=len(law.cells)):
        empty = {total: sp.S.Zero for (total, _), here in zip(law.cells, present, strict=True) if not here}
        full = [(total, share) for (total, share), here in zip(law.cells, present, strict=True) if here]
        if not full:
            continue
        if len(full) == 1:
            total, share = full[0]
            yield bind(_times, share**law.trials), body.xreplace({**empty, total: law.trials})
        else:
            yield _no_closed_form, body.xreplace(empty)


def _times(weight: sp.Expr, value: sp.Expr) -> sp.Expr:
    return weight * value


def _no_closed_form(value: sp.Expr) -> sp.Expr:
    raise DerivationError(f"prompts with several kinds of tokens keep the loss {value}; their share has no closed form")


def _limit(expression: sp.Expr, coordinate: sp.Symbol) -> sp.Expr:
    """The limit of a rational function of ``exp(coordinate)`` as the coordinate tends to infinity."""
    element = field_of([expression])(expression)
    moving = [atom for atom in element.field.atoms if coordinate in atom.free_symbols]
    if not moving:
        return element.expression()
    if len(moving) > 1 or not isinstance(moving[0], sp.exp) or not partial(moving[0].args[0], coordinate).is_positive:
        raise DerivationError(f"no limit of {expression} in {coordinate}")
    position = element.field.position[moving[0]]
    above, below = (_degree(p, position) for p in (element.numerator, element.denominator))
    if above > below:
        raise DerivationError(f"the loss of some prompts grows without bound in {coordinate}")
    if above < below:
        return sp.S.Zero
    leading = [_leading(element, p, position, above) for p in (element.numerator, element.denominator)]
    return factored(leading[0] / leading[1])


def _degree(polynomial: object, position: int) -> int:
    return int(polynomial.degrees()[position])  # type: ignore[attr-defined]


def _leading(element: Ratio, polynomial: object, position: int, degree: int) -> sp.Expr:
    terms = {
        exponents: coefficient
        for exponents, coefficient in polynomial.terms()  # type: ignore[attr-defined]
        if exponents[position] == degree
    }
    lowered = {tuple(0 if i == position else e for i, e in enumerate(x)): c for x, c in terms.items()}
    return element.polynomial_expression(element.field.context.from_dict(lowered))


def _undecided(why: str) -> Outcome:
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, why))
