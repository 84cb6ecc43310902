"""The population loss of a query is half of E[a' G a], for any task.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the loss as a quadratic form in the attention
Assumes  any second moments M, any features, i.i.d. tokens, the query masked out; any K, N, p
Tight    an identity
"""

from symicl import claim, equal

from .notation import FREQUENCIES, PROMPTS, aGa, every, k, p
from .systems import correlated


def population(setting):
    """The sum over the queries of p_k L_k."""
    of_k = setting.mean(aGa(setting)) / 2
    return every(lambda q: p[q] * of_k.xreplace({k: q}))


finite = claim(equal(correlated(), correlated().loss, population(PROMPTS)))
infinite = claim(equal(correlated(N="inf"), correlated(N="inf").loss, population(FREQUENCIES)))
