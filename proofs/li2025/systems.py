"""The systems of "nonlinear tasks on structured features", arXiv 2507.20443.

One softmax attention layer, any task with second moments ``M_mn = E f(v_m) f(v_n)``, any features with inner products
``Gamma_mn``; all queries train. The system of linear tasks on orthonormal features is M = I, Gamma = I.

exchangeable  ``M = L^2 ((1-rho) I + rho 11')``, ``Gamma = (1-gamma) I + gamma 11'``, p = 1/K
block         two classes: M is L^2 on the diagonal, L^2 rho1 and L^2 rho2 within, L^2 rho12 between; Gamma = I
two_valued    f = +L on one class and -L on the other, or the reverse: ``M = L^2 ss'``; Gamma = I
generic       any M, Gamma = I
correlated    any M, any Gamma
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.pairs import PairValues
from symicl.systems.base import FeatureSet, Parameter, StateNames, System, SystemFamily
from symicl.systems.structured_features import (
    MOMENTS,
    feature_class,
    general_gram,
    general_kernel,
    structured_features,
)

K = sp.Symbol("K", integer=True, positive=True)
N = sp.Symbol("N", integer=True, positive=True)
HEIGHT = sp.Symbol("L", positive=True)
RHO = sp.Symbol("rho", nonnegative=True)
GAMMA = sp.Symbol("gamma", nonnegative=True)
SIZE1, SIZE2 = sp.symbols("K1 K2", integer=True, positive=True)
SHARE1 = sp.Symbol("p1", positive=True)
RHO1, RHO2, RHO12 = sp.symbols("rho1 rho2 rho12", real=True)

ZERO, ONE = sp.Integer(0), sp.Integer(1)
FEATURES = Parameter(K, "number of features", minimum=2)
LENGTH = Parameter(N, "prompt length, tokens", minimum=1, infinite=True)
SCALE = Parameter(HEIGHT, "scale of the tasks", above=ZERO)
CORRELATION = Parameter(RHO, "correlation of the task's values on two features", minimum=0, below=ONE)
ANGLE = Parameter(GAMMA, "inner product of two features of length 1", minimum=0, below=ONE)
FIRST = Parameter(SIZE1, "number of features of the first class", minimum=2)
SECOND = Parameter(SIZE2, "number of features of the second class", minimum=2)
SHARE = Parameter(SHARE1, "probability of the first class", above=ZERO, below=ONE)


def _delta(m: sp.Symbol, n: sp.Symbol) -> sp.Expr:
    return sp.KroneckerDelta(m, n)


def _exchangeable(v: Mapping[str, sp.Expr]) -> System:
    return structured_features(
        FeatureSet(v["K"], (feature_class("other", v["K"], 1 / v["K"]),)),
        v["N"],
        id="li2025.exchangeable",
        title=exchangeable.title,
        kernel=lambda m, n: v["L"] ** 2 * ((1 - v["rho"]) * _delta(m, n) + v["rho"]),
        gram=lambda m, n: (1 - v["gamma"]) * _delta(m, n) + v["gamma"],
        name=StateNames(((("same", "other"), "A"), (("other", "other"), "B"))),
        symbols=(("n_other", r"n_{\mathrm{rest}}"), ("L", r"\Lambda")),
    )


exchangeable = SystemFamily(
    "li2025.exchangeable",
    "exchangeable tasks on equiangular features, balanced, all queries",
    (FEATURES, LENGTH, SCALE, CORRELATION, ANGLE),
    _exchangeable,
)

NAMES = StateNames(
    (
        (("same", "one"), "A1"),
        (("same", "two"), "A2"),
        (("one", "one"), "B1"),
        (("two", "two"), "B2"),
        (("two", "one"), "C1"),
        (("one", "two"), "C2"),
    )
)


def _two_classes(v: Mapping[str, sp.Expr], name: str, title: str, moments: tuple[sp.Expr, sp.Expr, sp.Expr]) -> System:
    """Two classes of features with value 1 on the diagonal of M and the given moments within and between."""
    classes = (
        feature_class("one", v["K1"], v["p1"] / v["K1"]),
        feature_class("two", v["K2"], (1 - v["p1"]) / v["K2"]),
    )
    scale = v["L"] ** 2
    within1, within2, between = (scale * moment for moment in moments)
    pairs = PairValues(
        MOMENTS,
        (("one", scale), ("two", scale)),
        ((("one", "one"), within1), (("two", "two"), within2), (("one", "two"), between)),
    )
    return structured_features(
        FeatureSet(v["K1"] + v["K2"], classes, (), (pairs,)),
        v["N"],
        id=name,
        title=title,
        kernel=general_kernel,
        name=NAMES,
        symbols=(("n_one", "n_{1}"), ("n_two", "n_{2}"), ("L", r"\Lambda")),
    )


def _block(v: Mapping[str, sp.Expr]) -> System:
    return _two_classes(v, "li2025.block", block.title, (v["rho1"], v["rho2"], v["rho12"]))


block = SystemFamily(
    "li2025.block",
    "two classes of values, correlated within and between them, on orthonormal features",
    (
        FIRST,
        SECOND,
        LENGTH,
        SHARE,
        SCALE,
        Parameter(RHO1, "correlation within the first class"),
        Parameter(RHO2, "correlation within the second class"),
        Parameter(RHO12, "correlation between the classes"),
    ),
    _block,
)


def _two_valued(v: Mapping[str, sp.Expr]) -> System:
    return _two_classes(v, "li2025.two_valued", two_valued.title, (ONE, ONE, -ONE))


two_valued = SystemFamily(
    "li2025.two_valued",
    "tasks of two values, one on each of two classes: M of rank one",
    (FIRST, SECOND, LENGTH, SHARE, SCALE),
    _two_valued,
)


def _generic(v: Mapping[str, sp.Expr]) -> System:
    return structured_features(
        FeatureSet(v["K"]), v["N"], id="li2025.generic", title=generic.title, kernel=general_kernel
    )


generic = SystemFamily(
    "li2025.generic", "any task on orthonormal features, any law, all queries", (FEATURES, LENGTH), _generic
)


def _correlated(v: Mapping[str, sp.Expr]) -> System:
    return structured_features(
        FeatureSet(v["K"]),
        v["N"],
        id="li2025.correlated",
        title=correlated.title,
        kernel=general_kernel,
        gram=general_gram,
        symbols=(("Gamma", r"\Gamma"),),
    )


correlated = SystemFamily(
    "li2025.correlated", "any task on any features, any law, all queries", (FEATURES, LENGTH), _correlated
)

SYSTEMS = (exchangeable, block, two_valued, generic, correlated)

__all__ = ["SYSTEMS", "block", "correlated", "exchangeable", "generic", "two_valued"]
