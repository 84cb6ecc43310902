"""``symicl constants``: Lipschitz constants of softmax regression, published, proved and certified, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from pathlib import Path
from typing import Any

import click
import sympy as sp
from flint import arb

from symicl.arithmetic import arithmetic
from symicl.commands.options import examples, json_option, option_value
from symicl.errors import BudgetError, InputError
from symicl.grammar import parse_integer, parse_value
from symicl.lipschitz import Constants, around, over_all
from symicl.output import present, progress, table
from symicl.systems.files import read_system
from symicl.systems.softmax_regression import RegressionData

DIGITS = 12
SHOWN = 6


@click.command(
    "constants",
    epilog=examples(
        "symicl constants --rows 2,3 --radius 1/2,1,2", "symicl constants problem.toml --spread 1/10 --tolerance 1/50"
    ),
)
@click.argument("file", metavar="[FILE.toml]", required=False)
@click.option("--rows", default=None, metavar="N,...", help="Without a file: numbers of rows of A.  [default: 2,3]")
@click.option("--radius", default=None, metavar="R,...", help="Without a file: bounds of |A|, |x|.  [default: 1/2,1,2]")
@click.option(
    "--spread", default=None, metavar="r", help="With a file: how far x may be off, by entry.  [default: 1/10]"
)
@click.option("--matrix-spread", default=None, metavar="r", help="With a file: how far A may be off.  [default: 0]")
@click.option(
    "--tolerance", default="1/100", show_default=True, metavar="T", help="Relative gap of the certified bounds."
)
@click.option(
    "--max-boxes", default="40000", show_default=True, metavar="N", help="Pieces of the box to examine at most."
)
@json_option
def constants_command(
    file: str | None,
    rows: str | None,
    radius: str | None,
    spread: str | None,
    matrix_spread: str | None,
    tolerance: str,
    max_boxes: str,
    as_json: bool,
) -> int:
    """Bound how fast softmax(A x), and the gradient of the loss, can change.

    Without FILE.toml: over all A with one column and all x of norm at most R. With it: around the A, b, x of its table
    [regression]. Exit code 4 where --max-boxes was spent before the gap was reached; the bounds printed hold all the
    same.
    """
    search = {
        "tolerance": _positive("--tolerance", tolerance),
        "max_boxes": _integer("--max-boxes", max_boxes, 1),
    }
    with progress("bounding", None, as_json) as step:
        if file is None:
            _refuse("a file", spread=spread, matrix_spread=matrix_spread)
            found: list[Constants] = []
            for n in _list("--rows", rows or "2,3"):
                for size in _list("--radius", radius or "1/2,1,2"):
                    step(len(found), f"n = {n}, R = {size}")
                    found.append(over_all(_rows(n), size, **search))
        else:
            _refuse("no file", rows=rows, radius=radius)
            spreads = [_value("--spread", spread or "1/10"), _value("--matrix-spread", matrix_spread or "0")]
            found = around(_data(file), *spreads, **search)
    payload = {"file": file, "constants": [_json(item) for item in found]}
    present(payload, as_json, lambda: _lines(found))
    return 0 if all(item.certified.reached for item in found) else BudgetError.exit_code


def _data(file: str) -> RegressionData:
    data = read_system(Path(file)).data
    if not isinstance(data, RegressionData):
        raise InputError("there is no table [regression]", where=file, remedy="give A, b and x in one")
    return data


def _refuse(which: str, **options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} needs {which}", where=f"{flag} {value}", remedy="see `symicl constants --help`")


def _value(option: str, text: str) -> sp.Rational:
    value = option_value(option, text, parse_value)
    if not (value.is_Rational and value >= 0):
        raise InputError(f"{value} is not allowed", where=f"{option} {text}", remedy="give a number >= 0")
    return value


def _positive(option: str, text: str) -> sp.Rational:
    value = _value(option, text)
    if value == 0:
        raise InputError("0 is not allowed", where=f"{option} {text}", remedy="give a number greater than 0")
    return value


def _integer(option: str, text: str, least: int) -> int:
    value = option_value(option, text, parse_integer)
    if value < least:
        raise InputError(f"{value} is not allowed", where=f"{option} {text}", remedy=f"give an integer >= {least}")
    return value


def _list(option: str, text: str) -> list[sp.Rational]:
    return [_positive(option, part) for part in text.split(",")]


def _rows(value: sp.Rational) -> int:
    if not (value.is_Integer and 2 <= value <= 8):
        raise InputError(f"{value} rows", where="--rows", remedy="give integers from 2 to 8")
    return int(value)


def _json(item: Constants) -> dict[str, Any]:
    ball = arithmetic("ball")

    def shown(value: arb) -> dict[str, str | None]:
        return ball.as_json(value, DIGITS)

    return {
        "quantity": item.quantity,
        "n": item.rows,
        "d": item.columns,
        "R": shown(item.radius),
        "published": shown(item.published),
        "proved": shown(item.proved),
        "certified": {
            "lower": shown(item.certified.lower),
            "upper": shown(item.certified.upper),
            "at": {str(symbol): str(value) for symbol, value in item.certified.where.items()},
            "boxes": item.certified.boxes,
            "reached": item.certified.reached,
        },
    }


def _lines(found: list[Constants]) -> Iterator[str]:
    head = ("quantity", "n", "d", "R", "published", "proved", "certified")
    rows = []
    for item in found:
        size = (item.quantity, str(item.rows), str(item.columns))
        bounds = [_rounded(value, ROUND_CEILING) for value in (item.radius, item.published, item.proved)]
        low, high = _rounded(item.certified.lower, ROUND_FLOOR), _rounded(item.certified.upper, ROUND_CEILING)
        spent = "" if item.certified.reached else " (budget spent)"
        rows.append((*size, *bounds, f"{low} to {high}{spent}"))
    yield from table([head, *rows])


def _rounded(value: arb, direction: str) -> str:
    """A bound to a few digits, rounded to the side on which it still is one."""
    shown = arithmetic("ball").as_json(value, 2 * DIGITS)
    middle, radius = Decimal(shown["mid"] or "NaN"), Decimal(shown["rad"] or "NaN")
    with localcontext(rounding=direction, prec=4 * DIGITS):
        bound = middle + radius if direction == ROUND_CEILING else middle - radius
    if not bound.is_finite():
        return "inf" if direction == ROUND_CEILING else "-inf"
    with localcontext(rounding=direction, prec=SHOWN):
        return f"{+bound:f}" if -5 < bound.adjusted() < 12 else f"{+bound:e}"
