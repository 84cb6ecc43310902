"""Trajectories of any recurrence over horizons no loop can reach, as far as two orders agree: ``supported``.

:mod:`symicl.paths` follows the path in leaps whose number grows with the logarithm of the number of steps. It
bounds no error. So a run is made twice, at two orders and hence on two sequences of leaps, and has the digits on which
both agree. A first rough pass tells how many digits the way costs: near a singularity of the flow an error of the time
is multiplied by ``|n dy/dn|``, and to name one step out of 10**40 takes 41 digits of the time. The same pass says which
shift of the time is harmless at the end, and no leap is made better than that.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from flint import arb

from symicl.arithmetic import ARITHMETICS, Guarantee
from symicl.errors import BudgetError
from symicl.evaluate import compile_expressions
from symicl.iterate import Run, Trajectory
from symicl.paths import NOTHING, Allowance, Path, follow
from symicl.process import Reduced
from symicl.reduce import Recurrence

BALL = ARITHMETICS["ball"]
ROUGH_DIGITS, ROUGH_ORDER = 10, 24
SPARE_DIGITS = 4
ATTEMPTS = 3


class Supported(Trajectory):
    """A trajectory whose radii say how far two computations differ; they bound nothing."""

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee.SUPPORTED


@dataclass(frozen=True)
class Flow:
    """Where two passes along a path ended.

    ``trajectory`` holds the step, and for each state and the loss a ball around the value of the first pass with twice
    the distance to that of the second as radius. ``order`` and ``second_order`` are the nodes a leap; ``path`` is the
    first pass.
    """

    trajectory: Trajectory
    order: int
    second_order: int
    path: Path


def flow(recurrence: Recurrence, run: Run) -> Flow:
    """The run in leaps, at exact parameters: to ``run.steps``, or to the first step that meets the condition.

    Supported: a condition that is met only between two nodes of a leap may be overlooked. Raises what
    :func:`symicl.paths.follow` raises, and ``BudgetError`` where the orders agree on fewer digits than asked for.
    """
    deadline = None if run.timeout is None else time.monotonic() + run.timeout

    def passed(digits: int, order: int, near: Path | None = None, allowance: Allowance = NOTHING) -> Path:
        left = None if deadline is None else deadline - time.monotonic()
        return follow(recurrence, replace(run, timeout=left), digits, order, near, allowance)

    rough = passed(ROUGH_DIGITS, ROUGH_ORDER)
    needed = run.dps + math.ceil(rough.strain)
    if run.until is not None:
        needed = max(needed, len(str(rough.end)))
    harmless = math.log10(rough.end + 1) - rough.strain - run.dps
    if run.until is not None:
        harmless = min(harmless, -SPARE_DIGITS)
    digits, reached = needed + SPARE_DIGITS, 0
    for _ in range(ATTEMPTS):
        if digits > run.ceiling:
            break
        orders = digits + digits // 2, digits + digits // 2 + max(8, digits // 4)
        more = digits - needed - SPARE_DIGITS
        allowance = Allowance(harmless - more, -run.dps - more)
        first = passed(digits, orders[0], None, allowance)
        second = passed(digits, orders[1], first, allowance)
        found = _agreed(recurrence, run, first, second, digits)
        if first.end == second.end and found.digits is not None and found.digits >= run.dps:
            return Flow(found, *orders, first)
        reached = max(reached, _common(arb(first.end), arb(second.end), digits), found.digits or 0)
        digits += max(run.dps - (found.digits or 0), 0) + 2 * SPARE_DIGITS
    raise BudgetError(
        f"two orders agree on {reached} digits, not on {run.dps}",
        where=f"{len(str(rough.end))} digits of time, {math.ceil(rough.strain)} lost on the way",
        remedy="ask for fewer digits, or use --method step",
    )


def _agreed(recurrence: Recurrence, run: Run, first: Path, second: Path, digits: int) -> Supported:
    """Balls that reach from one pass over to the other, and the digits they have."""
    with BALL.working(digits + SPARE_DIGITS):
        read = compile_expressions([*recurrence.lift, recurrence.loss], recurrence.coordinates, BALL, digits)
        values = [
            _ball(arb(one), arb(two), digits) for one, two in zip(read(*first.point), read(*second.point), strict=True)
        ]
        known = min((BALL.relative_digits(value) or 0 for value in values if not value.is_zero()), default=digits)
    *states, loss = values
    return Supported(
        Reduced(recurrence), run, BALL, first.end, tuple(states), loss, min(known, digits), digits, "reached"
    )


def _ball(one: arb, two: arb, digits: int) -> arb:
    middle, gap = one.mid(), abs(one.mid() - two.mid())
    return middle if middle == 0 == gap else arb(middle, (2 * gap + abs(middle) * arb(10) ** -digits).upper())


def _common(one: arb, two: arb, most: int) -> int:
    """How many leading digits two numbers share."""
    if one == two:
        return most
    return max(0, min(most, int(float((abs(one) / abs(one - two)).log()) / math.log(10))))


__all__ = ["Flow", "Supported", "flow"]
