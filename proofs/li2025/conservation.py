"""What training conserves: w' S for Gamma w = 1, and u' S for Gamma u = 0; column sums only where w is constant.

Columns of D sum to zero, so those of Gamma D Gamma weighted with w do: ``w' Gamma D Gamma = 1' D Gamma = 0``.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the conservation law behind "a score falls where another grows", which correlation changes
Assumes  i.i.d. tokens, Q = 0 at the start; any M, K, N, p in the first two, a Gram matrix with numbers in the others
Tight    exact; with correlated features of unequal geometry the plain sum moves, and without w no sum is conserved
"""

from symicl import claim, conserved, equal, update

from .examples import population
from .notation import S, every, k, n
from .systems import block, exchangeable, generic

system, infinite = generic(), generic(N="inf")


def column(found):
    """The sum of a column of -eta D."""
    return update(found, S[k, k]) + every(lambda m: update(found, S[n, k]).xreplace({n: m}), k)


columns = claim(equal(system, column(system), 0))
columns_infinite = claim(equal(infinite, column(infinite), 0))

equiangular = claim(conserved(exchangeable(), "A + (K-1)*B"))
two_classes = claim(conserved(block(N="inf"), "A1 + (K1-1)*B1 + K2*C1"))

# Gamma w = 1 for w = (2, 1, 1) * 2/5, and the law is not balanced.
LAW = ["1/2", "3/10", "1/5"]
UNEQUAL = [[1, "1/2", 0], ["1/2", 1, "1/2"], [0, "1/2", 2]]
unequal = population(LAW, UNEQUAL)
weighted = claim(conserved(unequal, "2*S_same_1 + S_2_1 + S_3_1"))
plain_sum = claim(conserved(unequal, "S_same_1 + S_2_1 + S_3_1"), expect="refuted")

# v_2 = -v_1: Gamma u = 0 for u = (1, 1), and Gamma w = 1 for no w.
opposite = population(["1/3", "2/3"], [[1, -1], [-1, 1]])
of_the_kernel = claim(conserved(opposite, "S_same_1 + S_2_1"))
no_other = claim(conserved(opposite, "S_same_1 - S_2_1"), expect="refuted")
