"""The gradient of the loss is A' (diag f - f f') c in x, and (diag f - f f') c x' in A.

Paper    The Closeness of In-Context Learning and Weight Shifting for Softmax Regression, arXiv 2304.13276
Source   published: the gradient of L_exp, in x
Assumes  any n, d, A, b, x
Tight    an identity
"""

from symicl import claim, equal, update

from .notation import A, applied, c, i, j, rows, x, z
from .systems import logits, regression, weights

pulled_back = applied(lambda i: c[i])
eta = regression().step_size

in_x = claim(equal(regression(), update(regression(), x[j]), -eta * rows(lambda i: A[i, j] * pulled_back(i))))
in_A = claim(equal(weights(), update(weights(), A[i, j]), -eta * pulled_back(i) * x[j]))
in_logits = claim(equal(logits(), update(logits(), z[i]), -eta * pulled_back(i)))
