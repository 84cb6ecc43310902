"""Statements about a training run at concrete parameters: certified step by step in balls, supported beyond."""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.checkers.far import Leaning, always_leans, first_step_leans, hitting_step, opposite
from symicl.claims.statements import Always, Earlier, HittingTime
from symicl.descent import process_of
from symicl.errors import BudgetError, DerivationError, InputError, SymiclError
from symicl.grammar import Condition
from symicl.iterate import Run, Trajectory, iterate
from symicl.leads import lead_changes
from symicl.leaping import leap
from symicl.reduce import reduce_system
from symicl.systems.base import System

DIGITS = 20
MAX_STEPS = 1_000_000
PROBE_STEPS = 20_000
"""How far a run without an end in sight is stepped before leaps look where it goes."""

PATIENCE = 10_000_000
"""The longest range given in numbers of steps that is stepped whatever it takes."""

METHOD = "ball arithmetic from the start: every step, or a leap whose count of steps is certified"


class _Spent(Exception):
    """A budget was spent before the run got where it had to; ``result`` is where it was then."""

    def __init__(self, problem: str, result: Trajectory) -> None:
        self.result = result
        super().__init__(problem)


class _Far(Exception):
    """The run goes on for more steps than are taken one by one, as leaps show."""


def decide_hitting_time(statement: HittingTime) -> Outcome:
    """The first step that meets the condition, compared with the number claimed."""
    try:
        bound = max(MAX_STEPS, statement.steps) if statement.relation == "==" else statement.steps
        reached = _first(statement.system, statement.condition, statement.eta, max_steps=bound)
    except _Spent as spent:
        if statement.relation == ">=":
            return _answer(True, f"not met at any step from 0 to {statement.steps}", _values(spent.result))
        if statement.relation == "<=":
            return _answer(False, f"not met at any step from 0 to {statement.steps}", _values(spent.result))
        return _undecided(str(spent))
    except _Far:
        return first_step_leans(
            statement.system, statement.condition, statement.eta, statement.relation, statement.steps
        ).outcome()
    except SymiclError as error:
        return _undecided(str(error))
    true = {"==": reached.step == statement.steps, "<=": reached.step <= statement.steps}.get(
        statement.relation, reached.step >= statement.steps
    )
    return _answer(true, f"{statement.condition} is first met at step {reached.step}", _values(reached))


def certain_step(system: System, condition: Condition, eta: sp.Rational) -> Trajectory | None:
    """Where a run first meets a condition, in certified balls; None beyond the reach of steps and certified leaps.

    Raises ``BudgetError`` where it is not met, and what stepping raises.
    """
    try:
        return _first(system, condition, eta)
    except _Far:
        return None
    except _Spent as spent:
        raise BudgetError(str(spent)) from None


def decide_always(statement: Always) -> Outcome:
    """No step of the range violates the condition; the first that does is the witness."""
    return judge_always(statement)[0]


def judge_always(statement: Always) -> tuple[Outcome, bool | None]:
    """The outcome, and what the numbers say where that is undecided: True, False, or None for nothing."""
    try:
        try:
            outcome = _stepped_always(statement)
            return outcome, {Verdict.CERTIFIED: True, Verdict.REFUTED: False}.get(outcome.verdict)
        except _Far:
            return _far_always(statement)
    except _Spent as spent:
        return _undecided(str(spent)), None
    except SymiclError as error:
        return _undecided(str(error)), None


def _stepped_always(statement: Always) -> Outcome:
    """By steps alone. Raises ``_Far`` where the range ends beyond their reach."""
    system, eta = statement.system, statement.eta
    end = statement.last if isinstance(statement.last, int) else _first(system, statement.last, eta).step
    if end > PATIENCE and system.has_orbits:
        raise _Far
    begin = statement.first
    since = _since(statement)
    if since is not None and begin <= end:
        try:
            begin = _first(system, since, eta, not_before=begin, max_steps=end).step
        except _Spent:
            return _undecided(f"the range is empty: it ends at step {end}, and its start is not met by then")
    if begin > end:
        return _undecided(f"the range is empty: it starts at step {begin} and ends at step {end}")
    against = opposite(statement.condition)
    try:
        violated = _first(system, against, eta, not_before=begin, max_steps=end)
    except _Spent as spent:
        return _answer(True, f"holds at every step from {begin} to {end}", _values(spent.result))
    summary = f"violated at step {violated.step} of the range {begin} to {end}"
    return _answer(False, summary, _values(violated))


def _far_always(statement: Always) -> tuple[Outcome, bool | None]:
    """By leaps; a violation that they find within the reach of steps is certified by these."""
    since = _since(statement)
    leaning, broken = always_leans(
        statement.system,
        statement.condition,
        statement.eta,
        statement.first if since is None else since,
        statement.last,
        statement.first,
    )
    if leaning.holds is False and broken is not None and broken < MAX_STEPS:
        try:
            return _early_violation(statement), False
        except (_Spent, _Far):
            pass
    return leaning.outcome(), leaning.holds


def _since(statement: Always) -> Condition | None:
    """The condition whose first step starts the range."""
    return lead_changes(statement.system) if isinstance(statement.since, str) else statement.since


def _early_violation(statement: Always) -> Outcome:
    """The first violation, by steps, and that the range has not ended before it."""
    system, eta = statement.system, statement.eta
    begin = statement.first
    since = _since(statement)
    if since is not None:
        begin = _stepped(system, since, eta, begin, MAX_STEPS).step
    violated = _stepped(system, opposite(statement.condition), eta, begin, MAX_STEPS)
    ended = not isinstance(statement.last, Condition) and violated.step > statement.last
    if isinstance(statement.last, Condition) and violated.step > 0:
        try:
            _stepped(system, statement.last, eta, 0, violated.step - 1)
            ended = True
        except _Spent:
            pass
    if ended:
        return _undecided("leaps and steps disagree on where the range ends")
    return _answer(
        False, f"violated at step {violated.step}, the range starting at step {begin} and not over", _values(violated)
    )


def decide_earlier(statement: Earlier) -> Outcome:
    """The two hitting times, compared."""
    try:
        try:
            first = _first(statement.sooner, statement.condition, statement.eta)
        except _Far:
            return _far_earlier(statement).outcome()
        try:
            second = _first(statement.later, statement.condition, statement.eta, max_steps=first.step)
        except _Spent:
            summary = f"{statement.sooner.id} meets it at step {first.step}, {statement.later.id} not by then"
            return _answer(True, summary, _values(first))
    except _Spent as spent:
        return _undecided(str(spent))
    except SymiclError as error:
        return _undecided(str(error))
    summary = f"{statement.sooner.id} meets it at step {first.step}, {statement.later.id} at step {second.step}"
    return _answer(False, summary, _values(second))


def _far_earlier(statement: Earlier) -> Leaning:
    step, spread = hitting_step(statement.sooner, statement.condition, statement.eta)
    for relation, holds in ((">=", True), ("<=", False)):
        if first_step_leans(
            statement.later, statement.condition, statement.eta, relation, step + (spread + 1 if holds else -spread)
        ).holds:
            summary = f"{statement.sooner.id} meets it about step {step}, {statement.later.id} "
            return Leaning(holds, summary + ("later" if holds else "not later"))
    return Leaning(None, f"{statement.sooner.id} meets it about step {step}, the other too near to tell")


def _first(
    system: System, condition: Condition, eta: object, *, not_before: int = 0, max_steps: int | None = None
) -> Trajectory:
    """The first step not before ``not_before`` that meets the condition.

    Raises ``_Spent`` where there is none up to ``max_steps``; ``_Far`` where that, or the step, is beyond the reach of
    steps one by one and only leaps that certify nothing get there.
    """
    bound = MAX_STEPS if max_steps is None else max_steps
    run = Run(eta, until=condition, dps=DIGITS, max_steps=bound, not_before=not_before)
    if bound > MAX_STEPS and system.has_orbits:
        far = _leapt(system, run)
        if far is not None and far.step > bound:
            raise _Spent(f"{condition} is not met in {bound} steps", far)
        if far is not None:
            return far
    if not system.has_orbits or (max_steps is not None and max_steps <= PATIENCE):
        return _stepped(system, condition, eta, not_before, bound)
    if _is_far(system, condition, eta, not_before):
        certified = None if not_before else _leapt(system, run)
        if certified is None:
            raise _Far
        return certified
    try:
        return _stepped(system, condition, eta, not_before, MAX_STEPS)
    except _Spent:
        if max_steps is None:
            raise
        raise BudgetError(f"neither steps nor leaps meet {condition}, and {bound} steps are too many") from None


@lru_cache(maxsize=64)
def _is_far(system: System, condition: Condition, eta: sp.Rational, not_before: int) -> bool:
    """Whether the first steps do not meet the condition, and leaps do so beyond the reach of steps."""
    try:
        _stepped(system, condition, eta, not_before, PROBE_STEPS)
        return False
    except _Spent:
        pass
    try:
        step, _ = hitting_step(system, condition, eta)
    except SymiclError:
        return False
    return step > MAX_STEPS and step >= not_before


@lru_cache(maxsize=64)
def _stepped(system: System, condition: Condition, eta: object, not_before: int, max_steps: int) -> Trajectory:
    """The same by steps alone."""
    run = Run(eta, until=condition, dps=DIGITS, max_steps=max_steps, not_before=not_before)
    result = iterate(process_of(system), run, "ball")
    if result.outcome != "reached":
        raise _Spent(f"{condition} is not met in {max_steps} steps", result)
    return result


def _leapt(system: System, run: Run) -> Trajectory | None:
    """The run by a leap; None where the system or the condition has none."""
    try:
        found = leap(reduce_system(system), run)
        return found.trajectory if found.low == found.high else None
    except (DerivationError, InputError, BudgetError):
        return None


def _answer(true: bool, summary: str, details: list[tuple[str, str]]) -> Outcome:
    return Outcome(Verdict.CERTIFIED if true else Verdict.REFUTED, Evidence(METHOD, summary, tuple(details)))


def _undecided(why: str) -> Outcome:
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, why, (("budget", f"{MAX_STEPS} steps, {DIGITS} digits"),)))


def _values(result: Trajectory) -> list[tuple[str, str]]:
    """The states and the loss at the step that decides, as balls."""
    names = [*map(str, result.process.states), "loss"]
    numbers = [result.arithmetic.as_json(value, 12) for value in (*result.states, result.loss)]
    return [("step", str(result.step))] + [
        (name, f"{ball['mid']} +/- {ball['rad']}") for name, ball in zip(names, numbers, strict=True)
    ]
