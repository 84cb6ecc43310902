"""In the balanced case the other scores are exactly -A/(K-1); they are O(log K / K) only up to a given loss.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published: |B| = O(log K / K) during training; exact_size is reconstructed
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start; concrete K and eta = 1 in the traces
Tight    exact_size is an identity; with constant 1 the bound fails before loss 1/1000 and with constant 2 it holds
"""

from symicl import always, claim, equal, reduce_system

from .systems import balanced

recurrence = reduce_system(balanced(N="inf"))
A, B = recurrence.lift
K = balanced().features.size

exact_size = claim(equal(balanced(N="inf"), B, -A / (K - 1)))
constant_two = claim(
    always(balanced(K=32, N="inf"), "B >= -2*log(32)/32", to="loss <= 1/1000"),
    expect="certified",
)
constant_one = claim(
    always(balanced(K=32, N="inf"), "B >= -log(32)/32", to="loss <= 1/1000"),
    expect="refuted",
)
