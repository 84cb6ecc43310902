"""Must the step size not be bounded above? From zero at N = inf no; at finite N by the curvature at the loss's floor.

One scalar (balanced, dominant query): no step of any size raises the loss, at any state, N, K, p_1. Under-represented
query at N = inf: none does from a state with A >= B, and training from zero never leaves these; elsewhere one can. At
every N steps up to 1/p_k are safe from every state. At finite N prompts without v_k keep a floor under the loss, with
its minimiser at finite B1 - B; there training is stable just below 2/curvature, a bound that grows like (1-p_k)^-N.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   reconstructed: answers a question that public referees asked of the step size
Assumes  linear tasks, orthonormal features, i.i.d. tokens; Q = 0 at the start where steps of a run are counted
Tight    A >= B could at most become A >= B - log 2, see rare_infinite_below; 1/p_k is loose by a factor of 6 or more
"""

from symicl import always, claim, descends, stable_up_to

from .systems import balanced, dominant, underrepresented

# One scalar: every state, step size, K, p_1 and N. The signs of slope and drift in loss_decreases.py say the same.
balanced_every_step_size = claim(descends(balanced()))
balanced_infinite = claim(descends(balanced(N="inf")))
dominant_every_step_size = claim(descends(dominant()))
dominant_infinite = claim(descends(dominant(N="inf")))

# N = inf, by hand: with r = a_1/a_j and y = a_k/a_j for a rare j and m = K-2, the loss is
# ((r+m)^2 + r^2 + m)/(2 (r+y+m)^2). It falls in y, and for y >= 1 it rises in r; each step then raises y and moves r
# towards 1. So y >= 1 (A >= B) is kept. Where r >= 1 the loss falls at once; where r < 1, log r rises by at most
# 2/(m+2) of what log y does, which is too little to raise the loss.
rare_infinite = claim(descends(underrepresented(N="inf"), where="A >= B"))

# On the face A - B -> -inf the loss has its minimum at a_1 = a_j: a large step overshoots it. At K = 3, e^(A-B) < 1/2
# a step lowers A - B where B1 - B is large, towards a loss of 1, which is more than the loss anywhere else.
rare_infinite_every_state = claim(descends(underrepresented(N="inf")), expect="refuted")
rare_infinite_below = claim(
    descends(underrepresented(K=3, N="inf", p1="1/2"), eta=10**8, at={"A": "-37/15", "B1": "127/30", "B": "-53/30"}),
    expect="refuted",
)

# 1/p_k = (K-1)/(1-p_1). By hand: each prompt's loss has a Hessian of at most 1/2 in its scores, which would give 4/p_k.
rare_small_steps = claim(descends(underrepresented(), up_to="(K-1)/(1-p1)"))

# N = 2, by hand: only prompts of one v_1 and one rare token see B1 - B. Its best value is 0, and the bound is
# 8 (K-1)/(p_1 (1-p_1)^2) = 192 at K = 4. K = 8: finite differences of the loss summed over all prompts give 742.773.
bound_K4_N2 = claim(
    stable_up_to(underrepresented(K=4, N=2, p1="1/2"), "191.999999999", "192.000000001"), expect="certified"
)
bound_K8_N6 = claim(stable_up_to(underrepresented(K=8, N=6, p1="1/2"), "742.77", "742.78"), expect="certified")
bound_K8_N100 = claim(stable_up_to(underrepresented(K=8, N=100, p1="1/2"), 0, 10**5), expect="refuted")

# Runs on both sides of the bound, and far beyond, where the loss falls all the same: the first step has thrown B1 - B
# to about -20, from where it cannot return for e^20 steps, and the loss stays at 0.4943 above its floor of 0.4384. At
# K = 16 and N = 20 half of the bound of 6744 is enough for that: the floor is 0.2917.
below_the_bound = claim(descends(underrepresented(K=8, N=6, p1="1/2"), eta=700, steps=40), expect="certified")
above_the_bound = claim(descends(underrepresented(K=8, N=6, p1="1/2"), eta=820, steps=40), expect="refuted")
far_above_descends = claim(descends(underrepresented(K=8, N=6, p1="1/2"), eta=3000, steps=40), expect="certified")
far_above_is_stuck = claim(
    always(underrepresented(K=8, N=6, p1="1/2"), "loss >= 0.494", eta=3000, to=200), expect="certified"
)
half_the_bound_is_stuck = claim(
    always(underrepresented(K=16, N=20, p1="1/2"), "loss >= 0.2979", eta=3372, start=20, to=100), expect="certified"
)
first_step_K4_N2 = claim(descends(underrepresented(K=4, N=2, p1="1/2"), eta=768, steps=1), expect="refuted")
