"""Gradient descent moves W by the mean of the missed probability times p q' / 2, for any law of the means.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   reconstructed: linear attention, logistic loss of sigma(p'Wq/2), p = (2/N) sum y_i x_i
Assumes  any d and N; one covariance Lambda, means of equal norm r in Lambda^-1, labels equally likely; the query is
         written under N(0, Lambda), its two densities being exp(mu' Lambda^-1 q - r/2) times that
Tight    an identity
"""

import sympy as sp

from symicl import claim, equal, load_system, update
from symicl.gaussian import Expectation

from .notation import W, delta, form, j, k, likelihoods, p, q

finite, infinite = (load_system("shen2025.mixture")(**values) for values in ({}, {"N": "inf"}))
plus, minus = likelihoods()


def gradient(system, statistic):
    """``E[(t_- sigma(s) - t_+ (1 - sigma(s))) p_j q_k] / 4``, s = p'Wq/2."""
    (node,) = (node for node in update(system, W[j, k]).atoms(Expectation))
    s = form(statistic, lambda a, b: W[a, b], lambda i: q[i]) / 2
    missed = minus / (1 + sp.exp(-s)) - plus / (1 + sp.exp(s))
    return Expectation(missed * statistic(j) * q[k] / 4, node.law)


at_finite_length = claim(equal(finite, update(finite, W[j, k]), -finite.step_size * gradient(finite, lambda i: p[i])))
at_infinite_length = claim(equal(infinite, update(infinite, W[j, k]), -infinite.step_size * gradient(infinite, delta)))
