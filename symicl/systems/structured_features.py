"""One softmax layer on structured features: i.i.d. tokens from K features, a random task, the query masked out.

The setting of "In-Context Convergence of Transformers" (arXiv 2310.05249), at any law of the features, any number of
them and any prompt length; with any second moments of the task and any inner products of the features, that of
"nonlinear tasks" (arXiv 2507.20443). The loss below is the definition of the layer; everything else is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symicl.errors import InputError
from symicl.expectation import Expectation, RandomTask, TokenCounts
from symicl.pairs import OfPair, SymmetricBase
from symicl.systems.base import Coordinate, FeatureClass, FeatureSet, Label, System, default_name
from symicl.systems.matrices import Rows, checked, gap, interchangeable, is_identity, not_told_apart, pair_values

SCORES = sp.IndexedBase("S")
COUNTS = sp.IndexedBase(sp.Symbol("N", integer=True, nonnegative=True))
PROBABILITIES = sp.IndexedBase(sp.Symbol("p", positive=True))
TASK = sp.IndexedBase("f")
QUERY = sp.Symbol("k", integer=True, positive=True)
TOKEN = sp.Symbol("n", integer=True, positive=True)


MOMENTS = SymmetricBase("M")
GRAM = SymmetricBase("Gamma")


def general_kernel(m: sp.Symbol, n: sp.Symbol) -> sp.Expr:
    """``E f(v_m) f(v_n)`` of any random task: an entry of the matrix M."""
    return MOMENTS[m, n]


def general_gram(m: sp.Symbol, n: sp.Symbol) -> sp.Expr:
    """``<v_m, v_n>`` of any features: an entry of the matrix Gamma."""
    return GRAM[m, n]


def identity_kernel(m: sp.Symbol, n: sp.Symbol) -> sp.Expr:
    """``E f(v_m) f(v_n)`` of linear tasks ``f(x) = <w, x>`` with ``E ww' = I`` on orthonormal features."""
    return sp.KroneckerDelta(m, n)


@dataclass(frozen=True)
class PromptData:
    """What the simulator draws from: the probability of each feature, the prompt length, the query's position.

    ``probabilities`` are exact, one a feature; ``prompt_length`` is None when infinite; ``query`` is None when the
    query is drawn like the tokens, else the 0-based position of the only query that counts. ``gram`` and ``kernel`` are
    exact matrices, rows of one entry a feature, None for the identity; ``classes`` names the class of each feature, and
    is empty where the probability alone tells.
    """

    probabilities: tuple[sp.Rational, ...]
    prompt_length: int | None
    query: int | None
    gram: Rows | None = None
    kernel: Rows | None = None
    classes: tuple[str, ...] = ()


def attention(features: FeatureSet, weights: sp.IndexedBase, m: sp.Symbol, query: sp.Symbol) -> sp.Expr:
    """The softmax weight of all tokens equal to v_m: ``w_m e^{S_mk} / sum_j w_j e^{S_jk}``, w counts or frequencies."""
    return weights[m] * sp.exp(SCORES[m, query]) / features.sum(lambda j: weights[j] * sp.exp(SCORES[j, query]))


@lru_cache(maxsize=64)
def query_loss(
    size: sp.Expr,
    prompt_length: sp.Expr,
    query: sp.Symbol,
    kernel: OfPair = identity_kernel,
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
    kernel: OfPair = identity_kernel,
    gram: OfPair | None = None,
    name: Callable[[str, Label], str] = default_name,
    data: PromptData | None = None,
    symbols: tuple[tuple[str, str], ...] = (),
    warnings: tuple[str, ...] = (),
) -> System:
    """The system of one softmax layer with trained scores ``S[n, k] = v_n' Q v_k``, zero at the start.

    ``kernel(m, n)`` is ``E f(v_m) f(v_n)``, ``gram(m, n)`` is ``<v_m, v_n>`` (None: orthonormal features); what trains
    is Q, so that ``S <- S - eta Gamma D Gamma`` with D the derivative of the objective in S (arXiv 2507.20443).

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
        gram=gram,
        warnings=warnings,
    )


def feature_class(name: str, size: sp.Expr, probability: sp.Expr) -> FeatureClass:
    """``size`` exchangeable features, each drawn with the given probability."""
    return FeatureClass(name, sp.sympify(size, strict=True), ((PROBABILITIES, sp.sympify(probability, strict=True)),))


def from_probabilities(
    probabilities: Sequence[sp.Rational],
    prompt_length: sp.Expr,
    *,
    gram: Sequence[Sequence[sp.Expr]] | None = None,
    kernel: Sequence[Sequence[sp.Expr]] | None = None,
    id: str = "custom",
    title: str = "custom system",
) -> System:
    """The whole population system for a concrete law, interchangeable features being found.

    ``gram`` holds the inner products of the features (None: orthonormal), ``kernel`` the second moments of the task
    (None: those of linear tasks, which are the inner products). Raises ``InputError`` for fewer than two features,
    probabilities that are not positive with sum 1, or matrices that are not symmetric positive semidefinite.
    """
    _check_law(probabilities, id)
    size = len(probabilities)
    inner = None if gram is None else checked(gram, size, f"gram of {id}")
    moments = inner if kernel is None else checked(kernel, size, f"kernel of {id}")
    inner, moments = (None if rows is None or is_identity(rows) else rows for rows in (inner, moments))
    groups = interchangeable(probabilities, *(rows for rows in (inner, moments) if rows is not None))
    classes = tuple(
        feature_class(f"{members[0] + 1}", sp.Integer(len(members)), probabilities[members[0]]) for members in groups
    )
    pairs = tuple(
        pair_values(base, rows, classes, groups)
        for base, rows in ((MOMENTS, moments), (GRAM, inner))
        if rows is not None
    )
    own = {feature: each.name for each, members in zip(classes, groups, strict=True) for feature in members}
    data = PromptData(
        tuple(probabilities),
        None if prompt_length is sp.oo else int(prompt_length),
        None,
        inner,
        moments,
        tuple(own[feature] for feature in range(size)),
    )
    return structured_features(
        FeatureSet(sp.Integer(size), classes, (), pairs),
        prompt_length,
        id=id,
        title=title,
        kernel=identity_kernel if moments is None else general_kernel,
        gram=None if inner is None else general_gram,
        data=data,
        warnings=tuple(_warnings(inner, moments)),
    )


def _check_law(probabilities: Sequence[sp.Rational], id: str) -> None:
    if len(probabilities) < 2:
        raise InputError("a system needs at least two features", where=f"probabilities of {id}")
    for position, probability in enumerate(probabilities):
        if not (probability.is_Rational and probability > 0):
            raise InputError(f"probability {position + 1} is {probability}", where=id, remedy="give positive numbers")
    if sum(probabilities) != 1:
        raise InputError(f"the probabilities sum to {sum(probabilities)}", where=id, remedy="make them sum to 1")


def _warnings(gram: Rows | None, kernel: Rows | None) -> Iterator[str]:
    """What a task cannot tell apart, and values that differ on features that do not."""
    if kernel is not None:
        for group in not_told_apart(kernel):
            shown = ", ".join(str(feature) for feature in group)
            yield (
                f"features {shown} (from 0) cannot be told apart: the kernel has no gap between them, so every task "
                "has one value on them and a query gains nothing by attending to its own"
            )
    if gram is not None:
        moments = kernel if kernel is not None else tuple(tuple(map(sp.Integer, row)) for row in _identity(len(gram)))
        for group in not_told_apart(gram):
            if any(gap(moments, group[0], feature) != 0 for feature in group):
                shown = ", ".join(str(feature) for feature in group)
                yield f"features {shown} (from 0) are one vector, but the kernel gives them different values"


def _identity(size: int) -> list[list[int]]:
    return [[int(m == n) for n in range(size)] for m in range(size)]
