"""The query of the dominant feature reaches a given loss before that of a rare feature does.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published: convergence for the dominant feature comes first; here at concrete parameters
Assumes  linear tasks, orthonormal features, Q = 0 at the start, eta = 1
Tight    by orders of magnitude at K = 64
"""

from symicl import claim, sooner

from .systems import dominant, underrepresented


def race(**parameters):
    """Dominant against rare at the same parameters."""
    return sooner(dominant(**parameters), underrepresented(**parameters), "loss <= 1/20")


K16 = claim(race(K=16, N="inf", p1="1/2"), expect="certified")
K64 = claim(race(K=64, N="inf", p1="1/2"), expect="certified")
small_share = claim(race(K=16, N="inf", p1="1/4"), expect="certified")
finite_prompts = claim(
    sooner(dominant(K=4, N=12, p1="1/2"), underrepresented(K=4, N=12, p1="1/2"), "loss <= 3/20"),
    expect="certified",
)
