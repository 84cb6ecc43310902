"""``symicl trace``: a training run in balls, to a step or to the first step that meets a condition."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from decimal import ROUND_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

import click
import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS, MAX_DPS, Arithmetic, Number, arithmetic, check_dps
from symicl.commands.options import (
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
from symicl.descent import Rule, process_of
from symicl.errors import BudgetError, DerivationError, InputError, SymiclError
from symicl.evaluate import Function, compile_expressions
from symicl.flow import Flow, flow
from symicl.grammar import parse_integer
from symicl.iterate import DEFAULT_MAX_STEPS, Row, Run, Trajectory, iterate
from symicl.leap import normal_form
from symicl.leaping import Leap, leap
from symicl.output import number_text, present, progress
from symicl.reduce import Recurrence, reduce_system
from symicl.render.plots import check_plot, save_path
from symicl.scores import state_of_scores
from symicl.shift import Observed, Shift, TracePath, shift_constant
from symicl.systems.base import System

OnProgress = Callable[[int, Sequence[Number]], None]
CONSTANT_DIGITS = 20
LONG, FAR = 100_000, 1_000_000
"""Steps beyond which a leap is tried: a certified one, and one that two orders support."""


@click.command(
    "trace",
    epilog=examples(
        "symicl trace huang2024.balanced --set K=32 --set N=inf --eta 1 --until 'loss<=1/100'",
        "symicl trace features.toml --eta 1/10 --steps 100 --out rows.csv",
    ),
)
@click.argument("system", metavar="SYSTEM|FILE.toml")
@goal_options
@click.option("--dps", default="50", show_default=True, metavar="DIGITS", help="Correct digits asked for.")
@click.option(
    "--arithmetic",
    "number_type",
    type=click.Choice(["ball", *(n for n in ARITHMETICS if n != "ball")]),
    default="ball",
    show_default=True,
    help="The type of the numbers; ball certifies every digit.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "step", "leap"]),
    default="auto",
    show_default=True,
    help="How to get there; auto picks.",
)
@click.option(
    "--rule",
    type=click.Choice([rule.value for rule in Rule]),
    default=Rule.GRADIENT.value,
    show_default=True,
    help="What a step is; newton needs a [regression] file, and takes eta times the Newton step.",
)
@click.option("--out", metavar="FILE.csv", help="Write a row for every step, as it is computed.")
@click.option("--plot", metavar="FILE", help="Draw the path: loss, states and, where there is one, the shift of b.")
@json_option
def trace_command(
    system: str,
    settings: tuple[str, ...],
    eta: str,
    steps: str | None,
    until: str | None,
    max_steps: str | None,
    timeout: str | None,
    dps: str,
    number_type: str,
    method: str,
    rule: str,
    out: str | None,
    plot: str | None,
    as_json: bool,
) -> int:
    """Train SYSTEM from its start and print states and loss with guaranteed digits.

    With --until the answer is the first step n >= 0 that meets the condition.
    """
    target = find_target(system, settings)
    require_values(target)
    warnings = warned(target.system)
    goal = read_goal(target.system, eta, steps, until, max_steps, timeout)
    budget = DEFAULT_MAX_STEPS if goal.max_steps is None else goal.max_steps
    digits = option_value("--dps", dps, lambda text: check_dps(parse_integer(text)))
    run = Run(goal.eta, goal.steps, goal.until, digits, budget, goal.timeout)
    process = option_value("--rule", rule, lambda text: process_of(target.system, Rule(text)))
    refuse_unreachable(target.system, goal.until)
    chosen = arithmetic(number_type)
    if plot is not None:
        check_plot(plot)
    stepwise = (goal.max_steps, out, plot) != (None, None, None)
    with ExitStack() as stack:
        bar = stack.enter_context(progress("step", goal.total, as_json))

        def on_progress(step: int, point: Sequence[Number]) -> None:
            bar(step, f"{step}")

        leapt = _leapt(target.system, run, method, number_type, on_progress, stepwise=stepwise)
        names = [str(state) for state in process.states]
        observe = _observer(target.system, process.states, chosen, run.ceiling)
        watched = [name for name, _ in target.system.observables]
        write = (
            None if out is None else _row_writer(stack, out, names, watched, observe, chosen, printed_digits(digits))
        )
        followed = plot is not None or target.system.prediction
        path = TracePath(chosen, keep=plot is not None, observe=observe) if followed else None

        def on_row(row: Row) -> None:
            if write is not None:
                write(row)
            if path is not None:
                path.add(row)

        rows = on_row if write is not None or path is not None else None
        if leapt is not None:
            trajectory = leapt.trajectory
        else:
            trajectory = iterate(process, run, chosen, on_row=rows, on_progress=on_progress)
    payload = _trajectory_json(target, trajectory) | warnings
    if leapt is not None and leapt.order:
        payload |= {"method": "leap", "order": leapt.order}
    if watched:
        with chosen.working(trajectory.working_dps):
            seen = zip(watched, observe(trajectory.states), strict=True)
        shown = printed_digits(digits)
        payload["observables"] = {n: None if value is None else chosen.as_json(value, shown) for n, value in seen}
    if path is not None and path.shifts:
        payload["shift"] = _shift_json(target.system, path.shifts[-1], trajectory)
    if plot is not None and path is not None:
        save_path(plot, target.system.title, names, watched, path, shift_constant(target.system))
        payload["plot"] = plot
    present(payload, as_json, lambda: run_lines(payload))
    return 0 if trajectory.outcome == "reached" else BudgetError.exit_code


def _observer(
    system: System, states: Sequence[sp.Symbol], chosen: Arithmetic, dps: int
) -> Callable[[Sequence[Number]], Observed]:
    """What the system reports of its states, one by one; None where it is undefined there.

    Constants are good for ``dps`` digits, so that the function serves whatever precision a run ends with.
    """
    with chosen.working(dps):
        functions = [compile_expressions([expression], states, chosen, dps) for _, expression in system.observables]

    def value(function: Function, point: Sequence[Number]) -> Number | None:
        try:
            (number,) = function(*point)
        except (SymiclError, ZeroDivisionError):
            return None
        return number if chosen.is_finite(number) else None

    return lambda point: tuple(value(function, point) for function in functions)


def _shift_json(system: System, shift: Shift, trajectory: Trajectory) -> dict[str, Any]:
    """How far the last step moved the prediction, as a change of b would, beside the bound ``constant * step``."""
    constant, ball = shift_constant(system), arithmetic("ball")
    return {
        "norm": trajectory.arithmetic.as_json(shift.norm, printed_digits(trajectory.run.dps)),
        "step": trajectory.arithmetic.as_json(shift.length, printed_digits(trajectory.run.dps)),
        "constant": None if constant is None else ball.as_json(constant, CONSTANT_DIGITS),
    }


def _leapt(
    system: System, run: Run, method: str, number_type: str, on_progress: OnProgress, *, stepwise: bool
) -> Leap | Flow | None:
    """The run by a leap where it is asked for, or where stepping takes long: many steps, or a target that far off.

    ``stepwise`` says that every step is wanted, or a budget of steps kept.
    """
    if method == "step" or (method == "auto" and (stepwise or number_type != "ball")):
        return None
    if number_type != "ball":
        raise InputError("a leap is made in balls", where=f"--arithmetic {number_type}", remedy="use --arithmetic ball")
    if method == "leap" and stepwise:
        raise InputError(
            "a leap has no single steps", where="--method leap", remedy="leave out --max-steps, --out and --plot"
        )
    if not system.has_orbits:
        if method == "auto":
            return None
        raise InputError("there is no leap for this system", where=system.id, remedy="use --method step")
    recurrence = reduce_system(system)
    jump: Callable[[Recurrence, Run], Leap | Flow] = leap
    try:
        normal_form(recurrence)
    except DerivationError:  # several coordinates, or another kind of update
        jump = flow
    if method == "leap":
        return jump(recurrence, run)
    return _beyond(recurrence, run, LONG if jump is leap else FAR, jump, on_progress)


def _beyond(
    recurrence: Recurrence, run: Run, near: int, jump: Callable[[Recurrence, Run], Leap | Flow], on_progress: OnProgress
) -> Leap | Flow | None:
    """The run where it ends within so many steps, else by a jump; None for the loop, where neither is to be had."""
    if run.steps is not None and run.steps <= near:
        return None
    begin, left = time.monotonic(), run.timeout
    if run.steps is None:
        quick = iterate(recurrence, replace(run, max_steps=near), "ball", on_progress=on_progress)
        if quick.outcome != "max-steps":
            return Leap(quick, quick.step, quick.step, arb(0), 0, 0)
        left = None if run.timeout is None else max(1e-9, run.timeout - (time.monotonic() - begin))
    try:
        return jump(recurrence, replace(run, timeout=left))
    except (DerivationError, InputError):
        return None
    except BudgetError:
        if run.timeout is not None and time.monotonic() - begin >= run.timeout:
            raise
        return None


def _row_writer(
    stack: ExitStack,
    out: str,
    names: Sequence[str],
    observables: Sequence[str],
    observe: Callable[[Sequence[Number]], Observed],
    chosen: Arithmetic,
    digits: int,
) -> Callable[[Row], None]:
    """A function that appends a row to the file; each row is flushed, so that an interrupt loses none."""
    columns = [f"{name}_{part}" for name in (*names, "loss", *observables) for part in ("mid", "rad")]
    write = open_rows(stack, out, ["step", *columns])

    def on_row(row: Row) -> None:
        cells: list[object] = [row.step]
        for value in (*row.states, row.loss, *observe(row.states)):
            shown = {"mid": None, "rad": None} if value is None else chosen.as_json(value, digits)
            cells += [part if part is not None else "" for part in (shown["mid"], shown["rad"])]
        write(cells)

    return on_row


def open_rows(stack: ExitStack, out: str, header: Sequence[object]) -> Callable[[Sequence[object]], None]:
    """A function that appends one line to a fresh CSV file, which the stack closes. Raises ``InputError``."""

    def refused(error: OSError) -> InputError:
        return InputError(
            f"cannot write: {error.strerror}", where=f"--out {out}", remedy="name a file in a folder you may write to"
        )

    try:
        file = stack.enter_context(Path(out).open("w", encoding="utf-8", newline="", buffering=1))  # noqa: SIM115 (the stack does)
    except OSError as error:
        raise refused(error) from None
    writer = csv.writer(file, lineterminator="\n")

    def write(cells: Sequence[object]) -> None:
        try:
            writer.writerow(cells)
        except OSError as error:  # a full disk; closing would fail on the same bytes again
            with suppress(OSError):
                file.close()
            raise refused(error) from None

    write(header)
    return write


def _trajectory_json(target: Target, trajectory: Trajectory) -> dict[str, Any]:
    def shown(value: Number) -> dict[str, str | None]:
        return trajectory.arithmetic.as_json(value, printed_digits(trajectory.run.dps))

    names = [str(state) for state in trajectory.process.states]
    loss = None if trajectory.loss is None else shown(trajectory.loss)
    states = {name: shown(value) for name, value in zip(names, trajectory.states, strict=True)}
    return {
        "system": target.system.id,
        "steps": trajectory.step,
        **states_or_scores(target, states),
        "loss": loss,
        "guarantee": trajectory.guarantee.label,
        "method": "step",
        "arithmetic": trajectory.arithmetic.name,
        "parameters": target.parameters,
        "eta": trajectory.run.eta,
        "digits": _digits(trajectory, [*states.values(), *([] if loss is None else [loss])]),
        "outcome": trajectory.outcome,
    }


def printed_digits(dps: int) -> int:
    """One digit more than asked for, so that rounding the midpoint leaves all that were asked for correct."""
    return min(dps + 1, MAX_DPS)


def _digits(trajectory: Trajectory, printed: Sequence[dict[str, str | None]]) -> int | None:
    """The correct relative digits of the printed balls that are not exactly zero, at most those asked for."""
    if trajectory.digits is None or trajectory.arithmetic.name == "rational":
        return trajectory.digits
    return min(
        (_correct(ball, trajectory.run.dps) for ball in printed if ball["rad"] != "0"), default=trajectory.run.dps
    )


def _correct(ball: dict[str, str | None], most: int) -> int:
    middle, radius = abs(Decimal(ball["mid"] or "NaN")), Decimal(ball["rad"] or "NaN")
    if not (middle.is_finite() and radius.is_finite()) or radius >= middle:
        return 0
    with localcontext() as context:
        context.rounding = ROUND_UP
        return min(most, math.floor(-(radius / middle).log10()))


def states_or_scores(target: Target, states: dict[str, Any]) -> dict[str, Any]:
    """``states`` by name; for features from a file ``scores`` instead, a matrix with ``scores[n][k] = v_n' Q v_k``."""
    if not target.has_scores:
        return {"states": states}
    entries = state_of_scores(target.system)
    size = 1 + max(n for n, _ in entries)
    return {"scores": [[states[str(entries[n, k])] for k in range(size)] for n in range(size)]}


def run_lines(payload: dict[str, Any]) -> Iterator[str]:
    """The result of a run for a reader."""
    yield f"{payload['system']}, {', '.join(f'{n} = {_plain(v)}' for n, v in payload['parameters'].items())}"
    yield f"step  {payload['steps']} ({payload['outcome']})"
    for name, value in payload.get("states", {}).items():
        yield f"{name}  {number_text(value)}"
    for n, row in enumerate(payload.get("scores", [])):
        for k, value in enumerate(row):
            yield f"scores[{n}][{k}]  {number_text(value)}"
    for name, value in payload.get("observables", {}).items():
        yield f"{name}  {number_text(value) if value is not None else 'undefined'}"
    if "shift" in payload:
        yield f"shift of b in the last step  {number_text(payload['shift']['norm'])}"
        yield f"length of the last step  {number_text(payload['shift']['step'])}"
    yield f"loss  {number_text(payload['loss']) if payload['loss'] is not None else 'not rational'}"
    digits = f", {payload['digits']} digits" if payload["digits"] is not None else ""
    yield f"{payload['guarantee']}{digits}"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_plain, value))})"
    return "inf" if str(value) == "oo" else str(value)
