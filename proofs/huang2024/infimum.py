"""Prompts without v_k keep the loss above (1-p_k)^N (1 + 1/N + (N-1)/(N(K-1))) / 2, however long one trains.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: the exact floor of a balanced or dominant query at finite prompt length
Assumes  linear tasks, orthonormal features, i.i.d. tokens; any K, N, p_1
Tight    the infimum; approached as A - B grows, attained only at N = 1
"""

from symicl import claim, infimum

from .systems import balanced, dominant

FLOOR = "(1 + 1/N + (N-1)/(N*(K-1)))/2"

of_balanced = claim(infimum(balanced(), f"(1 - 1/K)**N * {FLOOR}"))
of_dominant = claim(infimum(dominant(), f"(1 - p1)**N * {FLOOR}"))
vanishes_at_infinite_length = claim(infimum(balanced(N="inf"), 0))
