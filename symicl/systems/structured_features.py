"""One softmax layer on structured features: i.i.d. tokens from K features, a random task, the query masked out.

The setting of "In-Context Convergence of Transformers" (arXiv 2310.05249), at any law of the features, any number of
them and any prompt length. The loss below is the definition of the layer; everything else is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symicl.errors import InputError
from symicl.expectation import Expectation, RandomTask, TokenCounts
from symicl.systems.base import Coordinate, FeatureClass, FeatureSet, Label, System, default_name

SCORES = sp.IndexedBase("S")
COUNTS = sp.IndexedBase(sp.Symbol("N", integer=True, nonnegative=True))
PROBABILITIES = sp.IndexedBase(sp.Symbol("p", positive=True))
TASK = sp.IndexedBase("f")
QUERY = sp.Symbol("k", integer=True, positive=True)
TOKEN = sp.Symbol("n", integer=True, positive=True)


def identity_kernel(m: sp.Symbol, n: sp.Symbol) -> sp.Expr:
    """``E f(v_m) f(v_n)`` of linear tasks ``f(x) = <w, x>`` with ``E ww' = I`` on orthonormal features."""
    return sp.KroneckerDelta(m, n)


@dataclass(frozen=True)
class PromptData:
    """What the simulator draws from: the probability of each feature, the prompt length, the query's position.

    ``probabilities`` are exact, one a feature; ``prompt_length`` is None when infinite; ``query`` is None when the
    query is drawn like the tokens, else the 0-based position of the only query that counts.
    """

    probabilities: tuple[sp.Rational, ...]
    prompt_length: int | None
    query: int | None


def attention(features: FeatureSet, weights: sp.IndexedBase, m: sp.Symbol, query: sp.Symbol) -> sp.Expr:
    """The softmax weight of all tokens equal to v_m: ``w_m e^{S_mk} / sum_j w_j e^{S_jk}``, w counts or frequencies."""
    return weights[m] * sp.exp(SCORES[m, query]) / features.sum(lambda j: weights[j] * sp.exp(SCORES[j, query]))


@lru_cache(maxsize=64)
def query_loss(
    size: sp.Expr,
    prompt_length: sp.Expr,
    query: sp.Symbol,
    kernel: Callable[[sp.Symbol, sp.Symbol], sp.Expr] = identity_kernel,
) -> sp.Expr:
    """``L_k``: half the mean squared error of the layer's prediction for the query ``v_k``, among ``size`` features.

    At infinite prompt length the frequencies of the tokens are their probabilities and no expectation is left.
    """
    features = FeatureSet(size)
    weights = PROBABILITIES if prompt_length is sp.oo else COUNTS
    prediction = features.sum(lambda m: attention(features, weights, m, query) * TASK[m])
    error = (prediction - TASK[query]) ** 2 / 2
    loss = RandomTask(TASK, features.size, kernel).mean(error)
    if prompt_length is sp.oo:
        return loss
    return Expectation(loss, TokenCounts(COUNTS, prompt_length, PROBABILITIES, features.size))


def structured_features(
    features: FeatureSet,
    prompt_length: sp.Expr,
    *,
    id: str,
    title: str,
    kernel: Callable[[sp.Symbol, sp.Symbol], sp.Expr] = identity_kernel,
    name: Callable[[str, Label], str] = default_name,
    data: PromptData | None = None,
    symbols: tuple[tuple[str, str], ...] = (),
) -> System:
    """The system of one softmax layer with trained scores ``S[n, k] = v_n' Q v_k``, zero at the start.

    When the feature set places the query ``k`` in a class, only that query trains and is reported (``L_k``, trained
    with its weight ``p_k``): columns decouple for orthonormal features. Otherwise the whole population loss counts.
    """
    fixed = any(feature == QUERY for feature, _ in features.placed)
    if fixed:
        loss = query_loss(features.size, prompt_length, QUERY, kernel)
        objective = PROBABILITIES[QUERY] * loss
    else:
        of_k = query_loss(features.size, prompt_length, QUERY, kernel)
        loss = objective = features.sum(lambda q: PROBABILITIES[q] * of_k.xreplace({QUERY: q}))
    return System(
        id=id,
        title=title,
        loss=loss,
        objective=objective,
        coordinates=(Coordinate(SCORES[TOKEN, QUERY], name),),
        features=features,
        data=data,
        symbols=symbols,
        simplices=(PROBABILITIES,),
    )


def feature_class(name: str, size: sp.Expr, probability: sp.Expr) -> FeatureClass:
    """``size`` exchangeable features, each drawn with the given probability."""
    return FeatureClass(name, sp.sympify(size, strict=True), ((PROBABILITIES, sp.sympify(probability, strict=True)),))


def from_probabilities(
    probabilities: Sequence[sp.Rational], prompt_length: sp.Expr, *, id: str = "custom", title: str = "custom system"
) -> System:
    """The whole population system for a concrete probability vector, equal entries being exchangeable.

    Raises ``InputError`` for fewer than two features, or for probabilities that are not positive with sum 1.
    """
    if len(probabilities) < 2:
        raise InputError("a system needs at least two features", where=f"probabilities of {id}")
    for position, probability in enumerate(probabilities):
        if not (probability.is_Rational and probability > 0):
            raise InputError(f"probability {position + 1} is {probability}", where=id, remedy="give positive numbers")
    if sum(probabilities) != 1:
        raise InputError(f"the probabilities sum to {sum(probabilities)}", where=id, remedy="make them sum to 1")
    groups: dict[sp.Rational, list[int]] = {}
    for position, probability in enumerate(probabilities):
        groups.setdefault(probability, []).append(position)
    classes = tuple(
        feature_class(f"{members[0] + 1}", sp.Integer(len(members)), probability)
        for probability, members in groups.items()
    )
    data = PromptData(tuple(probabilities), None if prompt_length is sp.oo else int(prompt_length), None)
    features = FeatureSet(sp.Integer(len(probabilities)), classes)
    return structured_features(features, prompt_length, id=id, title=title, data=data)
