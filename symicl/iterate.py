"""The one loop: a recurrence stepped in any arithmetic until a step count or a condition.

Precision is adaptive. The loop starts with guard digits, watches how many digits survive at steps 1, 2, 4, 8, ... and
starts again with more when too few do, up to a ceiling; a trajectory says how many digits it has. Rows already
handed out stay valid: a restart skips them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sympy as sp

from symicl.arithmetic import EXACT_DIGITS, MAX_DPS, Arithmetic, Guarantee, Number, arithmetic, check_dps
from symicl.errors import InputError, UndecidedError
from symicl.grammar import Condition
from symicl.process import Process, Reduced
from symicl.reduce import Recurrence

GUARD_DIGITS = 20
STRETCH = 64
"""Steps between looks at the clock and at whether the run was cancelled."""

PROGRESS_STEPS = 4096
DEFAULT_MAX_STEPS = 10_000_000


@dataclass(frozen=True)
class Row:
    """States, loss and prediction at one step, as numbers of the arithmetic; ``digits`` as in :class:`Trajectory`."""

    step: int
    states: tuple[Number, ...]
    loss: Number
    digits: int | None
    prediction: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Run:
    """What to compute: step size, target, precision and budgets.

    Exactly one of ``steps`` and ``until`` is given; with ``until`` the answer is the first step n >= 0 that meets it
    (n >= ``not_before`` where that is given). ``dps`` is the number of correct digits asked for; ``timeout`` is in
    seconds; ``cancelled`` is polled now and then.
    """

    eta: sp.Rational
    steps: int | None = None
    until: Condition | None = None
    dps: int = 50
    max_steps: int = DEFAULT_MAX_STEPS
    timeout: float | None = None
    max_dps: int | None = None
    not_before: int = 0
    cancelled: Callable[[], bool] = field(default=lambda: False)

    def __post_init__(self) -> None:
        check_dps(self.dps)
        if (self.steps is None) == (self.until is None):
            raise InputError("give either a number of steps or a condition to run until", where="steps, until")
        if self.until is not None:
            _check_condition(self.until)
        if self.steps is not None and self.steps < 0:
            raise InputError(f"the number of steps is {self.steps}", where="steps", remedy="give an integer >= 0")
        if not (self.eta.is_Rational and self.eta > 0):
            raise InputError(f"the step size is {self.eta}", where="eta", remedy="give a number greater than 0")
        if self.max_steps < 0:
            raise InputError(f"the budget is {self.max_steps} steps", where="max_steps", remedy="give an integer >= 0")

    @property
    def ceiling(self) -> int:
        """The most working digits that will be tried."""
        return min(MAX_DPS, self.max_dps if self.max_dps is not None else 8 * self.dps + 400)


def _check_condition(condition: Condition) -> None:
    """Refuse what could be undefined at a state, or cancel before the state is put in."""
    for side in (condition.left, condition.right):
        if side.has(sp.oo, sp.zoo, sp.nan):
            raise InputError("a condition compares finite numbers", where=str(condition), remedy="leave out inf")
        if any(power.exp.is_negative and power.base.free_symbols for power in side.atoms(sp.Pow)):
            raise InputError(
                "a condition divides by what may be zero", where=str(condition), remedy="multiply the condition out"
            )


@dataclass(frozen=True)
class Trajectory:
    """Where a run ended. ``outcome`` is "reached", or names the budget that was spent first.

    ``loss`` is None where rational arithmetic cannot hold it (its states are rational for one step only).

    ``digits`` is the least number of correct relative digits over the nonzero states and the loss, None where the
    arithmetic bounds no error; ``working_dps`` the precision it took.
    """

    process: Process
    run: Run
    arithmetic: Arithmetic
    step: int
    states: tuple[Number, ...]
    loss: Number
    digits: int | None
    working_dps: int
    outcome: str

    @property
    def guarantee(self) -> Guarantee:
        return self.arithmetic.guarantee

    def state(self, name: str) -> Number:
        """The value of a state by name. Raises ``InputError`` for an unknown one."""
        names = [str(symbol) for symbol in self.process.states]
        if name not in names:
            raise InputError(f"there is no state {name}", where=name, remedy=f"the states are {', '.join(names)}")
        return self.states[names.index(name)]


def iterate(
    process: Process | Recurrence,
    run: Run,
    number_type: Arithmetic | str = "ball",
    *,
    on_row: Callable[[Row], None] | None = None,
    on_progress: Callable[[int, Sequence[Number]], None] | None = None,
) -> Trajectory:
    """Step a process, or the recurrence of a system, from its start, at exact parameters.

    ``on_row`` receives every step from 0 on, in order and once each; ``on_progress`` the coordinates now and then.
    Raises ``DerivationError`` for parameters without a value and ``UndecidedError`` when a condition stays undecided up
    to the precision ceiling, or where a number to report is not finite. Where the ceiling is reached before all digits
    are correct, the trajectory's ``digits`` say so.
    """
    chosen = arithmetic(number_type) if isinstance(number_type, str) else number_type
    stepped = Reduced(process) if isinstance(process, Recurrence) else process
    deadline = None if run.timeout is None else time.monotonic() + run.timeout
    dps = min(run.dps + GUARD_DIGITS, run.ceiling)
    reporter = _Reporter(on_row)
    while True:
        last = dps >= run.ceiling or chosen.guarantee is not Guarantee.CERTIFIED or chosen.name == "rational"
        loop = _Loop(stepped, run, chosen, dps, deadline, reporter, on_progress)
        try:
            with chosen.working(dps):
                result = loop.run_to_end(demand=not last)
        except UndecidedError as error:
            if last:
                if run.until is None:
                    raise
                raise UndecidedError(
                    f"the condition {run.until} is undecided at {dps} digits: {error.problem}",
                    where=str(run.until),
                    remedy=error.remedy or "raise the precision ceiling, or move the threshold",
                ) from error
            result = None
        except (
            ZeroDivisionError,
            OverflowError,
        ) as error:  # native numbers do not become nan
            raise _not_finite(chosen, f"eta = {sp.Float(run.eta, 6)}") from error
        if result is not None:
            return result
        dps = min(run.ceiling, max(dps + loop.deficit + GUARD_DIGITS, dps * 3 // 2))


@dataclass
class _Reporter:
    """Hands out rows in order, each once, however often the loop starts again."""

    on_row: Callable[[Row], None] | None
    next_step: int = 0

    def offer(self, row: Row) -> None:
        if self.on_row is not None and row.step == self.next_step:
            self.on_row(row)
            self.next_step += 1


class _Loop:
    """One pass of the loop at one working precision."""

    def __init__(
        self,
        process: Process,
        run: Run,
        chosen: Arithmetic,
        dps: int,
        deadline: float | None,
        reporter: _Reporter,
        on_progress: Callable[[int, Sequence[Number]], None] | None,
    ) -> None:
        self.process, self.run, self.arithmetic, self.dps = process, run, chosen, dps
        self.deadline, self.reporter, self.on_progress = deadline, reporter, on_progress
        self.deficit = 0

    def run_to_end(self, *, demand: bool) -> Trajectory | None:
        """The trajectory, or None when ``demand`` is set and too few digits survive (``deficit`` says how many)."""
        self._compile()
        step, point = 0, tuple(map(self._number, self.code.start()))
        end = min(n for n in (self.run.steps, self.run.max_steps) if n is not None)
        while True:
            if not self._survey(step, point, demand):
                return None
            if step == self.run.steps:
                return self._finish(step, point, "reached", demand)
            if self._stopped(step, point):
                return self._finish(step, point, "cancelled" if self.run.cancelled() else "timeout", demand)
            step, point, met = self._stretch(step, point, min(end, self._next_look(step)))
            if met or (step == end != self.run.steps and self._met(step, point)):
                return self._finish(step, point, "reached", demand)
            if step == end != self.run.steps:
                return self._finish(step, point, "max-steps", demand) if self._survey(step, point, demand) else None

    def _survey(self, step: int, point: tuple[Number, ...], demand: bool) -> bool:
        """Hand out the row of a step, and say whether enough digits survive (asked at powers of two and for rows)."""
        reporting = self.reporter.on_row is not None
        if not reporting and (not demand or step & (step - 1)):
            return True
        row = self._row(step, point)
        if demand and not self._promising(row):
            return False
        if reporting:
            self._require_finite(row)
        self.reporter.offer(row)
        return True

    def _next_look(self, step: int) -> int:
        """The next step before which there is nothing to do but step."""
        if self.reporter.on_row is not None or self.deadline is not None:
            return step + 1
        return min(step - step % STRETCH + STRETCH, 1 << step.bit_length())

    def _stretch(self, step: int, point: tuple[Number, ...], last: int) -> tuple[int, tuple[Number, ...], bool]:
        """Step to ``last``, or to the first step that meets the condition: (step, point, whether it was met)."""
        advance, holds, width = self.advance, self.holds, len(point)
        if holds is None:
            for _ in range(step, last):
                point = advance(*point)
            return last, point, False
        for n in range(step, last):
            ahead = advance(*point)
            if n >= self.run.not_before and holds(*ahead[width:]):
                return n, point, True
            point = ahead[:width]
        return last, point, False

    def _met(self, step: int, point: tuple[Number, ...]) -> bool:
        if self.holds is None or step < self.run.not_before:
            return False
        return self.holds(*self.advance(*point)[len(point) :])

    def _compile(self) -> None:
        self.code = self.process.code(self.run.eta, self.run.until, self.arithmetic, self.dps)
        self.advance = self.code.advance
        self.holds = None if self.run.until is None else self._comparison(self.run.until.relation)

    def _comparison(self, relation: str) -> Callable[[Number, Number], bool]:
        compare = self.arithmetic.less_equal if "=" in relation else self.arithmetic.less
        return compare if relation[0] == "<" else lambda left, right: compare(right, left)

    def _number(self, value: Number) -> Number:
        return self.arithmetic.number(value) if isinstance(value, int) else value

    def _row(self, step: int, point: tuple[Number, ...]) -> Row:
        states = list(map(self._number, self.code.read(*point)))
        loss = self.code.loss(*point)
        loss = None if loss is None else self._number(loss)
        if step == 1 and self.arithmetic.guarantee is Guarantee.CERTIFIED:
            zero = self._number(0)
            states = [zero if known == 0 else state for state, known in zip(states, self.code.first(), strict=True)]
        digits = self._digits([*states] if loss is None else [*states, loss])
        return Row(step, tuple(states), loss, digits, self.code.prediction(*point))

    def _digits(self, values: Sequence[Number]) -> int | None:
        known = [self.arithmetic.relative_digits(value) for value in values if not _is_exact_zero(value)]
        certain = [digits for digits in known if digits is not None]
        exact = EXACT_DIGITS if self.arithmetic.guarantee is Guarantee.CERTIFIED else None
        return min(certain, default=exact)

    def _precise(self, row: Row) -> bool:
        self.deficit = max(0, self.run.dps - row.digits) if row.digits is not None else 0
        return self.deficit == 0

    def _promising(self, row: Row) -> bool:
        """Whether enough digits survive so far; a state on its way through zero counts against the largest one."""
        if self._precise(row):
            return True
        sizes = [abs(value) for value in (*row.states, row.loss)]
        scale = max(sizes, key=self.arithmetic.to_float)
        shifted = [self.arithmetic.relative_digits(scale + size) for size in sizes]
        least = min(digits for digits in shifted if digits is not None)
        self.deficit = max(0, self.run.dps - least)
        return self.deficit == 0

    def _stopped(self, step: int, point: tuple[Number, ...]) -> bool:
        if self.on_progress is not None and step % PROGRESS_STEPS == 0:
            self.on_progress(step, point)
        return (self.deadline is not None and time.monotonic() > self.deadline) or self.run.cancelled()

    def _require_finite(self, row: Row) -> None:
        values = [*row.states, *(() if row.loss is None else (row.loss,))]
        if not all(self.arithmetic.is_finite(value) for value in values):
            raise _not_finite(self.arithmetic, f"step {row.step}")

    def _finish(self, step: int, point: tuple[Number, ...], outcome: str, demand: bool) -> Trajectory | None:
        row = self._row(step, point)
        self._require_finite(row)
        if demand and not self._precise(row) and outcome == "reached":
            return None
        return Trajectory(
            self.process, self.run, self.arithmetic, step, row.states, row.loss, row.digits, self.dps, outcome
        )


def _not_finite(chosen: Arithmetic, where: str) -> UndecidedError:
    other = "raise the precision" if chosen.name == "ball" else "compute in ball arithmetic"
    return UndecidedError(
        f"the numbers are not finite in {chosen.name} arithmetic",
        where=where,
        remedy=f"take a smaller step size, or {other}",
    )


def _is_exact_zero(value: Number) -> bool:
    return bool(value == 0)
