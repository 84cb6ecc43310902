"""The first step takes every score to p_n p_k times the centred second moment of f(v_n) and f(v_k).

With weights p the mean of f over a prompt is f' = sum of p_m f(v_m), and -D = P E (f - f')(f - f')' P at the start.
So for any features S(1) = eta Gamma P E(f - f')(f - f')' P Gamma is positive semidefinite: every own-feature score
grows first.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: early growth of the own-feature attention, with no condition on the task or on the features
Assumes  N = inf, Q = 0 at the start; any second moments M, K, p; orthonormal features in the claims
Tight    an identity
"""

from symicl import at_start, claim, equal, update

from .notation import M, S, every, k, n, p
from .systems import exchangeable, generic

system = generic(N="inf")


def share(m):
    """The attention on v_m at the start, which is p_m: the sum of p is written out, being 1."""
    return p[m] / every(lambda j: p[j])


def mean(m):
    """``E f(v_m) f'``."""
    return every(lambda j: share(j) * M[m, j])


def centred(m, j):
    """``E (f(v_m) - f') (f(v_j) - f')``."""
    return M[m, j] - mean(m) - mean(j) + every(lambda i: share(i) * mean(i))


def first(m):
    """What the first step gives to S[m, k]."""
    return at_start(system, update(system, S[m, k]))


own = claim(equal(system, first(k), system.step_size * p[k] * share(k) * centred(k, k)))
other = claim(equal(system, first(n), system.step_size * p[k] * share(n) * centred(n, k)))

balanced = exchangeable(N="inf")
exchangeable_tasks = claim(
    equal(balanced, at_start(balanced, update(balanced, "A")), "eta*L**2*(1-rho)*(1-gamma)**2*(K-1)/K**3")
)
