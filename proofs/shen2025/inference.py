"""The inference error at test length M is of order 1/sqrt(M) in the mean, and 1/M in squares, with these constants.

Paper    On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures, arXiv
         2410.11778
Source   abstract: O(1/N + 1/sqrt(M)); reconstructed: the constants, and that squared errors are 1/M + 1/N^2
Assumes  d = 1, Lambda = 1, mu = +-1; leading terms as M and N grow
Tight    E (sigma - sigma*)^2 = 0.02338/M + 0.000158/N^2 and E |sigma - sigma*| = 0.1089/sqrt(M) (N = inf) or 0.0112/N
         (M = inf), the constants exact; ``bound`` holds for every M and is loose by a factor of 6.5
"""

from symicl import between, claim, load_system

limit = load_system("shen2025.line")(N="inf", a=1)

squared_test = claim(between(limit, "squared_test", "0.023382594005681", "0.023382594005682"), expect="certified")
squared_train = claim(between(limit, "squared_train", "0.000158484009007", "0.000158484009008"), expect="certified")
absolute_test = claim(between(limit, "absolute_test", "0.108874954985509", "0.108874954985511"), expect="certified")
absolute_train = claim(between(limit, "absolute_train", "0.011233997082260", "0.011233997082261"), expect="certified")
bound = claim(between(limit, "bound", "0.70710678", "0.70710679"), expect="certified")
