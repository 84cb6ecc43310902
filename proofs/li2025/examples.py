"""Small systems with numbers: witnesses for what the general statements leave open."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from symicl.pairs import PairValues
from symicl.systems.base import FeatureSet, StateNames, System
from symicl.systems.structured_features import (
    MOMENTS,
    QUERY,
    feature_class,
    from_probabilities,
    general_kernel,
    structured_features,
)

LETTERS = "abcd"


def moments(values: Sequence[Sequence[int]]) -> tuple[tuple[sp.Rational, ...], ...]:
    """``M_mn = sum over i of values[m][i] values[n][i]``: tasks that are random combinations of a few functions."""
    return tuple(tuple(sp.Rational(sum(x * y for x, y in zip(a, b, strict=True))) for b in values) for a in values)


def one_query(weights: Sequence[int], values: Sequence[Sequence[int]]) -> System:
    """Orthonormal features, N = inf; the query is the first feature and has the states S_a (own), S_b, S_c, S_d."""
    kernel, size = moments(values), range(len(weights))
    classes = tuple(feature_class(LETTERS[m], sp.S.One, sp.Rational(weights[m], sum(weights))) for m in size)
    own = tuple((LETTERS[m], kernel[m][m]) for m in size)
    between = tuple(((LETTERS[m], LETTERS[n]), kernel[m][n]) for m in size for n in range(m))
    names = (((str(QUERY),), "S_a"), *(((letter,), f"S_{letter}") for letter in LETTERS))
    return structured_features(
        FeatureSet(sp.Integer(len(weights)), classes, ((QUERY, "a"),), (PairValues(MOMENTS, own, between),)),
        sp.oo,
        id="li2025.generic",
        title=f"one query, tasks with values {values}",
        kernel=general_kernel,
        name=StateNames(names),
    )


def attention_is(relation: str, share: str, letter: str, weights: Sequence[int]) -> str:
    """The condition ``attention on the letter <relation> share`` of a query of :func:`one_query`, multiplied out."""
    terms = [f"{weight}*exp(S_{name})" for name, weight in zip(LETTERS, weights, strict=False)]
    return f"{terms[LETTERS.index(letter)]} {relation} {share}*({' + '.join(terms)})"


def population(
    probabilities: Sequence[str], gram: Sequence[Sequence[object]], kernel: Sequence[Sequence[object]] | None = None
) -> System:
    """All queries, N = inf; linear tasks where no kernel is given."""
    return from_probabilities(
        [sp.Rational(p) for p in probabilities],
        sp.oo,
        gram=_exact(gram),
        kernel=None if kernel is None else _exact(kernel),
        id="li2025.correlated",
    )


def _exact(rows: Sequence[Sequence[object]]) -> list[list[sp.Rational]]:
    return [[sp.Rational(str(entry)) for entry in row] for row in rows]
