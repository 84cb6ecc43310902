"""Numbers of a Gaussian mixture: a ball by rigorous quadrature, inside the interval claimed, outside it, or neither."""

from __future__ import annotations

from typing import Any

from flint import arb

from symicl.arithmetic import ARITHMETICS, Guarantee
from symicl.claims.base import Evidence, Outcome, Verdict
from symicl.claims.statements import Enclosed
from symicl.contraction import contraction
from symicl.errors import InputError
from symicl.mixture.expansion import expand
from symicl.mixture.inference import inference
from symicl.mixture.minimiser import minimiser
from symicl.systems.gaussian_mixture import MixtureData

DIGITS = 30
METHOD = "rigorous quadrature"
MATRICES = ("minimiser", "first", "second")
CONSTANTS = ("squared_test", "squared_train", "absolute_test", "absolute_train", "bound")


def decide_enclosed(statement: Enclosed) -> Outcome:
    """Certified where the ball lies in the interval, refuted where it lies outside; supported for float64 numbers."""
    value, guarantee = _value(statement)
    ball = ARITHMETICS["ball"]
    with ball.working(DIGITS + 10):
        low, high = ball.number(statement.low), ball.number(statement.high)
        inside, outside = low <= value and value <= high, value < low or value > high
    text = value.str(DIGITS) if isinstance(value, arb) else repr(value)
    details = (("value", text), ("interval", f"[{statement.low}, {statement.high}]"))
    if guarantee is not Guarantee.CERTIFIED:
        verdict = Verdict.SUPPORTED if inside else Verdict.UNDECIDED
        return Outcome(verdict, Evidence("float64 quadrature", "no error is bounded", details))
    if inside:
        return Outcome(Verdict.CERTIFIED, Evidence(METHOD, "the number lies in the interval", details))
    if outside:
        return Outcome(Verdict.REFUTED, Evidence(METHOD, "the number lies outside the interval", details))
    return Outcome(Verdict.UNDECIDED, Evidence(METHOD, "an end of the interval lies in the ball", details))


def _value(statement: Enclosed) -> tuple[Any, Guarantee]:
    data, name = statement.system.data, statement.quantity
    if not isinstance(data, MixtureData):
        raise InputError(
            f"{statement.system.id} is no mixture with data", where=name, remedy="give its parameters values"
        )
    if name in MATRICES:
        if len(statement.place) != 2 or not all(1 <= i <= data.dimension for i in statement.place):
            raise InputError(
                f"there is no place {statement.place}", where=name, remedy="give place=(row, column), from 1"
            )
        row, column = statement.place
        if name == "minimiser":
            found = minimiser(data, DIGITS)
            return found.weights[row - 1][column - 1], found.guarantee
        return getattr(expand(data, DIGITS), name)[row - 1][column - 1], Guarantee.CERTIFIED
    if name in CONSTANTS:
        constants = inference(data, DIGITS)
        if name.startswith("absolute") and not constants.exact:
            raise InputError(
                f"{name} is only bounded in {data.dimension} dimensions", where=name, remedy="take one dimension"
            )
        return getattr(constants, name), Guarantee.CERTIFIED
    if name == "contraction":
        return contraction(data).on_ball, Guarantee.CERTIFIED
    known = ", ".join((*MATRICES, *CONSTANTS, "contraction"))
    raise InputError(f"there is no quantity {name!r}", where="statement", remedy=f"use {known}")


__all__ = ["decide_enclosed"]
