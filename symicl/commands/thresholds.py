"""``symicl phases ... --from CONDITION``: from which value of the parameter that counts on something holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from symicl.claims.checkers.from_on import size
from symicl.claims.threshold import LEAST, threshold
from symicl.commands.options import Goal, Target, find_family, option_value, refuse_unreachable
from symicl.errors import InputError
from symicl.grammar import parse_integer, parse_value
from symicl.output import table
from symicl.systems.base import Parameter, System


def open_size(target: Target) -> Parameter:
    """The one parameter without a value, which has to be one that counts. Raises ``InputError``."""
    missing = target.system.parameters
    counting = [each for each in missing if each.symbol.is_integer]
    if len(missing) == 1 and counting:
        return counting[0]
    if not missing:
        raise InputError(
            "--from looks for a value of a parameter, and all have one",
            where=", ".join(f"--set {name}={value}" for name, value in target.parameters.items()),
            remedy="leave out the number of features",
        )
    wanted = ", ".join(f"{each.name} ({each.meaning})" for each in missing)
    raise InputError(
        f"--from looks for a value of one parameter that counts, and there are none for {wanted}",
        where=target.system.id,
        remedy="give the others with --set",
    )


def bracket(
    target: Target, goal: Goal, to: str | int, conditions: Sequence[str], since: str | None, up_to: str, within: str
) -> dict[str, Any]:
    """The payload of the command. Raises ``InputError`` and ``BudgetError``."""
    parameter = open_size(target)
    most = option_value("--up-to", up_to, parse_integer)
    least = max(LEAST, int(parameter.minimum or LEAST))
    if most <= least:
        raise InputError(f"values from {least} on", where=f"--up-to {up_to}", remedy=f"give more than {least}")
    ratio = option_value("--within", within, parse_value)
    if not (ratio.is_Rational and ratio > 0):
        raise InputError("not a relative width", where=f"--within {within}", remedy="give a number above 0, as 1/10")
    family = find_family(target.system.id)
    smallest: System = family(**target.parameters, **{parameter.name: least})
    refuse_unreachable(smallest, goal.until)
    found = threshold(
        family,
        conditions,
        to=to,
        since=since,
        least=least,
        most=most,
        within=ratio,
        parameter=parameter.name,
        eta=goal.eta,
        timeout=goal.timeout,
        **target.parameters,
    )
    return {
        "system": target.system.id,
        "parameters": target.parameters,
        "eta": goal.eta,
        "from": {
            "parameter": parameter.name,
            "conditions": list(conditions),
            "since": since,
            "low": found.low,
            "high": found.high,
            "looks": [_look(parameter.name, each.value, each.holds, each.certain) for each in found.looks],
        },
        "guarantee": "supported",
    }


def _look(name: str, value: int, holds: bool | None, certain: bool) -> dict[str, Any]:
    return {name: value, "holds": holds, "guarantee": "certified" if certain else "supported"}


def lines(payload: dict[str, Any]) -> Iterator[str]:
    """The same for a reader."""
    found = payload["from"]
    name = found["parameter"]
    yield f"{payload['system']}, from which {name} on: {payload['guarantee']}"
    yield f"conditions  {', '.join(found['conditions'])}" + (f", since {found['since']}" if found["since"] else "")
    rows = [(f"{name} = {size(e[name])}", "holds" if e["holds"] else "broken", e["guarantee"]) for e in found["looks"]]
    yield from ("  " + row for row in table(rows))
    if found["low"] is None:
        yield f"holds at every {name} looked at, from {size(found['high'])} on"
    elif found["high"] is None:
        yield f"broken at {name} = {size(found['low'])}, the largest looked at"
    else:
        yield f"broken at {name} = {size(found['low'])}, holds from {size(found['high'])} on"


__all__ = ["bracket", "lines", "open_size"]
