"""Targets below the least loss: a rigorous lower bound on the loss certifies, a state on the target refutes."""

from __future__ import annotations

import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS
from symicl.claims.base import Evidence, Outcome, Verdict, shown
from symicl.claims.unreachable import Unreachable
from symicl.evaluate import compile_expressions
from symicl.floor import loss_floor
from symicl.reduce import Recurrence, reduce_system

METHOD = "a rigorous lower bound on the loss at all states"
DIGITS = 30
FARTHEST = 1024
"""How far out a witness is looked for, along every coordinate by itself."""


def decide_unreachable(statement: Unreachable) -> Outcome:
    """Certified where the bound lies above the target, refuted by the first state found that is on it."""
    ball, recurrence = ARITHMETICS["ball"], reduce_system(statement.system)
    with ball.working(DIGITS):
        target = ball.number(statement.target)
        floor = loss_floor(recurrence)
        if floor is not None and floor > target:
            summary = f"the loss is at least {floor.str(10)} at every state"
            return Outcome(Verdict.CERTIFIED, Evidence(METHOD, summary, (("target", shown(statement.target)),)))
        found = _witness(recurrence, target)
    if found is not None:
        where, loss = found
        details = tuple((f"at {name}", str(value)) for name, value in zip(recurrence.coordinates, where, strict=True))
        summary = f"a state has the loss {loss.str(10)}"
        return Outcome(Verdict.REFUTED, Evidence("witness in balls", summary, details))
    bound = "none is known" if floor is None else floor.str(10)
    summary = "no state on the target was found, and none is excluded"
    budget = (("lower bound", bound), ("states up to", str(FARTHEST)))
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, summary, budget))


def _witness(recurrence: Recurrence, target: arb) -> tuple[tuple[sp.Integer, ...], arb] | None:
    """A state with ``loss <= target``, one coordinate at 1, 2, 4, .. and the others at 0."""
    ball = ARITHMETICS["ball"]
    loss = compile_expressions([recurrence.loss], recurrence.coordinates, ball, DIGITS)
    width = len(recurrence.coordinates)
    size = 1
    while size <= FARTHEST:
        for place in range(width):
            where = tuple(sp.Integer(size if i == place else 0) for i in range(width))
            value = arb(loss(*(ball.number(coordinate) for coordinate in where))[0])
            if value <= target:
                return where, value
        size *= 2
    return None
