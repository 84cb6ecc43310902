"""The notation of the paper: attention on a feature, at finite and infinite prompt length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from symicl import Expectation, SumOver, TokenCounts
from symicl.systems.structured_features import COUNTS, PROBABILITIES, QUERY, SCORES, TOKEN

from .systems import K, N

k, n = QUERY, TOKEN
S, p = SCORES, PROBABILITIES


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


def others(term: Callable[[sp.Symbol], sp.Expr], *excluded: sp.Symbol) -> sp.Expr:
    """The sum of a term over all features but those excluded."""
    m = sp.Dummy("m", integer=True, positive=True)
    return SumOver(term(m), m, K, excluded)


def attention(setting: Setting, m: sp.Symbol, query: sp.Symbol = k) -> sp.Expr:
    """The total attention on tokens equal to v_m: a softmax over the prompt."""
    weight = setting.weights
    return weight[m] * sp.exp(S[m, query]) / others(lambda j: weight[j] * sp.exp(S[j, query]))


def EVERY_QUERY(loss_of_k: sp.Expr) -> sp.Expr:
    """The population loss: the query is v_k with probability p_k."""
    return others(lambda q: p[q] * loss_of_k.xreplace({k: q}))
