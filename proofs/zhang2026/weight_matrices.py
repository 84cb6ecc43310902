"""The layer as weight matrices on tokens (y_i x_i, s_i) and a query token (0, w) is the layer as a formula.

Paper    A softmax layer is one step of normalised gradient descent, arXiv 2605.06609
Source   reconstructed: the abstract's layer, on tokens that carry y_i x_i, as no linear key on (x_i, y_i, w) makes
         the product
Assumes  any n, d, data, w, step size; the query token masked out of its own attention; the state parts s_i of the
         data tokens are arbitrary, so whatever earlier layers wrote there is not read
Tight    an identity; without the mask the query token would attend to itself with weight exp(0)
"""

import sympy as sp

from symicl import claim, equal

from .notation import (
    Blocks,
    attention,
    coordinates,
    data,
    direction,
    j,
    m,
    nothing,
    scaled_identity,
    signed,
    stripped,
    zero,
)
from .systems import normalized

eta = normalized().step_size
states = sp.IndexedBase(sp.Symbol("s", real=True))

QUERY = Blocks(nothing, scaled_identity(sp.S.One), nothing, nothing)
KEY = Blocks(scaled_identity(sp.S.NegativeOne), nothing, nothing, nothing)
VALUE = Blocks(nothing, nothing, scaled_identity(eta), nothing)


def token(i):
    """The two parts of the token of point i."""
    return signed(i), lambda j: states[i, j]


def score(query):
    """The score of point i against a query token: query times key, over both parts."""
    q_data, q_state = QUERY.apply(*query)

    def against(i):
        k_data, k_state = KEY.apply(*token(i))
        return coordinates(lambda j: q_data(j) * k_data(j)) + coordinates(lambda j: q_state(j) * k_state(j))

    return against


def layer(query):
    """What the layer makes of a query token: both of its parts."""
    weight = attention(score(query))

    def written(part):
        return lambda j: query[part](j) + data(lambda i: weight(i) * VALUE.apply(*token(i))[part](j))

    return written(0), written(1)


of_query = layer((zero, direction))
of_data = layer(token(m))

state_part = claim(equal(normalized(), of_query[1](j), stripped(direction, 1, eta)(j)))
data_part = claim(equal(normalized(), of_query[0](j), 0))
tokens_keep_their_data = claim(equal(normalized(), of_data[0](j), signed(m)(j)))
