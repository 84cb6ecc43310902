"""The score of the query's own feature never decreases: alpha_k >= 0.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: used in every phase of the analysis
Assumes  linear tasks, orthonormal features, i.i.d. tokens; any K, N, p and scores
Tight    zero only where the attention on v_k is 0 or 1
"""

from symicl import claim, nonnegative, update

from .notation import S, k
from .systems import generic

own_score = claim(nonnegative(generic(), update(generic(), S[k, k])))
infinite = claim(nonnegative(generic(N="inf"), update(generic(N="inf"), S[k, k])))
