"""The population loss of a query is half of E[(1 - a_k)^2 + sum over m != k of a_m^2].

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published
Assumes  linear tasks with E ww' = I, orthonormal features, i.i.d. tokens, the query masked out; any K, N, p
Tight    an identity
"""

from symicl import claim, equal

from .notation import EVERY_QUERY, FREQUENCIES, PROMPTS, attention, k, others
from .systems import generic


def loss(setting):
    """L_k in terms of the attentions."""
    a_k = attention(setting, k)
    return ((1 - a_k) ** 2 + others(lambda m: attention(setting, m) ** 2, k)) / 2


finite = claim(equal(generic(), generic().loss, EVERY_QUERY(PROMPTS.mean(loss(PROMPTS)))))
infinite = claim(equal(generic(N="inf"), generic(N="inf").loss, EVERY_QUERY(loss(FREQUENCIES))))
