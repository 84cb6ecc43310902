"""``symicl margin``: the maximum-margin separator of a data set, exactly, or a certificate that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from symicl.arithmetic import ARITHMETICS
from symicl.commands.options import examples, json_option
from symicl.errors import InputError
from symicl.output import number_text, present
from symicl.separation import separate
from symicl.systems.files import read_system
from symicl.systems.normalized_descent import ClassificationData

DIGITS = 30


@click.command("margin", epilog=examples("symicl margin points.toml --json"))
@click.argument("file", metavar="FILE.toml")
@json_option
def margin_command(file: str, as_json: bool) -> int:
    """Separate the points of the table [classification] by the largest margin, in exact rationals.

    Where no direction separates them, exit code 2, and weights of the points y_i x_i that mix to 0: for every w some
    y_i w'x_i is then at most 0.
    """
    data = read_system(Path(file)).data
    if not isinstance(data, ClassificationData):
        raise InputError("there is no table [classification]", where=file, remedy="give x and y in one")
    found = separate(data.signed())
    weights = {str(i): weight for i, weight in enumerate(found.weights) if weight > 0}
    if not found.separable:
        mixed = " + ".join(f"{weight} y[{i}] x[{i}]" for i, weight in weights.items())
        raise InputError(
            f"the points are not separable: {mixed} = 0",
            where=file,
            remedy="ask for a margin where one direction has one",
        )
    ball = ARITHMETICS["ball"]
    with ball.working(DIGITS + 10):
        margin = ball.as_json(ball.sqrt(ball.number(found.squared_margin)), DIGITS)
    payload: dict[str, Any] = {
        "file": file,
        "separable": True,
        "direction": found.point,
        "squared_margin": found.squared_margin,
        "margin": margin,
        "support": weights,
    }

    def lines() -> Iterator[str]:
        yield f"direction  ({', '.join(map(str, found.point))})"
        yield f"margin  {number_text(margin)}, its square {found.squared_margin}"
        yield from (f"point {i} has weight {weight}" for i, weight in weights.items())

    present(payload, as_json, lines)
    return 0
