"""Training on a Gaussian mixture, its rate, the inference error, and data that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from flint import arb
from mixture_data import ONE, UNIT, line, plane, simulated

from symicl import Run, iterate, process_of
from symicl.arithmetic import ARITHMETICS
from symicl.contraction import contraction
from symicl.errors import InputError
from symicl.mixture.expansion import expand
from symicl.mixture.floats import float_minimiser, float_values
from symicl.mixture.inference import absolute_moment, inference
from symicl.mixture.minimiser import minimiser
from symicl.mixture.values import values
from symicl.simulate import gaussian_mixture as oracle
from symicl.systems.files import read_system
from symicl.systems.gaussian_mixture import on_data

BALL = ARITHMETICS["ball"]


def test_trace_in_balls_and_its_rate() -> None:
    """W(t) tends to W*, certified, by the factor that the Hessian at W* gives."""
    system = on_data(replace(plane(), start=((1, 0), (0, 2))), id="plane", title="plane")  # type: ignore[arg-type]
    rows: list[object] = []
    found = iterate(
        process_of(system), Run(eta=sp.Integer(8), steps=60, dps=12), on_row=lambda row: rows.append(row.states)
    )
    assert found.guarantee.label == "certified" and found.digits is not None and found.digits >= 12
    star = [2 * x for x in system.data.precision]
    gaps = [max(abs(float(w) - float(x)) for w, x in zip(states, star, strict=True)) for states in rows]  # type: ignore[call-overload]
    rate = contraction(system.data, sp.Integer(8))
    slowest = float(1 - 8 * rate.least)
    assert abs(gaps[60] / gaps[59] - slowest) < 0.01 and gaps[60] < 1e-4
    assert slowest <= float(rate.factor.upper()) < float(rate.on_ball.upper())


def test_one_step_by_hand_at_finite_prompts() -> None:
    """In one dimension a step in balls is W - eta g with g by an independent double sum, at N = 3."""
    system = on_data(line(3), id="line", title="line")
    found = iterate(process_of(system), Run(eta=ONE, steps=2, dps=5), "float64")
    z = np.arange(-9, 9, 0.02)
    density = np.exp(-(z**2) / 2) * 0.02 / np.sqrt(2 * np.pi)
    p, q, w = 2 + 2 / np.sqrt(3) * z[:, None], 1 + z, 0.0
    for _ in range(2):
        w -= density @ (-1 / (1 + np.exp(p * w * q / 2)) * p * q / 2) @ density
    assert abs(found.states[0] - w) < 1e-10
    with BALL.working(20):
        ball = values(line(3), [[arb(float(w))]], BALL, 10, second=False)
        assert ball.loss.rad() < 1e-8
        assert abs(float(ball.loss) - float_values(line(3), np.array([[w]])).loss) < 1e-8


def test_contraction_holds_at_sampled_points() -> None:
    """Within the radius no point moves away from W* by more than the certified factor."""
    data = plane(covariance=UNIT)
    rate = contraction(data, radius=sp.Rational(1, 50))
    star, draw = 2 * np.eye(2), np.random.default_rng(3)
    for _ in range(20):
        off = draw.standard_normal((2, 2))
        off *= 0.02 / np.linalg.norm(off)
        moved = star + off - float(rate.eta) * float_values(data, star + off).gradient
        assert np.linalg.norm(moved - star) <= float(rate.on_ball.upper()) * 0.02 + 1e-12
    assert rate.on_ball < 1 and float(rate.condition) > 1


def test_inference_error_at_long_tests() -> None:
    """A double sum at M = 10^5 gives the leading constants to 1e-3, and the bound for all M holds at M = 1 and 10."""
    found = inference(line())
    z = np.arange(-9, 9, 0.03)
    density = np.exp(-(z**2) / 2) * 0.03 / np.sqrt(2 * np.pi)

    def wrong(length: int, w: float) -> tuple[float, float]:
        p = 2 + (2 / np.sqrt(length) * z[:, None] if length else 0 * z[:, None])
        gap = 1 / (1 + np.exp(-p * w * (1 + z) / 2)) - 1 / (1 + np.exp(-2 * (1 + z)))
        return float(density @ gap**2 @ density), float(density @ np.abs(gap) @ density)

    squared, absolute = wrong(10**5, 2.0)
    assert abs(squared * 10**5 / float(found.squared_test) - 1) < 1e-3
    assert abs(absolute * 10**2.5 / float(found.absolute_test) - 1) < 1e-3
    for length in (1, 10):
        assert wrong(length, 2.0)[1] < float(found.bound) / length**0.5
    squared, absolute = wrong(0, float(minimiser(line(2000), 20).weights[0][0]))
    assert abs(squared * 2000**2 / float(found.squared_train) - 1) < 0.02
    assert abs(absolute * 2000 / float(found.absolute_train) - 1) < 0.01
    assert absolute_moment(sp.Integer(4), 20).rad() < 1e-15


def test_squared_error_in_the_simulator() -> None:
    """At W = 2 Lambda^-1 in two dimensions the squared error over sampled prompts is c/M within sampling error."""
    data, length = plane(), 400
    batch = oracle.draw(simulated(data), length, 20_000, np.random.default_rng(5))
    W = 2 * np.array(data.precision.tolist(), dtype=float)
    gap = (oracle.predict(W, batch) - oracle.posterior(simulated(data), batch))[:, 0] ** 2
    # The correction of order 1/M^2 is a few per cent at M = 400.
    assert abs(gap.mean() * length - float(inference(data).squared_test)) < 5 * gap.std() / 20_000**0.5 * length + 0.01


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("covariance = [[1, 2], [2, 1]]\nmeans = [[[1, 0], [-1, 0]]]\nprompt_length = 5", "not positive definite"),
        ("covariance = [[1, 0], [1, 1]]\nmeans = [[[1, 0], [-1, 0]]]\nprompt_length = 5", "not symmetric"),
        ("covariance = [[1]]\nmeans = [[[1], [2]]]\nprompt_length = 5", "equal norm"),
        ("covariance = [[1]]\nmeans = [[[1], [1]]]\nprompt_length = 5", "labels say nothing"),
        ("covariance = [[1]]\nmeans = [[[1], [-1]]]\nprompt_length = 0", "the prompt length is 0"),
        ('covariance = [[1]]\nmeans = [[[1], [-1]]]\nprompt_length = "1/2"', "the prompt length is 1/2"),
        ("covariance = [[1]]\nmeans = [[[1], [-1], [1]]]\nprompt_length = 5", "a pair is meant"),
        ("covariance = [[1]]\nmeans = [[[1, 2], [-1, 2]]]\nprompt_length = 5", "has 2 numbers, not 1"),
        ('covariance = [[1]]\nmeans = [[[1], [-1]]]\nweights = ["1/2"]\nprompt_length = 5', "no probabilities"),
        ('covariance = [[1]]\nmeans = [[[1], [-1]]]\nlabels = "odd"\nprompt_length = 5', "no law 'odd'"),
        ("covariance = [[1]]\nmeans = 3\nprompt_length = 5", "not a list"),
        ("covariance = [[1]]\nmeans = [[[1], [-1]]]\nstart = [[0, 0], [0, 0]]\nprompt_length = 5", "start is 2 x 2"),
        ("covariance = [[1]]\nprompt_length = 5", "there is no means"),
    ],
)
def test_bad_files_say_what_is_wrong_and_where(tmp_path: Path, text: str, said: str) -> None:
    """Each error names the file and the fault."""
    path = tmp_path / "m.toml"
    path.write_text(f"[mixture]\n{text}\n", encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        read_system(path)
    assert "m.toml" in str(caught.value) and caught.value.remedy


def test_degenerate_means_get_a_word_and_no_limit(tmp_path: Path) -> None:
    """Differences that do not span: a warning, no expansion; at finite N the unique W* tends to diag(2, 0)."""
    path = tmp_path / "flat.toml"
    path.write_text("[mixture]\ncovariance = [[1, 0], [0, 1]]\nmeans = [[[1, 0], [-1, 0]]]\nprompt_length = 400\n")
    system = read_system(path)
    assert "span 1 of 2 dimensions" in system.warnings[0]
    for ask in (lambda: expand(system.data), lambda: minimiser(replace(system.data, length=sp.oo))):
        with pytest.raises(InputError, match="not unique"):
            ask()
    found = float_minimiser(system.data, np.eye(2))
    assert np.allclose(found, [[minimiser(line(400), 15).weights[0][0].__float__(), 0], [0, 0]], atol=1e-7)
    with pytest.raises(InputError, match="finite prompts in 2 dimensions"):
        iterate(process_of(system), Run(eta=ONE, steps=1))
    with pytest.raises(InputError, match="no contraction factor"):
        contraction(system.data)


def test_simulator_refuses_what_is_no_mixture() -> None:
    """Errors of the simulator, which the command line shows."""
    good = simulated(plane())
    for wrong in (
        lambda: oracle.Mixture(-np.eye(2), good.means, good.weights),
        lambda: oracle.Mixture(np.eye(3), good.means, good.weights),
        lambda: oracle.Mixture(np.eye(2), good.means, np.array([0.5, 0.6])),
        lambda: oracle.draw(good, 0, 5, np.random.default_rng(0)),
        lambda: next(oracle.descent(good, 5, np.zeros((3, 3)), 1.0, prompts=5)),
        lambda: next(oracle.descent(good, 5, np.zeros((2, 2)), 0.0, prompts=5)),
    ):
        with pytest.raises(InputError):
            wrong()
