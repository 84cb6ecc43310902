"""The scores of a query keep their sum: what its own feature gains, the others lose.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: columns of the gradient sum to zero when the features are orthonormal
Assumes  linear tasks, orthonormal features, i.i.d. tokens, Q = 0 at the start; any K, N, p
Tight    an identity
"""

from symicl import claim, conserved, equal, update

from .gradient import beta
from .notation import PROMPTS, S, k, n, others
from .systems import balanced, dominant, generic, underrepresented

eta = generic().step_size

column = claim(
    equal(
        generic(),
        update(generic(), S[k, k]) + others(lambda m: eta * beta(PROMPTS).xreplace({n: m}), k),
        0,
    )
)
of_balanced = claim(conserved(balanced(), "A + (K-1)*B"))
of_dominant = claim(conserved(dominant(), "A + (K-1)*B"))
of_underrepresented = claim(conserved(underrepresented(), "A + B1 + (K-2)*B"))
