"""From which K on: the bracket for a statement about large K, found by bisection in log K."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symicl.claims.checkers.from_on import Looked, look
from symicl.claims.from_on import PARAMETER, FromOn, check_sizes, from_on
from symicl.errors import BudgetError, InputError
from symicl.grammar import exact
from symicl.systems.base import SystemFamily

LEAST, MOST = 16, 10**40
SHOWN = 200
WITHIN = "1/10"
"""How far the ends of a bracket may be apart, relative to the lower one, unless it says otherwise."""


@dataclass(frozen=True)
class Threshold:
    """Where conditions on a run begin to hold for good, as far as was looked.

    ``low`` is the largest value found at which they are broken (None where they hold at the least one), ``high`` the
    smallest above it at which they hold (None where they are broken at the largest one). ``looks`` are all values
    looked at, in order, ``statement`` the bracket as a statement to claim, where there is one.
    """

    low: int | None
    high: int | None
    looks: tuple[Looked, ...]
    statement: FromOn | None


def threshold(
    family: SystemFamily,
    conditions: str | Sequence[str],
    *,
    to: str | int,
    since: str | None = None,
    least: int = LEAST,
    most: int = MOST,
    within: object = WITHIN,
    parameter: str = PARAMETER,
    eta: object = 1,
    timeout: float | None = None,
    **fixed: object,
) -> Threshold:
    """Find from which value of a parameter on conditions hold along a run; arguments as for ``from_on``.

    Values from ``least`` on are looked at, each the square of the one before, up to ``most``; the last change from
    broken to held among them is narrowed by bisection of logarithms until ``high <= (1 + within) low``. The first of
    them are passed over where the range of steps is empty. Supported: a condition that is broken only between values
    looked at goes unnoticed. ``timeout`` is in seconds and looked at between runs. Raises ``InputError`` for bad values
    and ``BudgetError`` where a run gives no answer or the time is up.
    """
    check_sizes(least, most)
    ratio = exact(within)
    if not (ratio.is_Rational and ratio > 0):
        raise InputError(f"the bracket cannot be within {within}", where="within", remedy="give a number above 0")
    if not 2 <= least < most:
        raise InputError(f"values from {least} to {most}", where="least, most", remedy="order them, from 2 on")
    probe = from_on(
        family,
        conditions,
        low=least,
        high=most,
        to=to,
        since=since,
        beyond=(),
        parameter=parameter,
        eta=eta,
        **fixed,
    )
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    looks = [_look(probe, value, deadline) for value in _rising(least, most)]
    silent = [each for each in looks if each.holds is None]
    if silent and (len(silent) == len(looks) or silent != looks[: len(silent)]):
        raise _no_answer(probe, silent[-1])
    looks = looks[len(silent) :]
    broken = [row for row, each in enumerate(looks) if not each.holds]
    if not broken:
        return Threshold(None, looks[0].value, tuple(looks), None)
    if broken[-1] == len(looks) - 1:
        return Threshold(most, None, tuple(looks), None)
    low, high = looks[broken[-1]].value, looks[broken[-1] + 1].value
    while high - low > 1 and Fraction(high - low, low) > Fraction(int(ratio.p), int(ratio.q)):
        middle = _between(low, high)
        found = _look(probe, middle, deadline)
        if found.holds is None:
            raise _no_answer(probe, found)
        looks.append(found)
        low, high = (low, middle) if found.holds else (middle, high)
    looks.sort(key=lambda each: each.value)
    beyond = tuple(each.value for each in looks if each.value > high)
    return Threshold(low, high, tuple(looks), replace(probe, low=low, high=high, beyond=beyond))


def _rising(least: int, most: int) -> list[int]:
    values, value = [], least
    while value < most:
        values.append(value)
        value = value * value
    return [*values, most]


def _look(statement: FromOn, value: int, deadline: float) -> Looked:
    if time.monotonic() > deadline:
        raise BudgetError(
            f"the time is up before {statement.parameter} = {value} was looked at",
            where=", ".join(statement.conditions),
            remedy="raise the timeout, or narrow the values looked at",
        )
    return look(statement, value)


def _no_answer(statement: FromOn, found: Looked) -> BudgetError:
    summary = next(o.evidence.summary for o, holds in zip(found.outcomes, found.leanings, strict=True) if holds is None)
    return BudgetError(
        f"no answer at {statement.parameter} = {found.value}: {summary[:SHOWN]}",
        where=", ".join(statement.conditions),
        remedy="narrow the values looked at, or change the range of steps",
    )


def _between(low: int, high: int) -> int:
    """About the geometric mean of two integers, rounded to a few digits where that leaves it strictly between them."""
    middle = math.isqrt(low * high)
    grain = 10 ** max(0, len(str(high - low)) - 3)
    rounded = middle // grain * grain
    return rounded if low < rounded < high else min(max(middle, low + 1), high - 1)


__all__ = ["Threshold", "threshold"]
