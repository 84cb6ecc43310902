"""The score of a query's own feature never decreases, for any task at all; with correlated features it may.

Orthonormal features: the update is linear in M, and M is a sum of rank-one kernels, one for each function; for one
function f it is eta p_k E[a_k (prediction - f(v_k))^2]. So the sign needs no assumption on the task.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: early growth of the own-feature attention, without its conditions on the task
Assumes  i.i.d. tokens; orthonormal features, any M, K, N, p and scores; the counterexample has K = 2, N = inf, eta = 1
Tight    zero where a prompt is answered exactly; correlated features lose the sign
"""

import sympy as sp

from symicl import always, claim, equal, nonnegative, update
from symicl.systems.base import FeatureSet
from symicl.systems.structured_features import structured_features

from .examples import population
from .notation import FREQUENCIES, PROMPTS, S, attention, every, k, p
from .systems import K, N, generic

f = sp.IndexedBase(sp.Symbol("f", real=True))
g = sp.IndexedBase(sp.Symbol("g", real=True))


def kernel_of(*functions):
    """The system of tasks with ``M_mn`` the sum of ``f(m) f(n)`` over the functions given."""

    def build(length):
        return structured_features(
            FeatureSet(K),
            length,
            id="li2025.generic",
            title="tasks made of a few functions",
            kernel=lambda m, j: sp.Add(*(h[m] * h[j] for h in functions)),
        )

    return build


one_function = kernel_of(f)


def squared(setting):
    """``eta p_k E[a_k (sum of a_m f_m - f_k)^2]``."""
    error = every(lambda m: attention(setting, m) * f[m]) - f[k]
    return generic().step_size * p[k] * setting.mean(attention(setting, k) * error**2)


def of_both(length):
    """The update for two functions is the sum of the updates for each."""
    apart = [update(kernel_of(h)(length), S[k, k]) for h in (f, g)]
    return equal(generic(N=length), update(kernel_of(f, g)(length), S[k, k]), sp.Add(*apart))


one = claim(nonnegative(one_function(N), update(one_function(N), S[k, k]), because=squared(PROMPTS)))
one_infinite = claim(
    nonnegative(one_function(sp.oo), update(one_function(sp.oo), S[k, k]), because=squared(FREQUENCIES))
)
adds_up = claim(of_both(sp.oo))


# Two features at an angle, values uncorrelated: what the rare query learns late takes from the frequent one's score.
angle = population(["1/10", "9/10"], [[1, "9/10"], ["9/10", 1]], [[1, 0], [0, 1]])
correlated_features = claim(always(angle, "S_same_2 >= 0", to=3000), expect="refuted")
rises_at_first = claim(always(angle, "S_same_2 > 0", start=1, to=300), expect="certified")
