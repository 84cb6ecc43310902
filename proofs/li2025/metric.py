"""S <- S - eta Gamma D Gamma is gradient descent on Q: scores are readings v_n' Q v_k of what is trained.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: Q is trained, its scores are followed
Assumes  linear tasks, features (v11, v12) and (v21, 1), p = (1/3, 2/3), N = inf; else it is the chain rule
Tight    an identity
"""

import sympy as sp

from symicl import Coordinate, System, claim, derive, equal, partial

Q11, Q12, Q21, Q22 = sp.symbols("Q11 Q12 Q21 Q22", real=True)
FEATURES = ((sp.Symbol("v11", real=True), sp.Symbol("v12", real=True)), (sp.Symbol("v21", real=True), sp.Integer(1)))
SHARE = sp.Rational(1, 3)


def layer():
    """One layer with the four numbers of Q trained, on two features in the plane; linear tasks of unit weights."""
    matrix = ((Q11, Q12), (Q21, Q22))

    def dot(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    def score(a, b):
        return sum(a[i] * matrix[i][j] * b[j] for i in range(2) for j in range(2))

    first, second = FEATURES
    apart = dot(first, first) - 2 * dot(first, second) + dot(second, second)
    loss = sp.S.Zero
    for weight, own, other in ((SHARE, first, second), (1 - SHARE, second, first)):
        others = (
            (1 - weight)
            * sp.exp(score(other, own))
            / (weight * sp.exp(score(own, own)) + (1 - weight) * sp.exp(score(other, own)))
        )
        loss += weight * others**2 * apart / 2
    return System("li2025.correlated", "Q in R^{2 x 2}", loss, loss, tuple(Coordinate(q) for q in (Q11, Q12, Q21, Q22)))


trained = layer()


def moved(n, k):
    """How a step of Q moves the score ``v_n' Q v_k``."""
    updates = {item.variable: item.expression for item in derive(trained)}
    a, b = FEATURES[n], FEATURES[k]
    return sum(a[i] * updates[q] * b[j] for i, row in enumerate(((Q11, Q12), (Q21, Q22))) for j, q in enumerate(row))


def carried(n, k):
    """``-eta (Gamma D Gamma)_nk`` with D from the loss written in scores."""
    scores = sp.symbols("S11 S12 S21 S22", real=True)
    gram = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in FEATURES] for a in FEATURES]
    loss = sp.S.Zero
    for weight, own, other in ((SHARE, scores[0], scores[2]), (1 - SHARE, scores[3], scores[1])):
        others = (1 - weight) * sp.exp(other) / (weight * sp.exp(own) + (1 - weight) * sp.exp(other))
        loss += weight * others**2 * (gram[0][0] - 2 * gram[0][1] + gram[1][1]) / 2
    at = {
        scores[2 * m + j]: sum(
            FEATURES[m][i] * q * FEATURES[j][h]
            for i, row in enumerate(((Q11, Q12), (Q21, Q22)))
            for h, q in enumerate(row)
        )
        for m in range(2)
        for j in range(2)
    }
    slope = [[partial(loss, scores[2 * m + j]).xreplace(at) for j in range(2)] for m in range(2)]
    return -trained.step_size * sum(gram[n][m] * slope[m][j] * gram[j][k] for m in range(2) for j in range(2))


own = claim(equal(trained, moved(0, 0), carried(0, 0)))
other = claim(equal(trained, moved(1, 0), carried(1, 0)))
