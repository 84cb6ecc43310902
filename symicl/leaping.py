"""Trajectories of one-coordinate recurrences over horizons no loop can reach.

States are certified balls, and the number of steps to a target is certified to be exact, or bracketed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp
from flint import arb, fmpq, fmpz

from symicl.arithmetic import ARITHMETICS
from symicl.arithmetic.base import exact_ratio
from symicl.errors import BudgetError, DerivationError, InputError
from symicl.evaluate import compile_expressions
from symicl.indices import partial
from symicl.iterate import Run, Trajectory, iterate
from symicl.leap import ORDERS, NormalForm, Series, counted, missed, normal_form, per_step, series, step_height
from symicl.process import LOSS, Reduced
from symicl.reduce import Recurrence
from symicl.signs import certificate

PREFIXES = (0, 64, 1024, 16_384)
"""Steps taken one by one before the leap, where the first ones are too long for the series."""

GUARD = 30
ROUGH_DIGITS, ROUGH_BITS = 40, 60
SECANT_STEPS = 12
MARGIN = 0.001
"""How much further than needed, in log z, the series is bounded."""
BALL = ARITHMETICS["ball"]


@dataclass(frozen=True)
class Leap:
    """Where a leap ended. ``low`` and ``high`` bracket the number of steps asked for; they agree where it is certain.

    ``error`` bounds, in steps, what the series miscounts along the path; ``order`` is that of the series, ``prefix``
    how many steps were taken one by one before it.
    """

    trajectory: Trajectory
    low: int
    high: int
    error: arb
    order: int
    prefix: int


def leap(recurrence: Recurrence, run: Run) -> Leap:
    """The run by a leap: to ``run.steps``, or to the first step with ``loss <= c`` or ``loss < c``. Certified.

    Raises ``DerivationError`` where the recurrence has no leap, ``InputError`` for a condition of another kind, and
    ``BudgetError`` where neither the series nor the steps before it reach the digits asked for.
    """
    form = normal_form(recurrence)
    unknown = sorted(map(str, form.scale.free_symbols | form.alpha.free_symbols | form.start.free_symbols))
    if unknown:
        raise DerivationError(f"no value for {', '.join(unknown)}", remedy="give every parameter an exact value")
    if run.until is not None:
        _check_target(recurrence, run)
    dps, best = run.dps + GUARD + _digits_of_count(recurrence, run, form), 0
    while dps <= run.ceiling + GUARD:
        with BALL.working(dps):
            found = _at_precision(_Path(recurrence, run, form, dps))
        if isinstance(found, Leap):
            return found
        dps, best = 2 * dps, max(best, found)
    raise BudgetError(
        f"the leap reaches {best} digits, not {run.dps}: the first steps are too long for the series",
        where=f"eta = {run.eta}",
        remedy="ask for fewer digits, or use --method step",
    )


def _check_target(recurrence: Recurrence, run: Run) -> None:
    condition = run.until
    assert condition is not None
    target = condition.left == LOSS and condition.right.is_Rational and condition.relation in ("<=", "<")
    if not target or run.not_before:
        raise InputError(
            "a leap goes to a number of steps or to a loss", where=str(condition), remedy="write loss <= c, or step"
        )
    slope = partial(recurrence.loss, recurrence.coordinates[0])
    if certificate(recurrence.symmetric.system, -slope) is None:
        raise DerivationError("there is no proof that the loss falls along the path", remedy="use --method step")


def _digits_of_count(recurrence: Recurrence, run: Run, form: NormalForm) -> int:
    """About how many digits the count of steps has: as many more are needed to tell one step from the next."""
    known = series(form.p, form.q, ORDERS[0])
    with BALL.working(ROUGH_DIGITS):
        path = _Path(recurrence, run, form, ROUGH_DIGITS)
        start = path.start(0)
        reached = run.until is not None and not path.loss(start) > _ball(run.until.right)
        end = start if reached else _end(path, known, start, 0)
        size = abs(counted(known, path.epsilon, start)) + abs(counted(known, path.epsilon, end))
        return max(0, int(float((size.upper() + 1).log()) / 2.302) + 1)


class _Path:
    """What a leap needs at one precision: the normal form in balls, and the loss and states at a coordinate."""

    def __init__(self, recurrence: Recurrence, run: Run, form: NormalForm, dps: int) -> None:
        self.recurrence, self.run, self.form, self.dps = recurrence, run, form, dps
        self.rate, self.alpha = _ball(form.rate), _ball(form.alpha)
        self.epsilon = _ball(form.scale * form.rate * run.eta)
        self._loss = compile_expressions([recurrence.loss], recurrence.coordinates, BALL, dps)
        self.read = compile_expressions(recurrence.lift, recurrence.coordinates, BALL, dps)

    def loss(self, log_z: arb) -> arb:
        return arb(self._loss(self.coordinate(log_z))[0])

    def coordinate(self, log_z: arb) -> arb:
        return (self.alpha.log() - log_z) / self.rate

    def start(self, prefix: int) -> arb:
        """``log z`` after the steps before the leap."""
        if prefix == 0:
            (y,) = compile_expressions([self.form.start], [], BALL, self.dps)()
        else:
            before = iterate(Reduced(self.recurrence), Run(self.run.eta, steps=prefix, dps=self.dps), "ball")
            names = list(self.recurrence.states)
            (y,) = compile_expressions(list(self.recurrence.readings), names, BALL, self.dps)(*before.states)
        return self.alpha.log() - self.rate * arb(y)


def _at_precision(path: _Path) -> Leap | int:
    """The leap, or how many digits the best attempt had."""
    best = 0
    for prefix in PREFIXES:
        if path.run.steps is not None and path.run.steps <= prefix:
            return _stepped(path)
        start = path.start(prefix)
        if path.run.until is not None and not path.loss(start) > _ball(path.run.until.right):
            return _stepped(path)
        with BALL.working(ROUGH_DIGITS):
            about = _end(path, series(path.form.p, path.form.q, ORDERS[0]), start, prefix)
        for order in ORDERS:
            known = series(path.form.p, path.form.q, order)
            error = missed(known, path.epsilon, start.upper(), (about - MARGIN).lower())
            if error <= _tolerance(path, known, about):
                found = _attempt(path, known, start, prefix, error, about - MARGIN)
                if isinstance(found, Leap):
                    return found
                best = max(best, found)
                break
    return best


def _end(path: _Path, known: Series, start: arb, prefix: int) -> arb:
    """``log z`` about where the leap ends."""
    if path.run.steps is not None:
        wanted = counted(known, path.epsilon, start) + (path.run.steps - prefix)
        return _solved(lambda log_z: counted(known, path.epsilon, log_z) - wanted, start)
    assert path.run.until is not None
    goal = _ball(path.run.until.right)
    return _solved(lambda log_z: goal - path.loss(log_z), start)


def _stepped(path: _Path) -> Leap:
    """A run that ends before the leap begins."""
    done = iterate(Reduced(path.recurrence), path.run, "ball")
    return Leap(done, done.step, done.step, arb(0), 0, done.step)


def _attempt(path: _Path, known: Series, start: arb, prefix: int, error: arb, last: arb) -> Leap | int:
    """A leap by the series of one order, off by at most ``error`` steps down to ``last``, or how many digits it has."""
    begin = counted(known, path.epsilon, start)
    end = _end(path, known, start, prefix)
    if not end > last:
        return 0
    if path.run.steps is not None:
        return _landed(path, known, end, begin + (path.run.steps - prefix), last, error, prefix)
    return _counted_to(path, known, start, begin, last, end, error, prefix)


def _tolerance(path: _Path, known: Series, end: arb) -> arb:
    """How many steps the series may miscount: a quarter, and what the digits of the coordinate allow."""
    share = arb(10) ** (-path.run.dps - 5) / (path.epsilon * step_height(known, end))
    return share.min(arb(1) / 4)


def _landed(path: _Path, known: Series, end: arb, wanted: arb, last: arb, error: arb, prefix: int) -> Leap | int:
    """The state after the steps: a ball of ``log z`` at whose ends the count is certainly off by more than the error.

    The error holds down to ``last``. By induction no step before this one has left that range: it would have to count
    more.
    """
    slope = per_step(known, path.epsilon, end)
    radius = ((abs(counted(known, path.epsilon, end) - wanted) + error) / slope * 2).upper()
    low, high = end.mid() - radius, end.mid() + radius
    around = low.union(high)
    certain = (
        low > last
        and counted(known, path.epsilon, low) > wanted + error
        and counted(known, path.epsilon, high) < wanted - error
    )
    if not certain:
        return 0
    assert path.run.steps is not None
    return _finished(path, around, path.run.steps, path.run.steps, error, known.order, prefix)


def _counted_to(
    path: _Path, known: Series, start: arb, begin: arb, last: arb, end: arb, error: arb, prefix: int
) -> Leap | int:
    """The first step at or below the goal: the count where the loss is certainly above it, and where it is not."""
    assert path.run.until is not None
    goal, width = _ball(path.run.until.right), arb(10) ** (-path.dps + GUARD // 2)
    above, below = end.mid() + width, end.mid() - width
    if not (path.loss(above) > goal and path.loss(below) < goal and below > last):
        return 0
    fewest = counted(known, path.epsilon, above) - begin - error
    most = counted(known, path.epsilon, below) - begin + error
    low, high = _ceiling(fewest.lower()), _ceiling(most.upper())
    if low is None or high is None:
        return 0
    low, high = max(low, 1) + prefix, max(high, 1) + prefix
    if low != high:
        return 0
    landing = _Path(path.recurrence, Run(path.run.eta, steps=low, dps=path.run.dps, max_steps=low), path.form, path.dps)
    there = _end(landing, known, start, prefix)
    return _landed(landing, known, there, begin + (low - prefix), last, error, prefix)


def _ceiling(value: arb) -> int | None:
    whole: fmpz | None = value.ceil().unique_fmpz()
    return None if whole is None else int(whole)


def _finished(path: _Path, log_z: arb, low: int, high: int, error: arb, order: int, prefix: int) -> Leap | int:
    """The trajectory at the end, or its digits where they are too few."""
    y = path.coordinate(log_z)
    states, loss = tuple(map(arb, path.read(y))), arb(path._loss(y)[0])
    digits = min(BALL.relative_digits(value) or 0 for value in (*states, loss))
    if digits < path.run.dps:
        return digits
    done = Trajectory(Reduced(path.recurrence), path.run, BALL, low, states, loss, digits, path.dps, "reached")
    return Leap(done, low, high, error, order, prefix)


def _solved(gap: Callable[[arb], arb], start: arb) -> arb:
    """A number near the root of a gap that rises as log z falls from ``start``; its use is certified later."""
    high, step = start.mid(), arb(1)
    with BALL.working(ROUGH_DIGITS):
        while not gap((high - step).mid()) > 0:
            step *= 2
            if not step < 2**40:
                raise BudgetError("the target is out of reach of a leap", remedy="ask for fewer steps")
        low = (high - step).mid()
        for _ in range(ROUGH_BITS):
            middle = ((low + high) / 2).mid()
            low, high = (middle, high) if gap(middle) > 0 else (low, middle)
    older, newer = low, high
    before, now = gap(older), gap(newer)
    for _ in range(SECANT_STEPS):
        guess = (newer - now * (newer - older) / (now - before)).mid()
        if not abs(guess - newer) < abs(newer - older):  # as near as the digits allow; true of NaN as well
            break
        older, before, newer, now = newer, now, guess, gap(guess)
    return newer


def _ball(value: sp.Expr) -> arb:
    return arb(fmpq(*exact_ratio(value)))
