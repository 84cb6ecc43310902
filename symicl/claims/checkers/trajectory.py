"""Statements about a training run at concrete parameters: certified step by step in balls."""

from __future__ import annotations

from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.statements import Always, Earlier, HittingTime
from symicl.descent import process_of
from symicl.errors import BudgetError, DerivationError, InputError, SymiclError
from symicl.grammar import Condition
from symicl.iterate import Run, Trajectory, iterate
from symicl.leaping import leap
from symicl.reduce import reduce_system
from symicl.systems.base import System

DIGITS = 20
MAX_STEPS = 1_000_000
OPPOSITE = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}
METHOD = "every step in ball arithmetic, from the start"


class _Spent(Exception):
    """A budget was spent before the run got where it had to; ``result`` is where it was then."""

    def __init__(self, problem: str, result: Trajectory) -> None:
        self.result = result
        super().__init__(problem)


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
    except SymiclError as error:
        return _undecided(str(error))
    true = {"==": reached.step == statement.steps, "<=": reached.step <= statement.steps}.get(
        statement.relation, reached.step >= statement.steps
    )
    return _answer(true, f"{statement.condition} is first met at step {reached.step}", _values(reached))


def decide_always(statement: Always) -> Outcome:
    """No step of the range violates the condition; the first that does is the witness."""
    system, eta = statement.system, statement.eta
    try:
        begin = statement.first
        if statement.since is not None:
            begin = _first(system, statement.since, eta, not_before=begin).step
        end = statement.last if isinstance(statement.last, int) else _first(system, statement.last, eta).step
        against = Condition(statement.condition.left, OPPOSITE[statement.condition.relation], statement.condition.right)
        if begin > end:
            return _undecided(f"the range is empty: it starts at step {begin} and ends at step {end}")
        try:
            violated = _first(system, against, eta, not_before=begin, max_steps=end)
        except _Spent as spent:
            return _answer(True, f"holds at every step from {begin} to {end}", _values(spent.result))
    except _Spent as spent:
        return _undecided(str(spent))
    except SymiclError as error:
        return _undecided(str(error))
    summary = f"violated at step {violated.step} of the range {begin} to {end}"
    return _answer(False, summary, _values(violated))


def decide_earlier(statement: Earlier) -> Outcome:
    """The two hitting times, compared."""
    try:
        first = _first(statement.sooner, statement.condition, statement.eta)
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


def _first(
    system: System, condition: Condition, eta: object, *, not_before: int = 0, max_steps: int = MAX_STEPS
) -> Trajectory:
    """The first step not before ``not_before`` that meets the condition. Raises ``_Spent`` beyond ``max_steps``."""
    run = Run(eta, until=condition, dps=DIGITS, max_steps=max_steps, not_before=not_before)
    if max_steps > MAX_STEPS and system.has_orbits:
        far = _leapt(system, run)
        if far is not None and far.step > max_steps:
            raise _Spent(f"{condition} is not met in {max_steps} steps", far)
        if far is not None:
            return far
    result = iterate(process_of(system), run, "ball")
    if result.outcome != "reached":
        raise _Spent(f"{condition} is not met in {max_steps} steps", result)
    return result


def _leapt(system: System, run: Run) -> Trajectory | None:
    """The run by a leap; None where the system or the condition has none."""
    try:
        return leap(reduce_system(system), run).trajectory
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
