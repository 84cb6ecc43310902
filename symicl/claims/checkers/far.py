"""Statements about runs too long to step: what two paths of leaps say of them, which bounds nothing.

Numbers read off both paths have to agree on which side of the line they are, by more than they differ; what they then
say is ``supported`` where it agrees with the statement and leaves it ``undecided`` where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from flint import arb

from symicl.along import DIGITS, Along, Place, along
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.errors import SymiclError
from symicl.flow import flow
from symicl.grammar import Condition
from symicl.iterate import Run
from symicl.reduce import reduce_system
from symicl.systems.base import System

METHOD = "two paths of leaps at two orders, which bound no error"
TIMEOUT = 120.0
"""Seconds for both paths of a run."""

MORE_DIGITS = (16, 32, 64)
"""Digits of the leaps, tried one after the other where a comparison of steps is close."""

SAFETY = 4
"""By how many times their difference two numbers have to be away from a line."""

FLOOR = arb(10) ** -10
"""The least margin, relative to the sides compared, that counts as one."""

FLOW_DIGITS = 10
Details = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Leaning:
    """What numbers say of a statement: that it holds, that it does not (False), or nothing (None); and the numbers."""

    holds: bool | None
    summary: str
    details: Details = ()

    def outcome(self) -> Outcome:
        """Supported at best: a violation that only leaps have found refutes nothing."""
        if self.holds:
            return Outcome(Verdict.SUPPORTED, Evidence(METHOD, self.summary, self.details))
        summary = self.summary if self.holds is None else f"the numbers speak against it: {self.summary}"
        return Outcome(Verdict.UNDECIDED, Evidence(METHOD, summary, self.details))


def hitting_step(system: System, condition: Condition, eta: sp.Rational, digits: int = DIGITS) -> tuple[int, int]:
    """The first step that meets a condition, and how far the two paths differ in it.

    Raises what :func:`symicl.along.along` raises.
    """
    one, two = along(system, eta, condition, digits, TIMEOUT)
    return one.path.end, abs(one.path.end - two.path.end)


def first_step_leans(system: System, condition: Condition, eta: sp.Rational, relation: str, steps: int) -> Leaning:
    """Whether the first step that meets a condition is ``==``, ``<=`` or ``>=`` a number; exactly for ``==``."""
    if relation == "==":
        return _exact_step(system, condition, eta, steps)
    found, spread = 0, 0
    for digits in MORE_DIGITS:
        try:
            found, spread = hitting_step(system, condition, eta, digits)
        except SymiclError as error:
            return Leaning(None, str(error))
        if abs(found - steps) >= SAFETY * spread:
            break
    else:
        return Leaning(None, f"met about step {found}, known to {spread} steps only")
    details = (("step", str(found)), ("known to", f"{spread} steps"), ("digits of the leaps", str(digits)))
    met = f"{condition} is first met about step {found}"
    return Leaning(found <= steps if relation == "<=" else found >= steps, met, details)


def _exact_step(system: System, condition: Condition, eta: sp.Rational, steps: int) -> Leaning:
    try:
        found = flow(reduce_system(system), Run(eta, until=condition, dps=FLOW_DIGITS, timeout=TIMEOUT))
    except SymiclError as error:
        return Leaning(None, str(error))
    orders = (("orders", f"{found.order} and {found.second_order}"),)
    step = found.trajectory.step
    return Leaning(step == steps, f"both orders meet {condition} at step {step} and not before", orders)


def always_leans(
    system: System,
    condition: Condition,
    eta: sp.Rational,
    begin: int | Condition,
    end: int | Condition,
    not_before: int = 0,
) -> tuple[Leaning, int | None]:
    """Whether a condition holds from a step (or the first that meets a condition) to another, and where it is broken.

    The step is None where it is not broken, as far as was seen.
    """
    try:
        paths = along(system, eta, end, DIGITS, TIMEOUT)
        starts = [_begin(path, begin, not_before) for path in paths]
    except SymiclError as error:
        return Leaning(None, str(error)), None
    if any(start is None or start > path.path.end for start, path in zip(starts, paths, strict=True)):
        return Leaning(None, f"the range is empty: nothing up to step {paths[0].path.end} meets {begin}"), None
    ranges = [(path, start) for path, start in zip(paths, starts, strict=True) if start is not None]
    worst = [path.worst(condition, start, path.path.end) for path, start in ranges]
    sure = _side(worst)
    seen = ranges[0][0].count(ranges[0][1], ranges[0][0].path.end)
    details = (
        ("range", f"steps {ranges[0][1]} to {ranges[0][0].path.end}"),
        ("looked at", f"{seen} steps, some in each leap, and around the worst of these"),
        ("least margin", f"{_number(worst[0].value)} at step {worst[0].step}"),
        ("on the other path", f"{_number(worst[1].value)} at step {worst[1].step}"),
    )
    if sure is None:
        return Leaning(None, f"the least margin of {condition} is too small to tell", details), None
    if sure:
        return Leaning(True, f"{condition} holds at every step looked at", details), None
    broken = _where(ranges[0], condition, worst[0])
    return Leaning(False, f"{condition} is broken from about step {broken} on", details), broken


def _begin(path: Along, begin: int | Condition, not_before: int) -> int | None:
    return begin if isinstance(begin, int) else path.first(begin, not_before)


def _where(range_: tuple[Along, int], condition: Condition, worst: Place) -> int:
    """About the first step at which a condition is broken."""
    path, start = range_
    found = path.first(opposite(condition), start)
    return worst.step if found is None else found


def opposite(condition: Condition) -> Condition:
    """The condition that holds where this one is broken."""
    turned = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}[condition.relation]
    return Condition(condition.left, turned, condition.right)


def _side(worst: list[Place]) -> bool | None:
    """Whether two margins are clearly positive or clearly negative."""
    one, two = worst[0].value, worst[1].value
    room = SAFETY * abs(one - two) + FLOOR * worst[0].size + worst[0].error + worst[1].error
    if one > room and two > room:
        return True
    return False if one < -room and two < -room else None


def _number(value: arb) -> str:
    return str(arb(value).mid().str(10, radius=False))


__all__ = ["Leaning", "always_leans", "first_step_leans", "hitting_step", "opposite"]
