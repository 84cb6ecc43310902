"""How long prompts have to be: N of about K log(1/eps) tokens is necessary, twice that costs a tenth more steps.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: the paper asks for prompts of length polynomial in K; this makes the polynomial a number
Assumes  linear tasks, orthonormal features, i.i.d. tokens; any K, N and states in necessary_*, loss_* and update_*;
         elsewhere concrete K and N, eps = 1/100, Q = 0 at the start and eta = 1
Tight    necessary_*: at K = 16 the bound is 61 tokens and 62 are enough. (3 K + 2)/N is the supremum over the states
         of the first correction, relative to the value at N = inf
"""

import sympy as sp

from symicl import claim, first_step, holds_at, nonnegative, prompt_expansion, restrict, unreachable, update

from .systems import balanced, dominant

# The infimum is (1-p_k)^N (1 + 1/N + ..)/2, so loss <= eps needs N >= log(1/(2 eps)) / -log(1 - p_k), which at
# p_k = 1/K and eps = 1/100 is 60.6 at K = 16 and 5.6 at p_k = 1/2.
BEYOND_THE_BOUND = "(1/N + (N - 1)/(N*(K - 1)))/2"
necessary_balanced = claim(nonnegative(balanced(), f"(1 - 1/K)**N*{BEYOND_THE_BOUND}"))
necessary_dominant = claim(nonnegative(dominant(), f"(1 - p1)**N*{BEYOND_THE_BOUND}"))
too_short = claim(unreachable(balanced(K=16, N=60), "1/100"), expect="certified")
still_too_short = claim(unreachable(balanced(K=16, N=61), "1/100"), expect="certified")
just_enough = claim(unreachable(balanced(K=16, N=62), "1/100"), expect="refuted")
too_short_dominant = claim(unreachable(dominant(K=64, N=5, p1="1/2"), "1/100"), expect="certified")
just_enough_dominant = claim(unreachable(dominant(K=64, N=6, p1="1/2"), "1/100"), expect="refuted")
# K log 50 = 3.91 K: at K = 10^20 as well, to the leading digits.
too_short_far = claim(unreachable(balanced(K=10**20, N=391 * 10**18), "1/100"), expect="certified")
just_enough_far = claim(unreachable(balanced(K=10**20, N=392 * 10**18), "1/100"), expect="refuted")

# How far the loss and the update are from their values at N = inf, to first order in 1/N: at every state, relative to
# these, by at most (3 K + 2)/N. At K = 8 that is 26, approached as A - B grows.
loss, loss_slope = prompt_expansion(restrict(balanced()).loss)
move, move_slope = prompt_expansion(update(balanced(), "A"))
K = balanced().features.size

loss_linear_in_size = claim(nonnegative(balanced(), (3 * K + 2) * loss - loss_slope))
loss_linear_in_size_below = claim(nonnegative(balanced(), (3 * K + 2) * loss + loss_slope))
update_linear_in_size = claim(nonnegative(balanced(), (3 * K + 2) * move - move_slope))
update_linear_in_size_below = claim(nonnegative(balanced(), (3 * K + 2) * move + move_slope))
late_loss, late_slope = prompt_expansion(restrict(balanced(K=8)).loss)
linear_is_needed = claim(
    holds_at(balanced(K=8), late_slope, ">=", sp.Rational(259, 10) * late_loss, {"A": 14, "B": -2}), expect="certified"
)

# Enough: N = 2 K log 100, rounded up. At N = inf the loss is 1/100 after 361, 943 and 2528 steps.
enough_8 = claim(first_step(balanced(K=8, N=74), "loss <= 1/100", "<=", 397), expect="certified")
enough_16 = claim(first_step(balanced(K=16, N=148), "loss <= 1/100", "<=", 1037), expect="certified")
enough_32 = claim(first_step(balanced(K=32, N=295), "loss <= 1/100", "<=", 2780), expect="certified")
# Half as long: more than half as many steps again.
slower_8 = claim(first_step(balanced(K=8, N=37), "loss <= 1/100", ">=", 541), expect="certified")
slower_16 = claim(first_step(balanced(K=16, N=74), "loss <= 1/100", ">=", 1414), expect="certified")
