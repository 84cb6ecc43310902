"""``symicl simulate``: the actual layer on actual prompts, as an independent check of ``trace``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click
import sympy as sp

from symicl.arithmetic import Guarantee, arithmetic
from symicl.commands.options import (
    Goal,
    Target,
    examples,
    find_target,
    goal_options,
    json_option,
    option_value,
    read_goal,
    refuse_unreachable,
    require_values,
    warned,
)
from symicl.commands.oracles import SimulatedRow, simulated_rows
from symicl.commands.trace import open_rows, run_lines
from symicl.descent import state_symbols
from symicl.errors import BudgetError, InputError
from symicl.evaluate import compile_expressions
from symicl.grammar import parse_integer
from symicl.output import present, progress
from symicl.process import LOSS
from symicl.simulate import DEFAULT_MAX_STEPS

FLOAT_DIGITS = 17


@click.command(
    "simulate",
    epilog=examples("symicl simulate huang2024.balanced --set K=3 --set N=4 --eta 1 --steps 20 --prompts 10000"),
)
@click.argument("system", metavar="SYSTEM|FILE.toml")
@goal_options
@click.option("--prompts", metavar="B", help="Sample this many fresh prompts each step; default: all, exactly.")
@click.option("--seed", default="0", show_default=True, metavar="S", help="The seed of the sampled prompts.")
@click.option("--out", metavar="FILE.csv", help="Write a row for every step, as it is computed.")
@json_option
def simulate_command(
    system: str,
    settings: tuple[str, ...],
    eta: str,
    steps: str | None,
    until: str | None,
    max_steps: str | None,
    timeout: str | None,
    prompts: str | None,
    seed: str,
    out: str | None,
    as_json: bool,
) -> int:
    """Train SYSTEM itself in float64 (a layer on its prompts), sharing nothing with the closed-form updates."""
    target = find_target(system, settings)
    require_values(target)
    warnings = warned(target.system)
    goal = read_goal(target.system, eta, steps, until, max_steps, timeout)
    number = None if prompts is None else option_value("--prompts", prompts, parse_integer)
    if number is None:  # a mean over sampled prompts may fall below the infimum
        refuse_unreachable(target.system, goal.until)
    size = option_value("--eta", eta, lambda _: _float_step(goal))
    rows = simulated_rows(target.system, size, number, option_value("--seed", seed, parse_integer))
    names = [str(symbol) for symbol in state_symbols(target.system)]
    reached = _goal_test(goal, names)
    budget = DEFAULT_MAX_STEPS if goal.max_steps is None else goal.max_steps
    deadline = None if goal.timeout is None else time.monotonic() + goal.timeout
    with ExitStack() as stack:
        parts = [f"{name}_{part}" for name in (*names, "loss") for part in ("mid", "standard_error")]
        write = None if out is None else open_rows(stack, out, ["step", *parts])
        bar = stack.enter_context(progress("step", goal.total, as_json))
        for row in rows:
            if write is not None:
                values = [*row.states.values(), row.loss]
                write([row.step, *("" if part is None else repr(part) for value in values for part in value)])
            bar(row.step, str(row.step))
            outcome = _outcome(row.step, reached(row), budget, deadline)
            if outcome is not None:
                break
    payload = {
        "system": target.system.id,
        "steps": row.step,
        **_trained(target, row),
        "loss": _shown(*row.loss),
        "guarantee": Guarantee.SUPPORTED.label,
        "method": "enumerated" if row.loss[1] is None else "sampled",
        "arithmetic": "float64",
        "parameters": target.parameters,
        "eta": goal.eta,
        "digits": None,
        "outcome": outcome,
        **warnings,
    }
    present(payload, as_json, lambda: run_lines(payload))
    return 0 if outcome == "reached" else BudgetError.exit_code


def _float_step(goal: Goal) -> float:
    """The step size in float64. Raises ``InputError`` where that is zero or infinite."""
    value = float(goal.eta)
    if not 0 < value < math.inf:
        raise InputError("the step size is out of the range of float64", remedy="use `symicl trace`")
    return value


def _goal_test(goal: Goal, names: list[str]) -> Callable[[SimulatedRow], bool]:
    """Whether a row is the one asked for: by its number, or by the condition in float64."""
    if goal.until is None:
        return lambda row: row.step == goal.steps
    float64 = arithmetic("float64")
    arguments = [*(sp.Symbol(name, real=True) for name in names), LOSS]
    sides = compile_expressions([goal.until.left, goal.until.right], arguments, float64, FLOAT_DIGITS)
    relation = goal.until.relation
    compare = float64.less_equal if "=" in relation else float64.less

    def holds(row: SimulatedRow) -> bool:
        left, right = map(float, sides(*(value for value, _ in row.states.values()), row.loss[0]))
        return compare(left, right) if relation[0] == "<" else compare(right, left)

    return holds


def _outcome(step: int, reached: bool, budget: int, deadline: float | None) -> str | None:
    """Why to stop here, or None to go on."""
    if reached:
        return "reached"
    if step >= budget:
        return "max-steps"
    return "timeout" if deadline is not None and time.monotonic() > deadline else None


def _trained(target: Target, row: SimulatedRow) -> dict[str, Any]:
    """As ``states_or_scores``; single scores, which differ within a state where prompts are sampled."""
    if target.has_scores:
        return {"scores": [[_shown(*value) for value in scores] for scores in row.scores]}
    return {"states": {name: _shown(*value) for name, value in row.states.items()}}


def _shown(value: float, error: float | None) -> dict[str, str | None]:
    number = arithmetic("float64").as_json(value, FLOAT_DIGITS)
    return {**number, "standard_error": None if error is None else repr(float(error))}
