"""In one dimension, means +1 and -1: W*/2 = 1 + 0.0823.../N - 0.7574.../N^2 + O(1/N^3), and W* itself at finite N.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   abstract: the trained parameters are O(1/N) off; reconstructed: the coefficients and the values
Assumes  d = 1, Lambda = 1, mu = +-1; the population loss. There u + v = 0, so p is Gaussian for binomial labels too.
         The first coefficient is -(E sigma''(s) s^3 + 2 E sigma'(s) s^2) / (2 E sigma'(s) s^2), s ~ N(2, 4)
Tight    the coefficients to 30 digits. At N = 10 the second order outweighs the first: W* is less than 2,
         ``above_at_10`` is false. At Lambda = 1 and means +-e_i the first coefficient is negative: finite prompts
         shrink W
"""

from symicl import between, claim, load_system

line, axes = load_system("shen2025.line"), load_system("shen2025.axes")
limit = line(N="inf", a=1)
PLACE = (1, 1)

first = claim(
    between(limit, "first", "0.08232777528342749645", "0.08232777528342749646", place=PLACE), expect="certified"
)
second = claim(
    between(limit, "second", "-0.75742282179808404213", "-0.75742282179808404212", place=PLACE), expect="certified"
)
at_40 = claim(
    between(line(N=40, a=1), "minimiser", "2.00303743375196741", "2.00303743375196742", place=PLACE), expect="certified"
)
at_160 = claim(
    between(line(N=160, a=1), "minimiser", "2.00096796686285465", "2.00096796686285466", place=PLACE),
    expect="certified",
)
at_1280 = claim(
    between(line(N=1280, a=1), "minimiser", "2.00012770880243474", "2.00012770880243475", place=PLACE),
    expect="certified",
)
above_at_10 = claim(between(line(N=10, a=1), "minimiser", 2, 3, place=PLACE), expect="refuted")
shrinks = claim(
    between(axes(d=2, N="inf"), "first", "-0.91767222471658", "-0.91767222471657", place=PLACE), expect="certified"
)
one_scalar = claim(between(axes(d=2, N="inf"), "first", 0, 0, place=(1, 2)), expect="certified")
