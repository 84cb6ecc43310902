"""How long training takes, for all sizes, accuracies and step sizes in a range: O, Omega and Theta with constants.

Paper    In-Context Convergence of Transformers, arXiv 2310.05249
Source   published: at most O(K^2 log K / eta + K log(K eps^(-1/2)) / (eps eta)) steps for balanced features; the other
         forms and all constants are reconstructed
Assumes  linear tasks, orthonormal features, N = inf, Q = 0 at the start; 2 <= K <= 10^40, 10^-12 <= eps <= 1/10 (for a
         dominant query 1/100), 1/100 <= eta <= 1
Tight    the published form is 3.2 to 150 times too large, for its logarithms; K^2 + K/(4 eps) is right within a factor
         of 1.6 above and 5 below, the latter where a handful of steps is enough
"""

from symicl import claim, duration

from .systems import balanced, dominant

far = balanced(N="inf")
over = {"K": (2, "1e40"), "epsilon": ("1e-12", "1/10"), "eta": ("1/100", 1)}
published = "(K**2*log(K) + K*log(K/sqrt(epsilon))/epsilon)/eta"

published_bound = claim(duration(far, published, over=over, at_most="1/3"), expect="certified")
published_is_tight = claim(duration(far, published, over=over, at_least="1/10"), expect="refuted")
quadratic_is_needed = claim(duration(far, "K**2/eta", over=over, at_least="1/2"), expect="certified")
less_than_quadratic = claim(duration(far, "K**(3/2)/(epsilon*eta)", over=over, at_most=100), expect="refuted")
without_logarithms = claim(
    duration(far, "(K**2 + K/(4*epsilon))/eta", over=over, at_least="1/5", at_most="8/5"), expect="certified"
)

half = dominant(N="inf", p1="1/2")
accurate = {**over, "epsilon": ("1e-12", "1/100")}
dominant_query = claim(
    duration(half, "1/(2*epsilon*eta)", over=accurate, at_least="1/4", at_most="8/5"), expect="certified"
)
dominant_grows = claim(duration(half, "log(K)/eta", over=accurate, at_least=10), expect="refuted")
