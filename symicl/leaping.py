"""Trajectories of one-coordinate recurrences over horizons no loop can reach.

States are certified balls, and the number of steps to a target is certified to be exact, or bracketed. All that does
not depend on where a leap goes is set up once, in a :class:`Leaper`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import sympy as sp
from flint import arb, fmpq

from symicl.arithmetic import ARITHMETICS, whole_number
from symicl.arithmetic.base import exact_ratio
from symicl.errors import BudgetError, DerivationError, InputError
from symicl.evaluate import Function, compile_expressions
from symicl.indices import partial
from symicl.iterate import Run, Trajectory, iterate
from symicl.leap import ORDERS, Count, NormalForm, count, missed, normal_form, series, step_height
from symicl.process import LOSS, Reduced
from symicl.reduce import Recurrence
from symicl.signs import certificate

PREFIXES = (0, 64, 1024, 16_384)
"""Steps taken one by one before the leap, where the first ones are too long for the series."""

GUARD = 30
RUNG, CODE_RUNG = 40, 320
"""Working precisions are multiples of so many digits, so that leaps of about the same length share what they need."""

ROUGH_DIGITS = 40
NEAR = 0.25
NEWTON_STEPS = 60
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
    return _leaper(recurrence, run.eta).leap(run)


def prepare_leaps(recurrence: Recurrence, eta: sp.Rational, dps: int = 50) -> Leaper:
    """All that leaps of any length to ``dps`` digits need, worked out beforehand. Raises as :func:`leap` does."""
    leaper = _leaper(recurrence, eta)
    leaper.warm(dps)
    return leaper


@lru_cache(maxsize=16)
def _leaper(recurrence: Recurrence, eta: sp.Rational) -> Leaper:
    form = normal_form(recurrence)
    unknown = sorted(map(str, form.scale.free_symbols | form.alpha.free_symbols | form.start.free_symbols))
    if unknown:
        raise DerivationError(f"no value for {', '.join(unknown)}", remedy="give every parameter an exact value")
    return Leaper(recurrence, eta, form)


@dataclass(frozen=True)
class Leaper:
    """The leaps of one recurrence at one step size; what one of them works out, the next ones find there."""

    recurrence: Recurrence
    eta: sp.Rational
    form: NormalForm
    _codes: dict[int, _Codes] = field(default_factory=dict, init=False, repr=False, compare=False)
    _rungs: dict[int, _Rung] = field(default_factory=dict, init=False, repr=False, compare=False)
    _errors: dict[tuple[int, int], arb] = field(default_factory=dict, init=False, repr=False, compare=False)

    def warm(self, dps: int) -> None:
        """Work out what a leap to ``dps`` digits needs if it ends where these are hardest to get."""
        Run(self.eta, steps=0, dps=dps)  # refuses bad digits and step sizes
        _ = self._falls
        with BALL.working(ROUGH_DIGITS):
            self._rung(ROUGH_DIGITS).count(ORDERS[0])
        digits = _rung_of(dps + GUARD)
        with BALL.working(digits):
            rung = self._rung(digits)
            hardest = (arb(10) ** (-dps - 5) / rung.epsilon).min(arb(1) / 4)
            order = next((order for order in ORDERS if self._error(rung, 0, order) <= hardest), None)
            if order is not None:
                rung.count(order)

    def leap(self, run: Run) -> Leap:
        """The run, whose step size is that of the leaper, by a leap; see :func:`leap`."""
        if run.eta != self.eta:
            raise InputError(
                f"the leaper is for eta = {self.eta}", where=f"eta = {run.eta}", remedy="prepare another one"
            )
        if run.until is not None:
            self._check_target(run)
        needed, best = run.dps + GUARD + self._digits_of_count(run), 0
        most = run.ceiling + GUARD
        while needed <= most:
            dps = min(_rung_of(needed), most)
            with BALL.working(dps):
                found = self._at_precision(self._rung(dps), run)
            if isinstance(found, Leap):
                return found
            needed, best = 2 * dps, max(best, found)
        raise BudgetError(
            f"the leap reaches {best} digits, not {run.dps}: the first steps are too long for the series",
            where=f"eta = {run.eta}",
            remedy="ask for fewer digits, or use --method step",
        )

    # What is set up.

    @cached_property
    def _falls(self) -> bool:
        """Whether it is proved that the loss falls along the path."""
        slope = partial(self.recurrence.loss, self.recurrence.coordinates[0])
        return certificate(self.recurrence.symmetric.system, -slope) is not None

    def _rung(self, dps: int) -> _Rung:
        if dps not in self._rungs:
            digits = -(-dps // CODE_RUNG) * CODE_RUNG
            if digits not in self._codes:
                with BALL.working(digits):
                    self._codes[digits] = _codes(self.recurrence, self.form, digits)
            self._rungs[dps] = _Rung(self, self._codes[digits], dps)
        return self._rungs[dps]

    def _error(self, rung: _Rung, prefix: int, order: int) -> arb:
        """How many steps a series may miscount after a prefix, whatever the precision and wherever the leap ends."""
        if (prefix, order) not in self._errors:
            known = series(self.form.p, self.form.q, order)
            self._errors[prefix, order] = missed(known, rung.epsilon, rung.start(prefix))
        return self._errors[prefix, order]

    # One leap.

    def _check_target(self, run: Run) -> None:
        condition = run.until
        assert condition is not None
        target = condition.left == LOSS and condition.right.is_Rational and condition.relation in ("<=", "<")
        if not target or run.not_before:
            raise InputError(
                "a leap goes to a number of steps or to a loss", where=str(condition), remedy="write loss <= c, or step"
            )
        if not self._falls:
            raise DerivationError("there is no proof that the loss falls along the path", remedy="use --method step")

    def _digits_of_count(self, run: Run) -> int:
        """About how many digits the count of steps has: as many more are needed to tell one step from the next."""
        with BALL.working(ROUGH_DIGITS):
            rung = self._rung(ROUGH_DIGITS)
            counts, start = rung.count(ORDERS[0]), rung.start(0)
            size = 2 * abs(counts.at(start))
            if run.steps is not None:
                size += run.steps
            elif run.until is not None and rung.loss(start) > _ball(run.until.right):
                size += abs(counts.at(rung.where(run.until.right, start)))
            return max(0, int(float((size.upper() + 1).log()) / 2.302) + 1)

    def _at_precision(self, rung: _Rung, run: Run) -> Leap | int:
        """The leap, or how many digits the best attempt had."""
        best, goal, end = 0, None if run.until is None else run.until.right, None
        for prefix in PREFIXES:
            if run.steps is not None and run.steps <= prefix:
                return self._stepped(run)
            start = rung.start(prefix)
            if goal is not None:
                if not rung.loss(start) > _ball(goal):
                    return self._stepped(run)
                end = rung.where(goal, start) if end is None else end
            about = self._about(run, prefix) if end is None else end
            tolerance = _tolerance(rung, run, about)
            order = next((order for order in ORDERS if self._error(rung, prefix, order) <= tolerance), None)
            if order is not None:
                leg = _Leg(rung, run, prefix, rung.count(order), self._error(rung, prefix, order))
                found = leg.landed(run.steps, about) if goal is None else leg.counted_to(goal, about)
                if isinstance(found, Leap):
                    return found
                best = max(best, found)
        return best

    def _about(self, run: Run, prefix: int) -> arb:
        """``log z`` about where a number of steps ends."""
        assert run.steps is not None
        with BALL.working(ROUGH_DIGITS):
            rung = self._rung(ROUGH_DIGITS)
            start, counts = rung.start(prefix), rung.count(ORDERS[0])
            wanted = counts.at(start) + (run.steps - prefix)
            return _root(lambda x: counts.at(x) - wanted, lambda x: -counts.per_step(x), start)

    def _stepped(self, run: Run) -> Leap:
        """A run that ends before the leap begins."""
        done = iterate(Reduced(self.recurrence), run, "ball")
        return Leap(done, done.step, done.step, arb(0), 0, done.step)


@dataclass(frozen=True)
class _Codes:
    """Start, loss with its derivative, and states as functions of the coordinate."""

    start: Function
    loss: Function
    read: Function


def _codes(recurrence: Recurrence, form: NormalForm, dps: int) -> _Codes:
    (y,) = recurrence.coordinates
    return _Codes(
        compile_expressions([form.start], [], BALL, dps),
        compile_expressions([recurrence.loss, partial(recurrence.loss, y)], [y], BALL, dps),
        compile_expressions(recurrence.lift, [y], BALL, dps),
    )


class _Rung:
    """What leaps need at one working precision: the normal form in balls, and the loss and states at a place."""

    def __init__(self, leaper: Leaper, codes: _Codes, dps: int) -> None:
        form = leaper.form
        self.leaper, self.codes, self.dps = leaper, codes, dps
        self.rate, self.log_alpha = _ball(form.rate), _ball(form.alpha).log()
        self.epsilon = _ball(form.scale * form.rate * leaper.eta)
        self.starts: dict[int, arb] = {}
        self.counts: dict[int, Count] = {}

    def start(self, prefix: int) -> arb:
        """``log z`` after the steps before the leap."""
        if prefix not in self.starts:
            self.starts[prefix] = self.log_alpha - self.rate * arb(self._stepped(prefix))
        return self.starts[prefix]

    def _stepped(self, prefix: int) -> arb:
        if prefix == 0:
            (y,) = self.codes.start()
            return arb(y)
        recurrence = self.leaper.recurrence
        before = iterate(Reduced(recurrence), Run(self.leaper.eta, steps=prefix, dps=self.dps), "ball")
        (y,) = compile_expressions(list(recurrence.readings), list(recurrence.states), BALL, self.dps)(*before.states)
        return arb(y)

    def count(self, order: int) -> Count:
        """The series that counts steps."""
        if order not in self.counts:
            self.counts[order] = count(series(self.leaper.form.p, self.leaper.form.q, order), self.epsilon)
        return self.counts[order]

    def coordinate(self, log_z: arb) -> arb:
        return (self.log_alpha - log_z) / self.rate

    def loss(self, log_z: arb) -> arb:
        return arb(self.codes.loss(self.coordinate(log_z))[0])

    def where(self, goal: sp.Rational, start: arb) -> arb:
        """``log z`` about where the loss is at a goal below that at the start."""
        level = _ball(goal)
        return _root(
            lambda x: level - self.loss(x), lambda x: self.codes.loss(self.coordinate(x))[1] / self.rate, start
        )


@dataclass(frozen=True)
class _Leg:
    """A leap after a prefix, by the series of one order, off by at most ``error`` steps."""

    rung: _Rung
    run: Run
    prefix: int
    count: Count
    error: arb

    @cached_property
    def begin(self) -> arb:
        return self.count.at(self.rung.start(self.prefix))

    def landed(self, steps: int | None, near: arb) -> Leap | int:
        """The state after the steps, or its digits where they are too few.

        It is in a ball of ``log z`` at whose ends the count is certainly off by more than the error.
        """
        assert steps is not None
        count, wanted = self.count, self.begin + (steps - self.prefix)
        end = _newton(lambda x: count.at(x) - wanted, lambda x: -count.per_step(x), near)
        radius = ((abs(count.at(end) - wanted) + self.error) / count.per_step(end) * 2).upper()
        low, high = end.mid() - radius, end.mid() + radius
        if not (count.at(low) > wanted + self.error and count.at(high) < wanted - self.error):
            return 0
        return self._finished(low.union(high), steps)

    def counted_to(self, goal: sp.Rational, end: arb) -> Leap | int:
        """The first step at or below the goal: the count where the loss is certainly above it, and where it is not."""
        level, width = _ball(goal), arb(10) ** (-self.rung.dps + GUARD // 2)
        above, below = (end.mid() + width).min(self.rung.start(self.prefix)), end.mid() - width
        if not (self.rung.loss(above) > level and self.rung.loss(below) < level):
            return 0
        fewest = self.count.at(above) - self.begin - self.error
        most = self.count.at(below) - self.begin + self.error
        low, high = _ceiling(fewest.lower()), _ceiling(most.upper())
        if low is None or high is None or max(low, 1) != max(high, 1):
            return 0
        return self.landed(max(low, 1) + self.prefix, end)

    def _finished(self, log_z: arb, steps: int) -> Leap | int:
        """The trajectory at the end, or its digits where they are too few."""
        rung = self.rung
        y = rung.coordinate(log_z)
        states, loss = tuple(map(arb, rung.codes.read(y))), rung.loss(log_z)
        digits = min(BALL.relative_digits(value) or 0 for value in (*states, loss))
        if digits < self.run.dps:
            return digits
        process = Reduced(rung.leaper.recurrence)
        done = Trajectory(process, self.run, BALL, steps, states, loss, digits, rung.dps, "reached")
        return Leap(done, steps, steps, self.error, self.count.known.order, self.prefix)


def _tolerance(rung: _Rung, run: Run, end: arb) -> arb:
    """How many steps the series may miscount: a quarter, and what the digits of the coordinate allow."""
    known = series(rung.leaper.form.p, rung.leaper.form.q, ORDERS[0])
    share = arb(10) ** (-run.dps - 5) / (rung.epsilon * step_height(known, end))
    return share.min(arb(1) / 4)


def _rung_of(digits: int) -> int:
    return -(-digits // RUNG) * RUNG


def _ceiling(value: arb) -> int | None:
    return whole_number(value.ceil()) if value.is_finite() else None


def _root(gap: Callable[[arb], arb], slope: Callable[[arb], arb], start: arb) -> arb:
    """A number near the root of a gap that rises as log z falls from ``start``; its use is certified later."""
    high, step = start.mid(), arb(1)
    with BALL.working(ROUGH_DIGITS):
        while not gap((high - step).mid()) > 0:
            step *= 2
            if not step < 2**40:
                raise BudgetError("the target is out of reach of a leap", remedy="ask for fewer steps")
        low = (high - step).mid()
        while high - low > NEAR:
            middle = ((low + high) / 2).mid()
            low, high = (middle, high) if gap(middle) > 0 else (low, middle)
    return _newton(gap, slope, ((low + high) / 2).mid())


def _newton(gap: Callable[[arb], arb], slope: Callable[[arb], arb], near: arb) -> arb:
    """Newton's method, as far as the digits go."""
    last = arb("inf")
    for _ in range(NEWTON_STEPS):
        change = (gap(near) / slope(near)).mid()
        if not abs(change) < last:  # as near as the digits allow; true of NaN as well
            break
        near, last = (near - change).mid(), abs(change)
    return near


def _ball(value: sp.Expr) -> arb:
    return arb(fmpq(*exact_ratio(value)))


__all__ = ["Leap", "Leaper", "leap", "prepare_leaps"]
