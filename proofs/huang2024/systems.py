"""The systems of "In-Context Convergence of Transformers", arXiv 2310.05249.

One softmax attention layer, linear tasks on orthonormal features, prompts of N tokens. Balanced features have
probability 1/K each; in the imbalanced case feature 1 has a fixed probability p1 and the other K-1 share the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.systems.base import FeatureClass, FeatureSet, Label, Parameter, StateNames, System, SystemFamily
from symicl.systems.structured_features import QUERY, PromptData, feature_class, structured_features

K = sp.Symbol("K", integer=True, positive=True)
N = sp.Symbol("N", integer=True, positive=True)
P1 = sp.Symbol("p1", positive=True)

LENGTH = Parameter(N, "prompt length, tokens", minimum=1, infinite=True)
DOMINANT = Parameter(P1, "probability of the dominant feature", above=sp.Integer(0), below=sp.Integer(1))


def _features(count: int) -> Parameter:
    return Parameter(K, "number of features", minimum=count)


def _data(classes: tuple[FeatureClass, ...], length: sp.Expr, query: int) -> PromptData | None:
    """What the simulator needs, when every parameter is a number."""
    numbers = [group.size for group in classes] + [value for group in classes for _, value in group.values]
    if not all(number.is_Rational for number in numbers) or not (length is sp.oo or length.is_Integer):
        return None
    if sum(group.size for group in classes) > 10_000:
        return None
    probabilities = tuple(group.values[0][1] for group in classes for _ in range(int(group.size)))
    return PromptData(probabilities, None if length is sp.oo else int(length), query)


def _query_system(
    identifier: str, title: str, classes: tuple[FeatureClass, ...], query: str, names: Mapping[Label, str], v: Mapping
) -> System:
    classes = tuple(group for group in classes if group.size != 0)
    first = [group.name for group in classes].index(query)
    data = _data(classes, v["N"], int(first))
    features = FeatureSet(v["K"], classes, ((QUERY, query),))
    return structured_features(
        features,
        v["N"],
        id=identifier,
        title=title,
        name=StateNames(tuple(names.items())),
        data=data,
        symbols=(("n_dominant", "n_{1}"), ("n_rare", r"n_{\mathrm{rest}}"), ("n_other", r"n_{\mathrm{rest}}")),
    )


def _balanced(v: Mapping[str, sp.Expr]) -> System:
    classes = (feature_class("other", v["K"], 1 / v["K"]),)
    names = {("k",): "A", ("other",): "B"}
    return _query_system("huang2024.balanced", balanced.title, classes, "other", names, v)


def _imbalanced(v: Mapping[str, sp.Expr]) -> tuple[FeatureClass, ...]:
    return (
        feature_class("dominant", sp.Integer(1), v["p1"]),
        feature_class("rare", v["K"] - 1, (1 - v["p1"]) / (v["K"] - 1)),
    )


def _dominant(v: Mapping[str, sp.Expr]) -> System:
    names = {("k",): "A", ("rare",): "B"}
    return _query_system("huang2024.dominant", dominant.title, _imbalanced(v), "dominant", names, v)


def _underrepresented(v: Mapping[str, sp.Expr]) -> System:
    names = {("k",): "A", ("dominant",): "B1", ("rare",): "B"}
    return _query_system("huang2024.underrepresented", underrepresented.title, _imbalanced(v), "rare", names, v)


balanced = SystemFamily("huang2024.balanced", "balanced features, any query", (_features(2), LENGTH), _balanced)
dominant = SystemFamily(
    "huang2024.dominant", "imbalanced features, dominant query v_1", (_features(2), LENGTH, DOMINANT), _dominant
)
underrepresented = SystemFamily(
    "huang2024.underrepresented",
    "imbalanced features, under-represented query v_k, k >= 2",
    (_features(3), LENGTH, DOMINANT),
    _underrepresented,
)


def _generic(v: Mapping[str, sp.Expr]) -> System:
    return structured_features(FeatureSet(v["K"]), v["N"], id="huang2024.generic", title=generic.title)


generic = SystemFamily("huang2024.generic", "any law of the features, all queries", (_features(2), LENGTH), _generic)

SYSTEMS = (balanced, dominant, underrepresented, generic)

__all__ = ["SYSTEMS", "balanced", "dominant", "generic", "underrepresented"]
