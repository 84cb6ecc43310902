"""The systems of "The Closeness of In-Context Learning and Weight Shifting for Softmax Regression", arXiv 2304.13276.

A vector b is fitted by the softmax of A x, with x trained, or A; ``logits`` is the case A = 1, in which the softmax
itself is studied; ``regularized`` adds the term of arXiv 2304.10411 that makes Newton's method sound.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.systems.base import Parameter, System, SystemFamily
from symicl.systems.softmax_regression import logit_regression, softmax_regression

ROWS = Parameter(sp.Symbol("n", integer=True, positive=True), "rows of A", minimum=1)
COLUMNS = Parameter(sp.Symbol("d", integer=True, positive=True), "columns of A", minimum=1)


def _regression(v: Mapping[str, sp.Expr]) -> System:
    return softmax_regression(v["n"], v["d"], id="li2023.regression", title=regression.title)


def _weights(v: Mapping[str, sp.Expr]) -> System:
    return softmax_regression(v["n"], v["d"], id="li2023.weights", title=weights.title, train="A")


def _regularized(v: Mapping[str, sp.Expr]) -> System:
    return softmax_regression(v["n"], v["d"], id="li2023.regularized", title=regularized.title, regularized=True)


def _logits(v: Mapping[str, sp.Expr]) -> System:
    return logit_regression(v["n"], id="li2023.logits", title=logits.title)


regression = SystemFamily("li2023.regression", "softmax regression, trained in x", (ROWS, COLUMNS), _regression)
weights = SystemFamily("li2023.weights", "softmax regression, trained in A", (ROWS, COLUMNS), _weights)
regularized = SystemFamily(
    "li2023.regularized", "regularised softmax regression, trained in x", (ROWS, COLUMNS), _regularized
)
logits = SystemFamily("li2023.logits", "softmax regression, trained in the logits", (ROWS,), _logits)

SYSTEMS = (regression, weights, regularized, logits)

__all__ = ["SYSTEMS", "logits", "regression", "regularized", "weights"]
