"""``symicl phases``: which terms dominate the updates along a run, from when to when, and how times grow with K."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import click
import sympy as sp

from symicl.commands.options import (
    Target,
    examples,
    find_family,
    find_target,
    goal_options,
    json_option,
    read_goal,
    refuse_unreachable,
    require_values,
    warned,
)
from symicl.commands.thresholds import bracket, open_size
from symicl.commands.thresholds import lines as bracket_lines
from symicl.errors import InputError
from symicl.grammar import format_expression
from symicl.iterate import Run
from symicl.output import present, table
from symicl.phases import CONFIRMED_DIGITS, Course, Phase, course_of, growth_of_times
from symicl.render.plots import check_plot
from symicl.systems.base import System

FACTOR = 2
"""How many times larger the number of features is in the run that exponents come from."""


@click.command(
    "phases",
    epilog=examples(
        "symicl phases huang2024.underrepresented --set K=1e20 --set p1=1/2 --set N=inf --eta 1 --until 'loss<=1/100'",
        "symicl phases huang2024.underrepresented --set p1=1/2 --set N=inf --eta 1 --until 'loss<=1/100' "
        "--from 'B1>=-0.55*log(K)' --since 'lead changes'",
    ),
)
@click.argument("system", metavar="SYSTEM|FILE.toml")
@goal_options
@click.option(
    "--from",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Find from which K on (leave K out) this holds along the run; may be repeated.",
)
@click.option(
    "--since", metavar="CONDITION", help="Start looking there; 'lead changes': where the fastest state is overtaken."
)
@click.option("--up-to", default="1e20", show_default=True, metavar="K", help="The largest K that --from looks at.")
@click.option(
    "--within", default="1/10", show_default=True, metavar="WIDTH", help="How wide, relatively, K may be left."
)
@click.option("--plot", metavar="FILE", help="Draw the states against the step, with the phases shaded.")
@json_option
def phases_command(
    system: str,
    settings: tuple[str, ...],
    eta: str,
    steps: str | None,
    until: str | None,
    max_steps: str | None,
    timeout: str | None,
    conditions: tuple[str, ...],
    since: str | None,
    up_to: str,
    within: str,
    plot: str | None,
    as_json: bool,
) -> int:
    """Find the phases of a run of SYSTEM: the dominant term of each update, crossing times, exponents and extrema.

    With --from, find instead from which number of features on a condition holds along the run.
    """
    target = find_target(system, settings)
    if conditions:
        open_size(target)
    else:
        require_values(target)
    if since is not None and not conditions:
        raise InputError("there is nothing to look for", where=f"--since {since}", remedy="add --from CONDITION")
    warnings = warned(target.system)
    goal = read_goal(target.system, eta, steps, until, max_steps, timeout)
    if max_steps is not None:
        raise InputError("phases are found by leaps", where="--max-steps", remedy="leave it out")
    if conditions:
        if plot is not None:
            raise InputError("--from draws nothing", where=f"--plot {plot}", remedy="leave out one of them")
        to = until if until is not None else goal.steps
        assert to is not None
        found = bracket(target, goal, to, conditions, since, up_to, within) | warnings
        present(found, as_json, lambda: bracket_lines(found))
        return 0
    if not target.system.has_orbits:
        raise InputError("there are no phases for this system", where=target.system.id, remedy="see `symicl list`")
    refuse_unreachable(target.system, goal.until)
    if plot is not None:
        check_plot(plot)
    run = Run(goal.eta, goal.steps, goal.until, timeout=goal.timeout)
    general = _general(target)
    course = course_of(target.system, general, run)
    grown = _grown(target, run, course)
    payload = {
        "system": target.system.id,
        "parameters": target.parameters,
        "eta": goal.eta,
        "phases": [_phase_json(number, phase, grown[number - 1]) for number, phase in enumerate(course.phases, 1)],
        "leads": [{"state": lead.state, "start": _step(lead.start), "end": _step(lead.end)} for lead in course.leads],
        "extrema": list(_extrema_json(target, course)),
        "guarantee": "supported",
        "digits": CONFIRMED_DIGITS,
    }
    payload |= warnings
    if plot is not None:
        _draw(plot, target.system.title, course)
        payload["plot"] = plot
    present(payload, as_json, lambda: _lines(payload))
    return 0


def _general(target: Target) -> System:
    """The system with its finite parameters left open, to name terms by; one from a file as it is."""
    if not target.system.values:
        return target.system
    infinite = {name: value for name, value in target.system.values if value is sp.oo}
    return find_family(target.system.id)(**infinite)


def _size(target: Target) -> tuple[str, sp.Integer] | None:
    """The parameter that counts, and its value."""
    if not target.system.values:
        return None
    values = dict(target.system.values)
    for parameter in find_family(target.system.id).parameters:
        if parameter.symbol.is_integer and values[parameter.name] is not sp.oo:
            return parameter.name, values[parameter.name]
    return None


def _grown(target: Target, run: Run, course: Course) -> list[tuple[str, float, float] | None]:
    """By phase, the parameter that counts and how the end and the length of the phase grow with it."""
    size = _size(target)
    if size is None or run.until is None:
        return [None] * len(course.phases)
    name, value = size
    larger = find_family(target.system.id)(**{**dict(target.system.values), name: FACTOR * value})
    found = growth_of_times(course, course_of(larger, _general(target), run), FACTOR)
    return [None if each is None else (name, *each) for each in found]


def _phase_json(number: int, phase: Phase, grown: tuple[str, float, float] | None) -> dict[str, Any]:
    exponents: dict[str, Any] = {f"d {name} / d log t": _short(slope) for name, slope in phase.slopes}
    if grown is not None:
        name, end, length = grown
        exponents |= {f"d log t / d log {name}": _short(end), f"d log length / d log {name}": _short(length)}
    return {
        "name": f"phase {number}",
        "start": _step(phase.start),
        "end": _step(phase.end),
        "length": _step(phase.end - phase.start),
        "dominant": {name: format_expression(expression) for name, expression in phase.dominant},
        "exponents": exponents,
    }


def _extrema_json(target: Target, course: Course) -> Iterator[dict[str, Any]]:
    """Extrema of the states, and of these over the logarithm of the parameter that counts."""
    size = _size(target)
    for each in course.extrema:
        scales = [("", 1.0)] + ([] if size is None else [(f"/log({size[0]})", float(sp.log(size[1])))])
        for suffix, scale in scales:
            value = f"{each.value / scale:.{CONFIRMED_DIGITS}g}"
            yield {"quantity": f"{each.kind} {each.state}{suffix}", "value": value, "step": _step(each.step)}


def _step(n: int) -> int | str:
    """A number of steps, to the digits that are confirmed."""
    if n < 10**CONFIRMED_DIGITS:
        return n
    return f"{sp.Float(n, CONFIRMED_DIGITS + 5):.{CONFIRMED_DIGITS - 1}e}"


def _short(value: float) -> str | None:
    return None if math.isnan(value) else f"{value:.4g}"


def _lines(payload: dict[str, Any]) -> Iterator[str]:
    yield f"{payload['system']}, phases: {payload['guarantee']}, {payload['digits']} digits"
    for phase in payload["phases"]:
        yield f"{phase['name']}  steps {phase['start']} to {phase['end']}, length {phase['length']}"
        yield from (f"  {name}(t+1) - {name}(t) ~ {text}" for name, text in phase["dominant"].items())
        yield from (f"  {name} = {value}" for name, value in phase["exponents"].items() if value is not None)
    yield "fastest"
    yield from (
        "  " + row for row in table([(e["state"], f"steps {e['start']} to {e['end']}") for e in payload["leads"]])
    )
    if payload["extrema"]:
        yield "extrema"
        rows: Sequence[tuple[str, ...]] = [(e["quantity"], e["value"], f"step {e['step']}") for e in payload["extrema"]]
        yield from ("  " + row for row in table(rows))


def _draw(path: str, title: str, course: Course) -> None:
    """States against the step, on a logarithmic axis, with every other phase shaded."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    try:
        steps = [math.log10(max(n, 1)) for n in course.steps]
        for column, name in enumerate(course.names):
            axes.plot(steps, course.states[:, column], label=name)
        for number, phase in enumerate(course.phases):
            start, end = (math.log10(max(n, 1)) for n in (phase.start, phase.end))
            axes.axvspan(start, end, color="0.85" if number % 2 else "0.95", linewidth=0)
        axes.set(xlabel="log10 of the step", ylabel="states")
        axes.set_title(title, parse_math=False)
        axes.legend()
        figure.savefig(path, metadata={"Date": None} if path.endswith("svg") else None)
    except OSError as error:
        raise InputError(
            f"cannot write: {error.strerror}", where=f"--plot {path}", remedy="name another file"
        ) from None
    finally:
        pyplot.close(figure)
