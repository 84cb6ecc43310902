"""``symicl stability``: where training can rest at finite scores, and up to which step size it stays there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import sympy as sp
from flint import arb

from symicl.arithmetic import ARITHMETICS, check_dps
from symicl.commands.options import examples, find_target, json_option, option_value, require_values, set_option, warned
from symicl.errors import BudgetError, InputError, UndecidedError
from symicl.grammar import format_expression, parse_integer, parse_value
from symicl.output import number_text, present
from symicl.reduce import reduce_system
from symicl.stability import GUARD_DIGITS, Cycle, Rest, rest_of, two_cycle

FEWEST, MOST = 5, 1000
"""Digits that may be asked for."""


@click.command(
    "stability",
    epilog=examples(
        "symicl stability huang2024.underrepresented --set K=8 --set N=6 --set p1=1/2",
        "symicl stability huang2024.underrepresented --set K=8 --set N=6 --set p1=1/2 --eta 820",
    ),
)
@click.argument("system", metavar="SYSTEM|FILE.toml")
@set_option
@click.option("--eta", metavar="VALUE", help="A step size: does the point attract, and if not, where does it go?")
@click.option("--dps", default="30", show_default=True, metavar="DIGITS", help="Correct digits asked for.")
@json_option
def stability_command(system: str, settings: tuple[str, ...], eta: str | None, dps: str, as_json: bool) -> int:
    """Find the point where SYSTEM comes to rest at finite scores, and the step size up to which it attracts.

    Where one score escapes to infinity, the point lies on that face: what prompts without its feature leave to learn.
    The bound is 2 over the curvature of the loss there; all numbers are certified.
    """
    digits = option_value("--dps", dps, _digits)
    size = None if eta is None else option_value("--eta", eta, _positive)
    target = find_target(system, settings)
    require_values(target)
    warnings = warned(target.system)
    if not target.system.has_orbits:
        raise InputError("there is no recurrence for this system", where=target.system.id, remedy="see `symicl list`")
    rest = rest_of(reduce_system(target.system), digits)
    payload: dict[str, Any] = {
        "system": target.system.id,
        "parameters": target.parameters,
        "escaping": {_reading(rest, y): str(end).replace("oo", "inf") for y, end in rest.face.escaping.items()},
        "minimiser": dict(zip(map(format_expression, rest.face.readings), _balls(rest.place, digits), strict=True)),
        "loss": _ball(rest.loss, digits),
        "curvature": _ball(rest.curvature, digits),
        "step_size_bound": _ball(rest.bound, digits),
    }
    if size is not None:
        payload |= _at(rest, size, digits)
    payload |= {"guarantee": "certified", "digits": _least_digits(rest, digits), **warnings}
    present(payload, as_json, lambda: _lines(payload))
    return 0


def _digits(text: str) -> int:
    value = check_dps(parse_integer(text))
    if not FEWEST <= value <= MOST:
        raise InputError(f"{value} digits cannot be asked for", where=text, remedy=f"ask for {FEWEST} to {MOST}")
    return value


def _positive(text: str) -> sp.Rational:
    value = parse_value(text)
    if not (value.is_Rational and value > 0):
        raise InputError(f"the step size is {value}", where=text, remedy="give a number greater than 0")
    return value


def _reading(rest: Rest, coordinate: sp.Symbol) -> str:
    recurrence = rest.face.recurrence
    return format_expression(recurrence.readings[recurrence.coordinates.index(coordinate)])


def _ball(value: arb, digits: int) -> dict[str, str | None]:
    with ARITHMETICS["ball"].working(digits + GUARD_DIGITS):
        return ARITHMETICS["ball"].as_json(value, digits)


def _balls(values: tuple[arb, ...], digits: int) -> list[dict[str, str | None]]:
    return [_ball(value, digits) for value in values]


def _least_digits(rest: Rest, digits: int) -> int:
    """Correct digits of the numbers that are not zero, at most those asked for."""
    ball = ARITHMETICS["ball"]
    numbers = [x for x in (*rest.place, rest.loss, *rest.rates, rest.bound) if not x.contains(0)]
    return min(digits, *(ball.relative_digits(x) or 0 for x in numbers))


def _at(rest: Rest, eta: sp.Rational, digits: int) -> dict[str, Any]:
    """What the step size does at the point; beyond the bound, the cycle of two steps, where it has one."""
    attracts = rest.attracts(eta)
    found: dict[str, Any] = {
        "eta": eta,
        "multipliers": _balls(rest.multipliers(eta), digits),
        "attracts": attracts,
    }
    if attracts or len(rest.place) != 1:
        return found
    try:
        cycle = _cycle_json(rest, two_cycle(rest, eta), digits)
    except (BudgetError, UndecidedError):
        cycle = None
    return found | {"cycle": cycle}


def _cycle_json(rest: Rest, cycle: Cycle, digits: int) -> dict[str, Any]:
    (name,) = map(format_expression, rest.face.readings)
    (multiplier,) = cycle.multipliers
    attracts = True if abs(multiplier) < 1 else False if abs(multiplier) > 1 else None
    return {
        name: [_ball(place[0], digits) for place in cycle.places],
        "losses": _balls(cycle.losses, digits),
        "multiplier": _ball(multiplier, digits),
        "attracts": attracts,
    }


def _lines(payload: dict[str, Any]) -> Iterator[str]:
    shown = ", ".join(f"{name} = {_value_text(value)}" for name, value in payload["parameters"].items())
    yield f"{payload['system']}, {shown}" if shown else payload["system"]
    for name, end in payload["escaping"].items():
        yield f"{name}  escapes to {end}"
    for name, value in payload["minimiser"].items():
        yield f"{name}  {number_text(value)}"
    for name, key in (("loss", "loss"), ("curvature", "curvature"), ("step size bound", "step_size_bound")):
        yield f"{name}  {number_text(payload[key])}"
    if "eta" in payload:
        verb = "attracts" if payload["attracts"] else "repels"
        shown = ", ".join(map(number_text, payload["multipliers"]))
        yield f"at eta = {payload['eta']}  the point {verb}: multiplier {shown}"
    if payload.get("cycle") is not None:
        yield from _cycle_lines(payload["cycle"])
    yield f"{payload['guarantee']}, {payload['digits']} digits"


def _value_text(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_value_text, value))})"
    return format_expression(sp.sympify(value, strict=True))


def _cycle_lines(cycle: dict[str, Any]) -> Iterator[str]:
    verb = {True: "attracts", False: "repels", None: "is undecided"}[cycle["attracts"]]
    yield f"a cycle of two steps {verb}: multiplier {number_text(cycle['multiplier'])}"
    name = next(iter(cycle))
    for place, loss in zip(cycle[name], cycle["losses"], strict=True):
        yield f"  {name}  {number_text(place)}, loss {number_text(loss)}"
