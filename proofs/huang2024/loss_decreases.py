"""For a balanced or dominant query the loss falls in the one coordinate D = A - B, at every state and step size.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: D never decreases and the loss falls in D, so that no step size is too large for descent
Assumes  linear tasks, orthonormal features, i.i.d. tokens; any K, N, p_1, eta
Tight    the derivative vanishes only in the limit of full attention
"""

from symicl import claim, nonnegative, nonpositive, partial, reduce_system

from .systems import balanced, dominant


def slope(system):
    """The derivative of the loss in the reduced coordinate."""
    recurrence = reduce_system(system)
    return partial(recurrence.loss, recurrence.coordinates[0])


def drift(system):
    """The increment of the reduced coordinate."""
    return reduce_system(system).updates[0]


balanced_loss = claim(nonpositive(balanced(), slope(balanced())))
balanced_drift = claim(nonnegative(balanced(), drift(balanced())))
dominant_loss = claim(nonpositive(dominant(), slope(dominant())))
dominant_drift = claim(nonnegative(dominant(), drift(dominant())))
balanced_loss_infinite = claim(nonpositive(balanced(N="inf"), slope(balanced(N="inf"))))
dominant_loss_infinite = claim(nonpositive(dominant(N="inf"), slope(dominant(N="inf"))))
