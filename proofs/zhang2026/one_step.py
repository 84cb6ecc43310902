"""A softmax layer with keys -y_i x_i, values eta y_i x_i, query w and a residual connection makes one normalised step.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   abstract
Assumes  any n, d, data, labels, w and step size; R(w) is the sum of exp(-y_i w'x_i)
Tight    an identity
"""

from symicl import claim, equal, partial, update
from symicl.systems.normalized_descent import risk

from .notation import OVER, a, data, direction, j, signed, stripped, w
from .systems import normalized, plain

eta = normalized().step_size
R = risk(OVER)

as_attention = claim(equal(normalized(), update(normalized(), w[j]), eta * data(lambda i: a[i] * signed(i)(j))))
as_normalized_step = claim(equal(normalized(), update(normalized(), w[j]), -eta * partial(R, w[j]) / R))
layer = claim(equal(normalized(), stripped(direction, 1, eta)(j) - w[j], update(normalized(), w[j])))
plain_step = claim(equal(plain(), update(plain(), w[j]), R * update(normalized(), w[j])))
