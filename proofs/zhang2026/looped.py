"""T layers in a loop make T steps of normalised gradient descent, by induction over T.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   abstract
Assumes  any n, d, T, data, w and step size. Base: no layer has done what no step does. Step: u stands for the state
         after T layers, which by hypothesis is that after T steps; one more layer does to any u what one more step
         does. The tokens that later layers read are those of the first (``weight_matrices.tokens_keep_their_data``)
Tight    an identity. With key scale kappa and value scale v the loop makes, in kappa w, steps of size kappa v: that
         product, the ratio of the value scale to the temperature 1/kappa, is the effective step size
"""

import sympy as sp

from symicl import claim, equal, partial
from symicl.systems.normalized_descent import risk

from .notation import OVER, direction, j, stripped, w
from .systems import normalized

eta = normalized().step_size
u = sp.IndexedBase(sp.Symbol("u", real=True))
kappa, v = sp.symbols("kappa v", positive=True)


def at(base):
    """The components of an indexed vector."""
    return lambda j: base[j]


def step(base):
    """One step of normalised gradient descent from a vector."""
    R = risk(OVER, base)
    return base[j] - eta * partial(R, base[j]) / R


def looped(layers, start, keys, values):
    """The vector after some layers."""
    return looped(layers - 1, stripped(start, keys, values), keys, values) if layers else start


base = claim(equal(normalized(), looped(0, direction, 1, eta)(j), w[j]))
induction_step = claim(equal(normalized(), stripped(at(u), 1, eta)(j), step(u)))
effective_step = claim(
    equal(normalized(), kappa * stripped(at(u), kappa, v)(j), stripped(lambda j: kappa * u[j], 1, kappa * v)(j))
)
