"""Tasks of two values: no reason to attend to one's own feature. The referee is right, and the assumption is exact.

f = +L on one class of features and -L on the other, or the reverse (M of rank one). The loss sees the attention on
the other class and nothing else; a query's own score moves as that of an equal feature of its class does, so from
zero they stay equal and the own-feature attention stays below 1/(size of its class), while the loss goes to zero.
What is needed is a feature other than k in the class of k: a gap of zero, G_nn = 0. With classes of one feature the
own attention is forced (``degeneracy``).

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the public referee's counterexample to own-feature attention
Assumes  orthonormal features, equal probabilities within a class, both classes of two features or more; N = inf in the
         statements about scores, which hold for equal scores at finite N only in the mean
Tight    identities; the trace has classes of 2 and 3, p_1 = 1/2, eta = 1, L = 1
"""

import sympy as sp

from symicl import always, claim, equal, first_step, restrict, update

from .systems import HEIGHT, SHARE1, SIZE1, SIZE2, two_valued

system = two_valued(N="inf")
A1, A2, B1, B2, C1, C2 = (sp.Symbol(name, real=True) for name in ("A1", "A2", "B1", "B2", "C1", "C2"))
equal_scores = {B1: A1, B2: A2}


def wrong(own, twin, other, size, share):
    """The attention of a query on the class with the other value."""
    right = share / size * (sp.exp(own) + (size - 1) * sp.exp(twin))
    return (1 - share) * sp.exp(other) / (right + (1 - share) * sp.exp(other))


def expected_loss():
    """``2 L^2`` times the mean square of the attention on the other class."""
    first = wrong(A1, B1, C1, SIZE1, SHARE1)
    second = wrong(A2, B2, C2, SIZE2, 1 - SHARE1)
    return 2 * HEIGHT**2 * (SHARE1 * first**2 + (1 - SHARE1) * second**2)


loss = claim(equal(system, restrict(system).loss, expected_loss()))
own_is_like_any_other = claim(
    equal(system, update(system, "A1").xreplace(equal_scores), update(system, "B1").xreplace(equal_scores))
)
in_the_second_class = claim(
    equal(system, update(system, "A2").xreplace(equal_scores), update(system, "B2").xreplace(equal_scores))
)

example = two_valued(K1=2, K2=3, N="inf", p1="1/2", L=1)
loss_vanishes = claim(first_step(example, "loss <= 1/100", "<=", 2000), expect="certified")
# The attention of a query of the first class on its own feature, at most 1/2 + 1/100, whatever the loss.
own_attention_is_bounded = claim(
    always(example, "1/4*exp(A1) <= 51/100*(1/4*exp(A1) + 1/4*exp(B1) + 1/2*exp(C1))", to=2000), expect="certified"
)
own_attention_wins = claim(
    first_step(example, "1/4*exp(A1) >= 51/100*(1/4*exp(A1) + 1/4*exp(B1) + 1/2*exp(C1))", "<=", 2000), expect="refuted"
)
at_finite_length = claim(
    always(
        two_valued(K1=2, K2=2, N=4, p1="1/2", L=1),
        "1/4*exp(A1) <= 51/100*(1/4*exp(A1) + 1/4*exp(B1) + 1/2*exp(C1))",
        to=300,
    ),
    expect="certified",
)
