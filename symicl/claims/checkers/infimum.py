"""The infimum of a loss that falls along its only coordinate: its limit, prompt by prompt."""

from __future__ import annotations

from symicl.algebra import identically_zero
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.identity import search
from symicl.claims.statements import Infimum
from symicl.errors import DerivationError
from symicl.floor import limit as limit_of
from symicl.indices import partial
from symicl.reduce import reduce_system
from symicl.signs import certificate

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
        limit = limit_of(statement.system, recurrence.loss, recurrence.coordinates[0])
    except DerivationError as error:
        return _undecided(str(error))
    difference = limit - statement.value
    details = [("limit", str(limit)), *(("derivative of the loss: " + name, why) for name, why in falls)]
    if identically_zero(difference):
        summary = "the loss falls at every state and tends to this value"
        return Outcome(Verdict.PROVED, Evidence(METHOD, summary, tuple(details)))
    return search(statement.system, difference, (limit, statement.value), str(difference))


def _undecided(why: str) -> Outcome:
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, why))
