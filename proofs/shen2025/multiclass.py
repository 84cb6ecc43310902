"""With c classes W = c Lambda^-1 is stationary at infinite prompt length, and the prediction there is the posterior.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   abstract: the results extend to multi-class; reconstructed: the point, in the parametrisation below
Assumes  any c and d; logits P_a' W q with P_a = (1/N) sum over the points of class a, so mu_a / c at N = inf; priors
         1/c, equal mu_a' Lambda^-1 mu_a, any law of the means
Tight    for c = 2 it is 2 Lambda^-1, the binary point: the two logits differ by p'Wq/2
"""

import sympy as sp

from symicl import claim, equal, hessian, load_system, nonnegative, update
from symicl.expectation import Expectation
from symicl.systems.gaussian_mixture import CENTRES, class_range

from .notation import P, U, W, along, at, form, h, j, k, l, q, r
from .systems import CLASSES

many = load_system("shen2025.classes")()
c = CLASSES.symbol
kinds = class_range(c)
a = kinds.index("a")
law = next(iter(update(many, W[j, k]).atoms(Expectation))).law


def likelihood(a):
    """The density of a class at q over that of N(0, Lambda)."""
    return sp.exp(form(lambda i: CENTRES[a, i], lambda m, n: P[m, n], lambda i: q[i]) - r / 2)


def score(a, matrix):
    """The logit of a class."""
    return form(lambda i: CENTRES[a, i], matrix, lambda i: q[i]) / c


def share(a):
    """What the softmax gives a class at W."""
    weight = lambda b: sp.exp(score(b, lambda m, n: W[m, n]))  # noqa: E731
    return weight(a) / kinds.sum(weight)


def moved(a):
    """The change of a logit along U."""
    return score(a, lambda m, n: U[m, n])


def c_times_precision(m, n):
    """``c Lambda^-1``."""
    return c * P[m, n]


spread = kinds.sum(lambda a: kinds.sum(lambda b: share(a) * share(b) * (moved(a) - moved(b)) ** 2)) / 2

stationary = claim(equal(many, at(update(many, W[j, k]), c_times_precision), sp.S.Zero))
posterior = claim(equal(many, at(share(a), c_times_precision), likelihood(a) / kinds.sum(likelihood)))
convex = claim(
    nonnegative(
        many,
        along(hessian(many, W[j, k], W[l, h])),
        because=Expectation(kinds.sum(likelihood) / c * spread, law),
    )
)
