"""One step conserves the sum of a query's scores: a template. State here, in one sentence, what is claimed.

Copy this file into a paper's folder under a name that says what it is about, and replace everything. The lines below
come in this order. Source is one of abstract, published or reconstructed, then a colon and what it is; reconstructed
is what the model implies where the paper's own words were not at hand. Lemma numbers are never guessed.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: columns of the gradient sum to zero when the features are orthonormal
Assumes  linear tasks, orthonormal features, Q = 0 at the start, any K; N = inf; the step count is at K = 4, eta = 1
Tight    the first is an identity; the second is exact; the third is refuted, and is kept because it is
"""

from symicl import claim, conserved, first_step, load_system

# In a paper's folder, write `from .systems import balanced` instead.
balanced = load_system("huang2024.balanced")

# A claim is a statement bound to a name; `symicl check` finds it as FILE.NAME. It is expected to be proved unless
# `expect` says otherwise. Numbers are exact: integers, or text such as "1/2".
sum_of_scores = claim(conserved(balanced(N="inf"), "A + (K-1)*B"))
steps_to_a_tenth = claim(first_step(balanced(K=4, N="inf"), "loss <= 1/10", "<=", 40), expect="certified")
too_few_steps = claim(first_step(balanced(K=4, N="inf"), "loss <= 1/10", "<=", 5), expect="refuted")
