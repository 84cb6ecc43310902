"""A system of one's own, from public names only: a layer with linear attention instead of softmax attention.

For the query v_k and a prompt with N_m tokens equal to v_m, the layer predicts ``sum_m (N_m / N) S[m, k] f(v_m)``: the
same prompts and tasks as in the softmax layer, but no normalization. The loss is a quadratic in the scores, so training
has a closed form to compare with:

    A(t) = A* (1 - (1 - eta p q)^t),  A* = p / q,  p = 1/K,  q = E[(N_k / N)^2] = p^2 + p (1 - p) / N.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import sympy as sp

from symicl import (
    Coordinate,
    Expectation,
    FeatureClass,
    FeatureSet,
    Parameter,
    RandomTask,
    Run,
    StateNames,
    System,
    SystemFamily,
    TokenCounts,
    Verdict,
    always,
    arithmetic,
    at_start,
    check,
    claim,
    compile_expressions,
    derive,
    equal,
    iterate,
    reduce_system,
    restrict,
    update,
)

K, N = sp.symbols("K N", integer=True, positive=True)
k, n = sp.symbols("k n", integer=True, positive=True)
S, f = sp.IndexedBase("S"), sp.IndexedBase("f")
p = sp.IndexedBase(sp.Symbol("p", positive=True))
counts = sp.IndexedBase(sp.Symbol("N", integer=True, nonnegative=True))


def build(values: Mapping[str, sp.Expr]) -> System:
    """K equally likely features, prompts of N tokens, one query v_k; the loss is the definition of the layer."""
    size, length = values["K"], values["N"]
    features = FeatureSet(size, (FeatureClass("other", size, ((p, 1 / size),)),), placed=((k, "other"),))
    prediction = features.sum(lambda m: counts[m] / length * S[m, k] * f[m])
    loss_of_prompt = RandomTask(f, size, sp.KroneckerDelta).mean((prediction - f[k]) ** 2 / 2)
    loss = Expectation(loss_of_prompt, TokenCounts(counts, length, p, size))
    return System(
        id=linear_attention.id,
        title=linear_attention.title,
        loss=loss,
        objective=p[k] * loss,
        coordinates=(Coordinate(S[n, k], StateNames(((("k",), "A"), (("other",), "B")))),),
        features=features,
        simplices=(p,),
    )


linear_attention = SystemFamily(
    "linear_attention",
    "linear attention, one query",
    (Parameter(K, "number of features", minimum=2), Parameter(N, "prompt length", minimum=1)),
    build,
)


def check_updates_against_finite_differences() -> None:
    """At random points, the derived update of every state is minus the slope of the loss along it."""
    symmetric = restrict(linear_attention(K=5, N=7))
    states = [state.symbol for state in symmetric.states]
    updates = [state.update.xreplace({symmetric.system.step_size: sp.S.One}) for state in symmetric.states]
    mp, draw = arithmetic("mp"), random.Random(1)
    with mp.working(40):
        value = compile_expressions([symmetric.loss, *updates], states, mp, 40)
        h, tolerance = mp.number(sp.Rational(1, 10**12)), mp.number(sp.Rational(1, 10**25))
        for _ in range(5):
            point = [mp.number(sp.Rational(draw.randint(-20, 20), 10)) for _ in states]
            for i, state in enumerate(symmetric.states):
                above, below = ([x + s * h * (i == j) for j, x in enumerate(point)] for s in (1, -1))
                # The query has probability 1/5, and moving a state moves all of its members.
                slope = (value(*above)[0] - value(*below)[0]) / (2 * h) / (5 * int(state.members))
                # The loss is quadratic, so a central difference is exact: 40 digits less the 12 that h costs.
                assert abs(value(*point)[1 + i] + slope) < tolerance


def check_closed_form(size: int = 6, length: int = 9, steps: int = 300) -> None:
    """The ball of a trace encloses the closed form."""
    eta, share = sp.Rational(3), sp.Rational(1, size)
    trajectory = iterate(reduce_system(linear_attention(K=size, N=length)), Run(eta, steps=steps))
    q = share**2 + share * (1 - share) / length
    exact = share / q * (1 - (1 - eta * share * q) ** steps)
    ball = trajectory.arithmetic
    with ball.working(trajectory.working_dps):
        assert trajectory.state("A").overlaps(ball.number(exact))
    assert trajectory.state("B") == 0
    assert trajectory.digits is not None and trajectory.digits >= 50
    print(f"A after {steps} steps: {ball.as_json(trajectory.state('A'), 20)['mid']}, {trajectory.digits} digits")


def check_claims() -> None:
    """At every K and N the update is the one below and the other scores never move; A stays below A*."""
    system = linear_attention()
    formula = "eta/K * E(n_k/N * (1 - n_k/N * A), trials=N, n_k=1/K, n_other=(K-1)/K)"
    claims = {
        "update of A": claim(equal(system, update(system, "A"), formula)),
        "B does not move": claim(equal(system, at_start(system, update(system, "B")), 0)),
        "A < A*": claim(always(linear_attention(K=6, N=9), "A < 27/7", to=300, eta=3), expect="certified"),
    }
    for name, item in claims.items():
        checked = check(item)
        assert checked.as_expected, checked.outcome.evidence.summary
        assert checked.verdict in (Verdict.PROVED, Verdict.CERTIFIED)
        print(f"{name}: {checked.verdict.value}")


if __name__ == "__main__":
    for item in derive(linear_attention()):
        print(f"change of {item.variable}: {item.expression}")
    check_updates_against_finite_differences()
    check_closed_form()
    check_claims()
