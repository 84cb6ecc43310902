"""The gradient in the scores: D_nk = p_k E[a_n ((G a)_n - a' G a)], for any task.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the closed form behind the paper's analysis, for any kernel M
Assumes  any second moments M, orthonormal features, i.i.d. tokens, the query masked out; any K, N, p
Tight    an identity
"""

from symicl import claim, equal, update

from .notation import FREQUENCIES, PROMPTS, Ga, S, aGa, attention, k, n, p
from .systems import generic

eta = generic().step_size


def descent(setting, m):
    """``-eta D_mk``."""
    return -eta * p[k] * setting.mean(attention(setting, m) * (Ga(setting, m) - aGa(setting)))


def own(setting):
    """``-eta D_kk``: the row k of G is zero, so that only the loss is left."""
    return eta * p[k] * setting.mean(attention(setting, k) * aGa(setting))


own_feature = claim(equal(generic(), update(generic(), S[k, k]), own(PROMPTS)))
own_feature_infinite = claim(equal(generic(N="inf"), update(generic(N="inf"), S[k, k]), own(FREQUENCIES)))
other_feature = claim(equal(generic(), update(generic(), S[n, k]), descent(PROMPTS, n)))
other_feature_infinite = claim(equal(generic(N="inf"), update(generic(N="inf"), S[n, k]), descent(FREQUENCIES, n)))
