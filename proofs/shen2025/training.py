"""Gradient descent near W* shrinks the distance to it by a constant factor each step.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   abstract: linear convergence to the global minimiser; reconstructed: the factors, in Frobenius norm
Assumes  the step size about 2 / (largest + least eigenvalue of the Hessian at W*), W within 1/50 of W*
Tight    at W* itself and the best step size the factor is (k - 1)/(k + 1), k the condition number: 1 in one dimension,
         1.69 for two axes. There is no such factor on all of R^(d x d): far out sigma' vanishes, and so does the
         Hessian
"""

from symicl import always, between, claim, load_system

line, axes = load_system("shen2025.line"), load_system("shen2025.axes")

line_infinite = claim(between(line(N="inf", a=1), "contraction", 0, "3/20"), expect="certified")
line_40 = claim(between(line(N=40, a=1), "contraction", 0, "3/20"), expect="certified")
axes_infinite = claim(between(axes(d=2, N="inf"), "contraction", 0, "57/100"), expect="certified")
stays_diagonal = claim(always(axes(d=2, N="inf"), "W1_2*W1_2 <= 0", eta=4, to=10), expect="certified")
