"""``symicl trace``: a training run in balls, to a step or to the first step that meets a condition."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from decimal import ROUND_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

import click

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
)
from symicl.errors import BudgetError, InputError
from symicl.grammar import parse_integer
from symicl.iterate import DEFAULT_MAX_STEPS, Row, Run, Trajectory, iterate
from symicl.output import number_text, present, progress
from symicl.reduce import reduce_system
from symicl.scores import state_of_scores


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
@click.option("--out", metavar="FILE.csv", help="Write a row for every step, as it is computed.")
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
    out: str | None,
    as_json: bool,
) -> int:
    """Train SYSTEM from its start and print states and loss with guaranteed digits.

    With --until the answer is the first step n >= 0 that meets the condition.
    """
    if method == "leap":
        raise InputError("the method leap is not available", where="--method leap", remedy="use --method step")
    target = find_target(system, settings)
    require_values(target)
    goal = read_goal(target.system, eta, steps, until, max_steps, timeout)
    budget = DEFAULT_MAX_STEPS if goal.max_steps is None else goal.max_steps
    digits = option_value("--dps", dps, lambda text: check_dps(parse_integer(text)))
    run = Run(goal.eta, goal.steps, goal.until, digits, budget, goal.timeout)
    recurrence = reduce_system(target.system)
    refuse_unreachable(recurrence, goal.until)
    chosen = arithmetic(number_type)
    with ExitStack() as stack:
        names = [str(state) for state in recurrence.states]
        on_row = None if out is None else _row_writer(stack, out, names, chosen, printed_digits(digits))
        bar = stack.enter_context(progress("step", goal.total, as_json))

        def on_progress(step: int, point: Sequence[Number]) -> None:
            bar(step, f"{step}")

        trajectory = iterate(recurrence, run, chosen, on_row=on_row, on_progress=on_progress)
    payload = _trajectory_json(target, trajectory)
    present(payload, as_json, lambda: run_lines(payload))
    return 0 if trajectory.outcome == "reached" else BudgetError.exit_code


def _row_writer(
    stack: ExitStack, out: str, names: Sequence[str], chosen: Arithmetic, digits: int
) -> Callable[[Row], None]:
    """A function that appends a row to the file; each row is flushed, so that an interrupt loses none."""
    write = open_rows(stack, out, ["step", *(f"{n}_{part}" for n in (*names, "loss") for part in ("mid", "rad"))])

    def on_row(row: Row) -> None:
        cells: list[object] = [row.step]
        for value in (*row.states, row.loss):
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

    names = [str(state) for state in trajectory.recurrence.states]
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
    """``states`` by name; for a system from a file ``scores`` instead, a matrix with ``scores[n][k] = v_n' Q v_k``."""
    if not target.from_file:
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
    yield f"loss  {number_text(payload['loss']) if payload['loss'] is not None else 'not rational'}"
    digits = f", {payload['digits']} digits" if payload["digits"] is not None else ""
    yield f"{payload['guarantee']}{digits}"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_plain, value))})"
    return "inf" if str(value) == "oo" else str(value)
