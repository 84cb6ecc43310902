"""Flat tasks (small L) against sharp ones (large L): which is faster depends on what is held fixed, and it flips.

By ``scaling`` the run with (L, eta) is the run with (1, L^2 eta), its loss times L^2. So at fixed eta and fixed eps
sharp tasks are trained by longer steps to a finer relative loss: the steps win, K^2/(eta L^2) + K/(4 eta eps). At eta
= eta_0/L^2 the steps are the same and the finer target loses: sharp is slower. At eta = eta_0/L^2 and eps = eps_0 L^2
nothing depends on L. At fixed eta and relative eps sharp is faster by L^2. So "sharp converges slower" is a statement
about a step size that shrinks with L. In between, at eta = eta_0/L, the leading terms K^2/(eta L^2) + K/(4 eta eps)
of L = 1 and L = 2 meet at eps = 1/(2K): sharp is faster above it and slower below, and that is where the counts
cross.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: flat against sharp, and the referees' question why the figure shows sharp to be faster
Assumes  exchangeable tasks on orthonormal features, K = 8, N = inf; loss is the population loss
Tight    exact numbers of steps, certified; at other K, the identity of ``scaling`` holds as it stands
"""

from symicl import claim, first_step, sooner

from .systems import exchangeable


def tasks(height):
    """Exchangeable tasks of scale L, K = 8."""
    return exchangeable(K=8, N="inf", L=height, rho=0, gamma=0)


fixed_step = claim(sooner(tasks(2), tasks(1), "loss <= 1/100"), expect="certified")
published_order = claim(sooner(tasks(1), tasks(2), "loss <= 1/100"), expect="refuted")

# eta fixed at 1, eps fixed at 1/100: sharp is faster.
fixed_step_1 = claim(first_step(tasks(1), "loss <= 1/100", "==", 361), expect="certified")
fixed_step_2 = claim(first_step(tasks(2), "loss <= 1/100", "==", 247), expect="certified")
fixed_step_4 = claim(first_step(tasks(4), "loss <= 1/100", "==", 204), expect="certified")

# eta = 1/L^2, eps fixed at 1/100: sharp is slower.
small_step_2 = claim(first_step(tasks(2), "loss <= 1/100", "==", 993, eta="1/4"), expect="certified")
small_step_4 = claim(first_step(tasks(4), "loss <= 1/100", "==", 3291, eta="1/16"), expect="certified")

# eta = 1/L^2, eps = L^2/100: the same number of steps, whatever L.
relative_2 = claim(first_step(tasks(2), "loss <= 4/100", "==", 361, eta="1/4"), expect="certified")
relative_4 = claim(first_step(tasks(4), "loss <= 16/100", "==", 361, eta="1/16"), expect="certified")

# eta fixed at 1, eps = L^2/100: sharp is faster by L^2.
relative_fixed_2 = claim(first_step(tasks(2), "loss <= 4/100", "==", 90), expect="certified")
relative_fixed_4 = claim(first_step(tasks(4), "loss <= 16/100", "==", 22), expect="certified")

# eta = 1/L: L = 1 takes 98, 136, 189 steps to 1/8, 1/16, 1/32; the order flips at eps = 1/(2K) = 1/16.
flip_above_1 = claim(first_step(tasks(1), "loss <= 1/8", "==", 98), expect="certified")
flip_above_2 = claim(first_step(tasks(2), "loss <= 1/8", "==", 95, eta="1/2"), expect="certified")
flip_at_1 = claim(first_step(tasks(1), "loss <= 1/16", "==", 136), expect="certified")
flip_at_2 = claim(first_step(tasks(2), "loss <= 1/16", "==", 137, eta="1/2"), expect="certified")
flip_below_1 = claim(first_step(tasks(1), "loss <= 1/32", "==", 189), expect="certified")
flip_below_2 = claim(first_step(tasks(2), "loss <= 1/32", "==", 212, eta="1/2"), expect="certified")
