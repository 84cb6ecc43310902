"""Correlated values and features only slow training: by (1-rho) and by (1-gamma)^2, and nothing else changes.

Exchangeable tasks on equiangular features have the flow of linear tasks on orthonormal features with another step size:
every result for M = I, Gamma = I carries over. In particular the attention on every irrelevant feature falls at every
step and does not oscillate.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the family in which nothing but the speed depends on the task and on the features
Assumes  M = L^2 ((1-rho) I + rho 11'), Gamma = (1-gamma) I + gamma 11', p = 1/K, Q = 0 at the start; any K, N
Tight    an identity; the increment of A - B is positive at every finite state where rho < 1 and gamma < 1
"""

from symicl import claim, equal, load_system, nonnegative, reduce_system, update

from .systems import exchangeable

linear = load_system("huang2024.balanced")


def slowed(state, **length):
    """The update is that of linear tasks on orthonormal features, times L^2 (1-rho) (1-gamma)^2."""
    system, plain = exchangeable(**length), linear(**length)
    speed = "L**2*(1-rho)*(1-gamma)**2"
    return equal(system, update(system, state), f"({update_text(plain, state)})*({speed})")


def update_text(system, state):
    """The update of the linear system in the grammar of symicl."""
    from symicl import format_expression

    return format_expression(update(system, state))


own = claim(slowed("A"))
other = claim(slowed("B"))
own_infinite = claim(slowed("A", N="inf"))
other_infinite = claim(slowed("B", N="inf"))


def drift(**length):
    """The increment of A - B, which decides every attention: a_n falls in it."""
    system = exchangeable(**length)
    return nonnegative(system, reduce_system(system).updates[0])


no_oscillation = claim(drift())
no_oscillation_infinite = claim(drift(N="inf"))
