"""The squared attentions on the other features lie between (1-a_k)^2/(K-1) and (1-a_k)^2.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: how the loss is bounded by the attention on the query's own feature, in every phase
Assumes  attentions are nonnegative and sum to 1; K = 5 features
Tight    below where the other attentions are equal, above where one of them has it all
"""

import sympy as sp

from symicl import claim, nonnegative, simplex

from .systems import balanced

own, *others = simplex("k a b c d")
squares = sp.Add(*(a**2 for a in others))
setting = balanced(K=5, N="inf")

above = claim(nonnegative(setting, squares - (1 - own) ** 2 / 4))
below = claim(nonnegative(setting, (1 - own) ** 2 - squares))
too_large = claim(nonnegative(setting, squares - (1 - own) ** 2 / 3), expect="refuted")
