"""The systems of "A softmax layer is one step of normalised gradient descent", arXiv 2605.06609.

``normalized`` and ``plain`` are gradient descent on log R and on R at any number of points and coordinates;
``separable``, ``separable_plain`` and ``opposite`` are small exact data sets to trace; ``training`` trains the
coefficients of one layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.systems.base import Parameter, System, SystemFamily
from symicl.systems.normalized_descent import ClassificationData, classification, on_data
from symicl.systems.trained_layer import trained_layer

N = Parameter(sp.Symbol("n", integer=True, positive=True), "number of points", minimum=1)
D = Parameter(sp.Symbol("d", integer=True, positive=True), "number of coordinates", minimum=1)
TAU = Parameter(sp.Symbol("tau", positive=True), "step size of the teacher", above=sp.Integer(0))
SPREAD = Parameter(sp.Symbol("s", positive=True), "variance of the random start, by coordinate", above=sp.Integer(0))
SQUARED_MEAN = Parameter(sp.Symbol("m2", positive=True), "squared length of the class mean", above=sp.Integer(0))


def exact(rows: str) -> tuple[tuple[sp.Rational, ...], ...]:
    """Rows of numbers from text: ``"1 2; 3 1/2"``."""
    return tuple(tuple(sp.Rational(entry) for entry in row.split()) for row in rows.split(";"))


POINTS = exact("1 2; 2 1/2; -1 -3; 1 -1/3")
LABELS = exact("1 1 -1 1")[0]
OPPOSITE = exact("1 2; -1 -2; 2 1")
ORIGIN = (sp.S.Zero, sp.S.Zero)


def _named(name: str, data: ClassificationData, title: str) -> SystemFamily:
    identifier = f"zhang2026.{name}"
    return SystemFamily(identifier, title, (), lambda _: on_data(data, id=identifier, title=title))


def _normalized(v: Mapping[str, sp.Expr]) -> System:
    return classification(v["n"], v["d"], id="zhang2026.normalized", title=normalized.title)


def _plain(v: Mapping[str, sp.Expr]) -> System:
    return classification(v["n"], v["d"], id="zhang2026.plain", title=plain.title, objective="plain")


def _training(v: Mapping[str, sp.Expr]) -> System:
    start = (sp.Rational(1, 2), sp.Rational(1, 2))
    return trained_layer(v, id="zhang2026.training", title=training.title, start=start)


normalized = SystemFamily(
    "zhang2026.normalized", "normalised gradient descent on the exponential loss", (N, D), _normalized
)
plain = SystemFamily("zhang2026.plain", "gradient descent on the exponential loss", (N, D), _plain)
separable = _named(
    "separable", ClassificationData(POINTS, LABELS, ORIGIN), "normalised descent on four separable points"
)
separable_plain = _named(
    "separable_plain", ClassificationData(POINTS, LABELS, ORIGIN, "plain"), "plain descent on four separable points"
)
opposite = _named(
    "opposite",
    ClassificationData(OPPOSITE, (sp.S.One,) * 3, ORIGIN),
    "normalised descent on points that no direction separates",
)
training = SystemFamily(
    "zhang2026.training",
    "the two coefficients of a layer that is taught one step",
    (D, SPREAD, TAU, SQUARED_MEAN),
    _training,
)

SYSTEMS = (normalized, plain, separable, separable_plain, opposite, training)

__all__ = ["SYSTEMS", "normalized", "opposite", "plain", "separable", "separable_plain", "training"]
