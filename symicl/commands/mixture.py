"""``symicl mixture``: the minimiser of a Gaussian mixture, its expansion in 1/N, its rate and its inference error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
import sympy as sp
from flint import arb

from symicl.arithmetic import Guarantee, arithmetic, check_dps
from symicl.commands.options import examples, find_target, json_option, option_value, require_values, set_option, warned
from symicl.contraction import Contraction, contraction
from symicl.errors import BudgetError, InputError
from symicl.grammar import parse_integer, parse_value
from symicl.mixture.expansion import MAX_DIMENSION, Expansion, expand
from symicl.mixture.inference import Inference, inference
from symicl.mixture.minimiser import Minimiser, minimiser
from symicl.mixture.symmetry import MAX_DIMENSION as MOST_SYMMETRIC
from symicl.mixture.symmetry import pattern
from symicl.mixture.values import has_balls
from symicl.output import number_text, present
from symicl.systems.gaussian_mixture import MixtureData

SHOWN = 12


@click.command(
    "mixture",
    epilog=examples(
        "symicl mixture shen2025.line --set N=40 --set a=1", "symicl mixture mixture.toml --eta 4 --radius 1/10"
    ),
)
@click.argument("system", metavar="SYSTEM|FILE.toml")
@set_option
@click.option(
    "--dps", default="30", show_default=True, metavar="DIGITS", help="Digits of the minimiser and its expansion."
)
@click.option("--eta", default=None, metavar="VALUE", help="The step size of the rate.  [default: about the best]")
@click.option("--radius", default="1/50", show_default=True, metavar="R", help="How far from W* the rate has to hold.")
@json_option
def mixture_command(
    system: str, settings: tuple[str, ...], dps: str, eta: str | None, radius: str, as_json: bool
) -> int:
    """Find the minimiser W* of a Gaussian mixture, and how fast it is approached.

    W*, the coefficients of W*/2 - Lambda^-1 in 1/N, the linear rate of gradient descent near W*, and the constants of
    the inference error at test length M, each certified where it can be.
    """
    digits = option_value("--dps", dps, lambda text: check_dps(parse_integer(text)))
    step = None if eta is None else option_value("--eta", eta, _positive)
    size = option_value("--radius", radius, _positive)
    target = find_target(system, settings)
    require_values(target)
    warnings = warned(target.system)
    data = target.system.data
    if not isinstance(data, MixtureData):
        raise InputError("not a Gaussian mixture", where=system, remedy="take shen2025.line, or a file with [mixture]")
    payload: dict[str, Any] = {"system": target.system.id, "parameters": target.parameters, **warnings}
    payload["symmetry"] = None
    if data.dimension <= MOST_SYMMETRIC:
        found = pattern(data)
        payload["symmetry"] = {"pattern": found.rows(), "scalars": found.scalars, "group": found.group}
    payload["minimiser"] = _minimiser_json(_tried(lambda: minimiser(data, digits)), digits)
    unique = data.rank == data.dimension
    expansion = expand(data, digits) if unique and data.dimension <= MAX_DIMENSION else None
    payload["expansion"] = None if expansion is None else _expansion_json(expansion, digits)
    payload["rate"] = (
        _rate_json(contraction(data, step, size)) if has_balls(data) and (unique or _finite(data)) else None
    )
    payload["inference"] = None if expansion is None else _inference_json(inference(data, digits, expansion), digits)
    present(payload, as_json, lambda: _lines(payload))
    return 0


def _finite(data: MixtureData) -> bool:
    return data.length is not sp.oo


def _tried(find: Any) -> Minimiser | None:
    """The minimiser, None where there is none, or no grid for it."""
    try:
        found: Minimiser = find()
    except (InputError, BudgetError):
        return None
    return found


def _positive(text: str) -> sp.Rational:
    value = parse_value(text)
    if not (value.is_Rational and value > 0):
        raise InputError(f"{value} is not allowed", where=text, remedy="give a number greater than 0")
    return value


def _ball(value: arb, digits: int) -> dict[str, str | None]:
    return arithmetic("ball").as_json(value, digits)


def _matrix(rows: Sequence[Sequence[Any]], digits: int) -> list[list[dict[str, str | None]]]:
    float64 = arithmetic("float64")
    return [[float64.as_json(x, digits) if isinstance(x, float) else _ball(x, digits) for x in row] for row in rows]


def _minimiser_json(found: Minimiser | None, digits: int) -> dict[str, Any] | None:
    if found is None:
        return None
    shown = digits if found.guarantee is Guarantee.CERTIFIED else SHOWN
    return {"W": _matrix(found.weights, shown), "guarantee": found.guarantee.label}


def _expansion_json(found: Expansion, digits: int) -> dict[str, Any]:
    return {
        "first": _matrix(found.first, digits),
        "second": _matrix(found.second, digits),
        "hessian": [[_form(form) for form in row] for row in found.hessian_forms],
        "right": [_form(form) for form in found.right_forms],
    }


def _form(form: Any) -> str:
    """A combination of moments: ``J(n, k, D2)`` is the mean of ``sigma^(n)(s) s^k`` over ``s ~ N(D2/2, D2)``."""
    terms = sorted(form.items(), key=lambda item: tuple(map(sp.Rational, item[0])))
    return " + ".join(f"{weight}*J({n}, {k}, {distance})" for (n, k, distance), weight in terms) or "0"


def _rate_json(found: Contraction) -> dict[str, Any]:
    values = {
        "least": found.least,
        "largest": found.largest,
        "condition": found.condition,
        "best_eta": found.best_eta,
        "factor": found.factor,
        "on_ball": found.on_ball,
        "lipschitz": found.lipschitz,
    }
    return {"eta": found.eta, "radius": found.radius, **{name: _ball(value, SHOWN) for name, value in values.items()}}


def _inference_json(found: Inference, digits: int) -> dict[str, Any]:
    values = {
        "squared_test": found.squared_test,
        "squared_train": found.squared_train,
        "absolute_test": found.absolute_test,
        "absolute_train": found.absolute_train,
        "bound": found.bound,
    }
    return {**{name: _ball(value, digits) for name, value in values.items()}, "exact": found.exact}


def _lines(payload: dict[str, Any]) -> Iterator[str]:
    """The findings for a reader."""
    yield payload["system"]
    if payload["symmetry"] is not None:
        rows = "; ".join(", ".join(row) for row in payload["symmetry"]["pattern"])
        yield f"symmetry  W = [{rows}], a group of order {payload['symmetry']['group']}"
    found = payload["minimiser"]
    if found is None:
        yield "minimiser  none computed"
    else:
        yield f"minimiser W* ({found['guarantee']})"
        yield from _rows(found["W"])
    if payload["expansion"] is not None:
        for name, power in (("first", "1/N"), ("second", "1/N^2")):
            yield f"W*/2 - Lambda^-1, coefficient of {power} (certified)"
            yield from _rows(payload["expansion"][name])
    rate = payload["rate"]
    if rate is not None:
        yield f"Hessian at W*, eigenvalues from {_short(rate['least'])} to {_short(rate['largest'])} (certified)"
        yield f"  condition number {_short(rate['condition'])}, best step size {_short(rate['best_eta'])}"
        factors = f"{_short(rate['factor'])} at W*, {_short(rate['on_ball'])} within {rate['radius']} of it"
        yield f"  step size {rate['eta']}: the distance to W* shrinks by {factors}"
    wrong = payload["inference"]
    if wrong is not None:
        kind = "" if wrong["exact"] else "at most "
        yield "inference at test length M, leading terms (certified)"
        yield f"  E (sigma - sigma*)^2  {_short(wrong['squared_test'])}/M + {_short(wrong['squared_train'])}/N^2"
        yield f"  E |sigma - sigma*|  {kind}{_short(wrong['absolute_test'])}/sqrt(M) at N = inf"
        yield f"  E |sigma - sigma*|  {kind}{_short(wrong['absolute_train'])}/N at M = inf"
        yield f"  E |sigma - sigma*| <= {_short(wrong['bound'])}/sqrt(M) at N = inf, for every M"


def _rows(matrix: list[list[dict[str, str | None]]]) -> Iterator[str]:
    for row in matrix:
        yield "  " + "  ".join(number_text(entry) for entry in row)


def _short(ball: dict[str, str | None]) -> str:
    """Six digits of a printed ball, for a reader; the JSON has the ball."""
    return f"{float(ball['mid'] or 'nan'):.6g}"
