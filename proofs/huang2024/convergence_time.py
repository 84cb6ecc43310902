"""The number of steps to a given loss, exactly, at concrete K, N and accuracy.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: exact counts; the paper bounds them by O(K^2 log K / eta + K log(K eps^(-1/2)) / (eps eta))
Assumes  linear tasks, orthonormal features, Q = 0 at the start, eta = 1
Tight    exact; bound_with_constant_one shows that the published bound holds with constant 1 here, not that it is tight
"""

from symicl import claim, first_step

from .systems import balanced, dominant, underrepresented

K32 = claim(first_step(balanced(K=32, N="inf"), "loss <= 1/100", "==", 2528), expect="certified")
K32_faster = claim(first_step(balanced(K=32, N="inf"), "loss <= 1/100", "<=", 2000), expect="refuted")
finite_prompts = claim(first_step(balanced(K=4, N=20), "loss <= 1/20", "<=", 60), expect="certified")
dominant_query = claim(first_step(dominant(K=64, N="inf", p1="1/2"), "loss <= 1/100", "<=", 200), expect="certified")
rare_query = claim(
    first_step(underrepresented(K=64, N="inf", p1="1/2"), "loss <= 1/100", ">=", 3 * 64**2), expect="certified"
)
# K^2 log K + K log(K eps^(-1/2)) / eps at K = 32 and eps = 1/100, rounded down: 3549 + 18459.
bound_with_constant_one = claim(
    first_step(balanced(K=32, N="inf"), "loss <= 1/100", "<=", 3548 + 18459), expect="certified"
)
