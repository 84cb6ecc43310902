"""One step adds eta alpha_k to the score of the query's own feature and eta beta_kn to that of feature n.

alpha_k = p_k E[a_k (sum over m != k of a_m^2 + (1 - a_k)^2)],
beta_kn = p_k E[a_n (sum over m != k of a_m^2 - a_n - a_k (1 - a_k))].

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published
Assumes  linear tasks, orthonormal features, i.i.d. tokens; any K, N, p and scores; n differs from k
Tight    an identity
"""

import sympy as sp

from symicl import claim, equal, update

from .notation import FREQUENCIES, PROMPTS, S, Setting, attention, k, n, others, p
from .systems import generic

eta = generic().step_size


def alpha(setting: Setting) -> sp.Expr:
    """The drift of the query's own score."""
    a_k = attention(setting, k)
    return p[k] * setting.mean(a_k * (others(lambda m: attention(setting, m) ** 2, k) + (1 - a_k) ** 2))


def beta(setting: Setting) -> sp.Expr:
    """The drift of the score of another feature n."""
    a_k, a_n = attention(setting, k), attention(setting, n)
    return p[k] * setting.mean(a_n * (others(lambda m: attention(setting, m) ** 2, k) - a_n - a_k * (1 - a_k)))


own = claim(equal(generic(), update(generic(), S[k, k]), eta * alpha(PROMPTS)))
other = claim(equal(generic(), update(generic(), S[n, k]), eta * beta(PROMPTS)))
own_infinite = claim(equal(generic(N="inf"), update(generic(N="inf"), S[k, k]), eta * alpha(FREQUENCIES)))
other_infinite = claim(equal(generic(N="inf"), update(generic(N="inf"), S[n, k]), eta * beta(FREQUENCIES)))
