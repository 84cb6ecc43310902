"""``symicl simulate``: the actual layer on actual prompts, as an independent check of ``trace``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from symicl.arithmetic import Guarantee, arithmetic
from symicl.commands.options import (
    Goal,
    examples,
    find_target,
    goal_options,
    json_option,
    option_value,
    read_goal,
    refuse_unreachable,
    require_values,
)
from symicl.commands.trace import open_rows, run_lines
from symicl.errors import BudgetError, InputError
from symicl.evaluate import compile_expressions
from symicl.grammar import parse_integer
from symicl.iterate import LOSS
from symicl.output import present, progress
from symicl.reduce import reduce_system
from symicl.scores import prompt_data, state_of_scores
from symicl.simulate import DEFAULT_MAX_STEPS, Experiment, Row, simulate_rows
from symicl.symmetry import restrict
from symicl.systems.base import System

FLOAT_DIGITS = 17

Value = tuple[float, float | None]
"""A number and its standard error, None where prompts are enumerated."""


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
    """Train the layer of SYSTEM on its prompts in float64, sharing nothing with the closed-form updates."""
    target = find_target(system, settings)
    require_values(target)
    goal = read_goal(target.system, eta, steps, until, max_steps, timeout)
    number = None if prompts is None else option_value("--prompts", prompts, parse_integer)
    data = prompt_data(target.system)
    if number is None:  # a mean over sampled prompts may fall below the infimum
        refuse_unreachable(reduce_system(target.system), goal.until)
    experiment = Experiment(np.array([float(p) for p in data.probabilities]), data.prompt_length, query=data.query)
    size = option_value("--eta", eta, lambda _: _float_step(goal))
    rows = simulate_rows(experiment, size, prompts=number, seed=option_value("--seed", seed, parse_integer))
    orbits = _orbits(target.system)
    reached = _goal_test(goal, list(orbits))
    budget = DEFAULT_MAX_STEPS if goal.max_steps is None else goal.max_steps
    deadline = None if goal.timeout is None else time.monotonic() + goal.timeout
    with ExitStack() as stack:
        parts = [f"{name}_{part}" for name in (*orbits, "loss") for part in ("mid", "standard_error")]
        write = None if out is None else open_rows(stack, out, ["step", *parts])
        bar = stack.enter_context(progress("step", goal.total, as_json))
        for row in rows:
            states = _states(orbits, row)
            if write is not None:
                values = [*states.values(), (row.loss, row.loss_standard_error)]
                write([row.n, *("" if part is None else repr(part) for value in values for part in value)])
            bar(row.n, str(row.n))
            outcome = _outcome(row.n, reached(states, row), budget, deadline)
            if outcome is not None:
                break
    payload = {
        "system": target.system.id,
        "steps": row.n,
        **(_scores(row) if target.from_file else {"states": {name: _shown(*value) for name, value in states.items()}}),
        "loss": _shown(row.loss, row.loss_standard_error),
        "guarantee": Guarantee.SUPPORTED.label,
        "method": "enumerated" if number is None else "sampled",
        "arithmetic": "float64",
        "parameters": target.parameters,
        "eta": goal.eta,
        "digits": None,
        "outcome": outcome,
    }
    present(payload, as_json, lambda: run_lines(payload))
    return 0 if outcome == "reached" else BudgetError.exit_code


def _float_step(goal: Goal) -> float:
    """The step size in float64. Raises ``InputError`` where that is zero or infinite."""
    value = float(goal.eta)
    if not 0 < value < math.inf:
        raise InputError("the step size is out of the range of float64", remedy="use `symicl trace`")
    return value


Orbits = dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]
"""For each state the rows and the columns of its entries in the score matrix."""


def _orbits(system: System) -> Orbits:
    members: dict[str, list[tuple[int, int]]] = {str(state.symbol): [] for state in restrict(system).states}
    for position, symbol in state_of_scores(system).items():
        members[str(symbol)].append(position)
    return {name: (np.array([n for n, _ in pos]), np.array([k for _, k in pos])) for name, pos in members.items()}


def _states(orbits: Orbits, row: Row) -> dict[str, Value]:
    """Each state as the mean over its entries.

    The entries are correlated, so the standard error of a mean is bounded by the mean of the standard errors.
    """
    errors = row.scores_standard_error
    return {
        name: (float(row.scores[where].mean()), None if errors is None else float(errors[where].mean()))
        for name, where in orbits.items()
    }


def _goal_test(goal: Goal, names: list[str]) -> Callable[[dict[str, Value], Row], bool]:
    """Whether a row is the one asked for: by its number, or by the condition in float64."""
    if goal.until is None:
        return lambda states, row: row.n == goal.steps
    float64 = arithmetic("float64")
    arguments = [*(sp.Symbol(name, real=True) for name in names), LOSS]
    sides = compile_expressions([goal.until.left, goal.until.right], arguments, float64, FLOAT_DIGITS)
    relation = goal.until.relation
    compare = float64.less_equal if "=" in relation else float64.less

    def holds(states: dict[str, Value], row: Row) -> bool:
        left, right = map(float, sides(*(value for value, _ in states.values()), row.loss))
        return compare(left, right) if relation[0] == "<" else compare(right, left)

    return holds


def _outcome(step: int, reached: bool, budget: int, deadline: float | None) -> str | None:
    """Why to stop here, or None to go on."""
    if reached:
        return "reached"
    if step >= budget:
        return "max-steps"
    return "timeout" if deadline is not None and time.monotonic() > deadline else None


def _scores(row: Row) -> dict[str, Any]:
    errors = row.scores_standard_error
    size = range(len(row.scores))
    return {
        "scores": [
            [_shown(float(row.scores[n, k]), None if errors is None else float(errors[n, k])) for k in size]
            for n in size
        ]
    }


def _shown(value: float, error: float | None) -> dict[str, str | None]:
    number = arithmetic("float64").as_json(value, FLOAT_DIGITS)
    return {**number, "standard_error": None if error is None else repr(float(error))}
