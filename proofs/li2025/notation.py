"""The notation of the paper: attention, the error's matrix G, means over prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from symicl import Expectation, SumOver, TokenCounts
from symicl.systems.structured_features import COUNTS, GRAM, MOMENTS, PROBABILITIES, QUERY, SCORES, TOKEN

from .systems import K, N

k, n = QUERY, TOKEN
S, p, M, Gamma = SCORES, PROBABILITIES, MOMENTS, GRAM


@dataclass(frozen=True)
class Setting:
    """Where attention weights come from: counts of tokens in a prompt, or their frequencies at infinite length."""

    weights: sp.IndexedBase
    prompts: TokenCounts | None

    def mean(self, expression: sp.Expr) -> sp.Expr:
        """The mean over prompts."""
        return expression if self.prompts is None else Expectation(expression, self.prompts)


PROMPTS = Setting(COUNTS, TokenCounts(COUNTS, N, PROBABILITIES, K))
FREQUENCIES = Setting(PROBABILITIES, None)


def every(term: Callable[[sp.Symbol], sp.Expr], *excluded: sp.Symbol) -> sp.Expr:
    """The sum of a term over all features but those excluded."""
    m = sp.Dummy("m", integer=True, positive=True)
    return SumOver(term(m), m, K, excluded)


def attention(setting: Setting, m: sp.Symbol, query: sp.Symbol = k) -> sp.Expr:
    """The total attention on tokens equal to v_m: a softmax over the prompt."""
    weight = setting.weights
    return weight[m] * sp.exp(S[m, query]) / every(lambda j: weight[j] * sp.exp(S[j, query]))


def G(m: sp.Symbol, j: sp.Symbol) -> sp.Expr:
    """``G^(k)_mj = E (f(v_m) - f(v_k)) (f(v_j) - f(v_k))``, the second moments of what a token is off by."""
    return M[m, j] - M[m, k] - M[j, k] + M[k, k]


def Ga(setting: Setting, m: sp.Symbol) -> sp.Expr:
    """The entry m of G times the attention."""
    return every(lambda j: G(m, j) * attention(setting, j))


def aGa(setting: Setting) -> sp.Expr:
    """``a' G a``, twice the loss of one prompt."""
    return every(lambda m: attention(setting, m) * Ga(setting, m))
