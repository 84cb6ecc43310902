"""At infinite prompt length W = 2 Lambda^-1 is stationary: the gradient's integrand vanishes at every query.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   abstract: training converges to a global minimiser; reconstructed: the point, and that its prediction is exact
Assumes  any d, any law of the means of equal norm, labels equally likely, N = inf
Tight    where the differences of the means span R^d it is the only minimiser (see ``convexity``); where they do not, W
         + U is one too for every U with delta'U = 0: for means +-e_1 and Lambda = 1, of W only the first row is
         determined. The minimiser at finite N is unique even then, and does not tend to 2 Lambda^-1 but to diag(2, 0,
         ...)
"""

import sympy as sp

from symicl import claim, equal, load_system, update

from .notation import U, W, at, delta, form, j, k, likelihoods, q, twice_precision

infinite = load_system("shen2025.mixture")(N="inf")
plus, minus = likelihoods()
log_odds = form(delta, twice_precision, lambda i: q[i]) / 2

stationary = claim(equal(infinite, at(update(infinite, W[j, k]), twice_precision), sp.S.Zero))
posterior = claim(equal(infinite, 1 / (1 + sp.exp(-log_odds)), plus / (plus + minus)))
unseen = claim(
    equal(
        infinite,
        form(delta, lambda a, b: W[a, b] + U[a, b], lambda i: q[i]),
        form(delta, lambda a, b: W[a, b], lambda i: q[i]) + form(delta, lambda a, b: U[a, b], lambda i: q[i]),
    )
)
