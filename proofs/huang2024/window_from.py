"""The window [-0.51, -0.49] log K of B1 holds from K about 2^50 on when p_1 = 1/2, which nobody has trained.

The first phase ends where the state that moves fastest at the start, B1, is overtaken by A: that is found, not
declared. With r = p_1/(1-p_1), B1 is then -log(K)/2 + log(3/2)/2 - log r and falls to -log(K)/2 - log(2)/2 - log r, up
to O(log K/sqrt(K)). So the lower side holds from K = (2 r^2)^50 on and the upper one from K = (3/(2 r^2))^50 on: 1.1e15
and 6.4e8 at p_1 = 1/2. No p_1 has the window below K = 3^25, about 8.5e11 (at r^4 = 3/4).

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published: the window of the dominant score for an under-represented query, for K large enough
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start, eta = 1, from the end of the first phase to
         loss 1/100
Tight    brackets within 10 % of K; at p_1 = 1/4 and 3/4 one side takes K of about 1e57 and 1e63
"""

from symicl import claim, from_on

from .systems import underrepresented

LOWER, UPPER = "B1 >= -0.51*log(K)", "B1 <= -0.49*log(K)"


def holds_from(sides, low, high, beyond=None, share="1/2", since="lead changes"):
    """The sides of the window are broken at K = low, and hold at K = high and beyond."""
    return from_on(
        underrepresented, sides, low=low, high=high, beyond=beyond, since=since, to="loss <= 1/100", p1=share, N="inf"
    )


# (2 r^2)^50 = 1.126e15 lies in the first bracket. The upper side at (3/2)^50 = 6.38e8.
window = claim(holds_from((LOWER, UPPER), 11 * 10**14, 12 * 10**14), expect="supported")
# In balls: the whole window is broken at K = 100 already, so that it cannot hold from 100 on.
not_at_hundred = claim(holds_from((LOWER, UPPER), 16, 100, beyond=()), expect="refuted")
