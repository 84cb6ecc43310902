"""Reducing a system and updating it commute: the lifted coordinates move exactly as the full scores do.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: what makes tracing one or two scalars a statement about all scores
Assumes  linear tasks, orthonormal features, i.i.d. tokens, Q = 0 at the start; any K, N, p_1
Tight    an identity
"""

from symicl import claim, commutation_defects, equal, reduce_system

from .systems import balanced, dominant, underrepresented


def commutes(system, state):
    """The update of a state at the lifted point minus the lifted increment, claimed to vanish."""
    recurrence = reduce_system(system)
    position = [str(symbol) for symbol in recurrence.states].index(state)
    return equal(system, commutation_defects(recurrence)[position], 0)


balanced_A = claim(commutes(balanced(), "A"))
balanced_B = claim(commutes(balanced(), "B"))
dominant_A = claim(commutes(dominant(), "A"))
dominant_B = claim(commutes(dominant(), "B"))
rare_A = claim(commutes(underrepresented(), "A"))
rare_B1 = claim(commutes(underrepresented(), "B1"))
rare_B = claim(commutes(underrepresented(), "B"))
rare_A_infinite = claim(commutes(underrepresented(N="inf"), "A"))
