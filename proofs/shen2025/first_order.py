"""Finite prompts push W off 2 Lambda^-1: the gradient there is A g / N + O(1/N^2), with A g in closed form.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   abstract: the trained parameters are O(1/N) off; reconstructed: the coefficient, H W1 = -A g
Assumes  any d and law of the means; C = (u + v)(u + v)' + 4 Lambda is N times the covariance of p given the means, and
         A = (1/2) sum C_ab d^2/dp_a dp_b, applied at p = delta; A_g = E[sigma''(s) (q'P C P q) delta q' / 2 + sigma'(s)
         C P q q'] / 2, s = delta'Pq, P = Lambda^-1
Tight    an identity; the remainder is O(1/N^2) for binomial label counts and for a Gaussian p alike, whose moments
         differ from order N^-3 on
"""

import sympy as sp

from symicl import claim, equal, load_system, partial
from symicl.expectation import Expectation
from symicl.systems.gaussian_mixture import likelihood, logit, minus, plus

from .notation import OVER, P, W, at, delta, form, j, k, likelihoods, p, q, twice_precision, u, v
from .notation import Lambda as cov

infinite = load_system("shen2025.mixture")(N="inf")
t_plus, t_minus = likelihoods()
score = logit(lambda i: p[i], OVER) / 2
given = sum(likelihood(mean, sp.log(1 + sp.exp(-sign * score)), OVER) / 2 for mean, sign in ((plus, 1), (minus, -1)))


def noise(a, b):
    """``N Cov(p)``, symmetric as it is used."""
    return (u[a] + v[a]) * (u[b] + v[b]) + 2 * (cov[a, b] + cov[b, a])


def diffused(expression):
    """``A`` applied to an expression in p, at p = delta and W = 2 Lambda^-1."""
    twice = OVER.sum(lambda a: OVER.sum(lambda b: noise(a, b) * partial(partial(expression, p[a]), p[b]) / 2))
    at_p = twice.xreplace({entry: delta(*entry.indices) for entry in twice.atoms(sp.Indexed) if entry.base == p})
    return at(at_p, twice_precision)


def image(a):
    """``(P q)_a``."""
    return OVER.sum(lambda b: P[a, b] * q[b])


s = form(delta, lambda a, b: P[a, b], lambda i: q[i])
sigma = 1 / (1 + sp.exp(-s))
first, second = sigma * (1 - sigma), sigma * (1 - sigma) * (1 - 2 * sigma)
(law,) = {node.law for node in given.atoms(Expectation)}
closed_form = Expectation(
    (t_plus + t_minus)
    / 2
    * (
        second * form(image, noise, image) * delta(j) * q[k] / 2
        + first * OVER.sum(lambda a: noise(j, a) * image(a)) * q[k]
    )
    / 2,
    law,
)

coefficient = claim(equal(infinite, diffused(partial(given, W[j, k])), closed_form))
