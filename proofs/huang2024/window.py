"""From the end of the first phase on, B1 stays within [-0.51, -0.49] log K: false at every K here.

The claims follow B1 from the first step at which it lies at or below -0.49 log K, until the loss is 1/100.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published: the window of the dominant score for an under-represented query, for K large enough
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start, p_1 = 1/2, eta = 1
Tight    B1 falls to about -0.73 log K at K = 16 and -0.64 log K at K = 64; a wider window is certified
"""

from symicl import always, claim

from .systems import underrepresented


def stays_above(size, share):
    """B1 >= -share * log K once the first phase has ended, until the loss is 1/100."""
    return always(
        underrepresented(K=size, N="inf", p1="1/2"),
        f"B1 >= -{share}*log({size})",
        since=f"B1 <= -0.49*log({size})",
        to="loss <= 1/100",
    )


published_K16 = claim(stays_above(16, "0.51"), expect="refuted")
published_K64 = claim(stays_above(64, "0.51"), expect="refuted")
published_K128 = claim(stays_above(128, "0.51"), expect="refuted")
wider_K16 = claim(stays_above(16, "0.74"), expect="certified")
wider_K64 = claim(stays_above(64, "0.64"), expect="certified")
