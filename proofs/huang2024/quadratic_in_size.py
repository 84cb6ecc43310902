"""At K = 10^20 the loss reaches 1/100 after K^2 + 177.04 K steps: the factor K^2 is needed, and its constant is 1.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: is the quadratic dependence on K necessary, and are the bound's logarithms?
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start, eta = 1; a balanced query, and one of a
         dominant feature with p_1 = 1/2, whose time does not grow with K
Tight    exact to the step. The published bound has K^2 log K + K log(K eps^(-1/2)) / eps in its place, 46 times as
         much
"""

from symicl import claim, first_step

from .systems import balanced, dominant

K = 10**20
far = balanced(K=K, N="inf")

at_least = claim(first_step(far, "loss <= 1/100", ">=", K**2), expect="certified")
constant_one = claim(first_step(far, "loss <= 1/100", "<=", K**2 + 178 * K), expect="certified")
no_logarithm = claim(first_step(far, "loss <= 1/100", ">=", 2 * K**2), expect="refuted")
exactly = claim(first_step(far, "loss <= 1/100", "==", 10000000000000000017704312905140631059297), expect="certified")
dominant_query = claim(first_step(dominant(K=K, N="inf", p1="1/2"), "loss <= 1/100", "<=", 200), expect="certified")
