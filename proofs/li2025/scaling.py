"""Scaling every task by c multiplies the whole flow by c^2, which is a step size of c^2 eta; nothing else changes.

Paper    In-context learning of nonlinear tasks, arXiv 2507.20443
Source   reconstructed: the exact part of how training time depends on L, to be told apart from changes of regime
Assumes  any second moments M, any features, i.i.d. tokens; any K, N, p
Tight    an identity: a run with scale c and step eta has the scores of the run with scale 1 and step c^2 eta
"""

import sympy as sp

from symicl import claim, equal, update
from symicl.systems.base import FeatureSet
from symicl.systems.structured_features import structured_features

from .notation import M, S, k, n
from .systems import HEIGHT, K, N, block, exchangeable, generic

c = sp.Symbol("c", positive=True)


def scaled(length):
    """The system of any task f, with c f in place of f."""
    return structured_features(
        FeatureSet(K), length, id="li2025.generic", title="any task times c", kernel=lambda m, j: c**2 * M[m, j]
    )


def faster(system, state):
    """The update at scale L is the one at scale 1 with step L^2 eta."""
    found = update(system, state)
    return equal(system, found, found.xreplace({HEIGHT: sp.S.One, system.step_size: HEIGHT**2 * system.step_size}))


own = claim(equal(generic(), update(scaled(N), S[k, k]), c**2 * update(generic(), S[k, k])))
other = claim(equal(generic(), update(scaled(N), S[n, k]), c**2 * update(generic(), S[n, k])))
loss = claim(equal(generic(), scaled(N).loss, c**2 * generic().loss))
exchangeable_tasks = claim(faster(exchangeable(), "A"))
two_classes = claim(faster(block(N="inf"), "C1"))
