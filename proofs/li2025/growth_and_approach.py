"""The own-feature attention: a first phase in which it grows, a late one in which it approaches 1 like 1/sqrt(t).

With z = (1 - a_k)/a_k the increment of A - B is c z^2/(1+z)^3, c = K/(K-1)^2 times the speed: it rises with the
attention until z = 2 (a_k = 1/3), where the phases meet, and falls as z^2 after. The flow z' = -c z^3/(1+z)^3 behind
it takes 1/(2 c z^2) + 3/(c z) + ... to a small z, so 1 - a_k is about 1/sqrt(2 c t), and the loss about K/(4 (K-1) c
t).

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: early growth and late approach of the own-feature attention
Assumes  exchangeable tasks on equiangular features, N = inf, p = 1/K, Q = 0 at the start; any K, L, rho, gamma
Tight    identities; the steps are counted at K = 8, L = eta = 1; the flow takes 361.86 to the second
"""

import sympy as sp

from symicl import claim, equal, first_step, nonnegative, partial, reduce_system

from .systems import GAMMA, HEIGHT, RHO, K, exchangeable

system = exchangeable(N="inf")
recurrence = reduce_system(system)
(D,) = recurrence.coordinates
z = (K - 1) * sp.exp(-D)
speed = HEIGHT**2 * (1 - RHO) * (1 - GAMMA) ** 2
drift = recurrence.updates[0]

increment = claim(equal(system, drift, system.step_size * speed * K / (K - 1) ** 2 * z**2 / (1 + z) ** 3))
loss = claim(equal(system, recurrence.loss, HEIGHT**2 * (1 - RHO) * K / (K - 1) / 2 * (z / (1 + z)) ** 2))

# The increment rises exactly while z >= 2: its derivative in D is the increment times (z - 2)/(1 + z).
turn = claim(equal(system, partial(drift, D), drift * (z - 2) / (1 + z)))
always_up = claim(nonnegative(system, drift))

balanced = exchangeable(K=8, N="inf", L=1, rho=0, gamma=0)
first_phase = claim(first_step(balanced, "3*exp(A) >= exp(A) + 7*exp(B)", "==", 62), expect="certified")
late_phase = claim(first_step(balanced, "loss <= 1/100", "==", 361), expect="certified")
