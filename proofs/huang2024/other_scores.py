"""The score of another feature falls: true of the dominant feature at the start, false in general.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: the sign that the first phase rests on, and its limits
Assumes  linear tasks, orthonormal features, i.i.d. tokens; at_start is N = inf and Q = 0
Tight    beta_kn < 0 wherever two features share the attention alone; a third one breaks it
"""

from symicl import at_start, claim, nonpositive, update

from .notation import S, k, n
from .systems import balanced, dominant, generic, underrepresented

rare_query = underrepresented(N="inf")

dominant_at_start = claim(nonpositive(rare_query, at_start(rare_query, update(rare_query, "B1"))))
dominant_at_any_time = claim(nonpositive(rare_query, update(rare_query, "B1")), expect="refuted")
rare_at_any_time = claim(nonpositive(rare_query, update(rare_query, "B")), expect="refuted")
in_general = claim(nonpositive(generic(N="inf"), update(generic(N="inf"), S[n, k])), expect="refuted")
in_general_finite = claim(nonpositive(generic(), update(generic(), S[n, k])), expect="refuted")
of_balanced = claim(nonpositive(balanced(), update(balanced(), "B")))
of_dominant = claim(nonpositive(dominant(), update(dominant(), "B")))
