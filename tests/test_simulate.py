"""The oracle is the layer: checked against loops over tokens, finite differences and its own sampling."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symicl.errors import BudgetError, InputError
from symicl.simulate import (
    Array,
    Experiment,
    Prompts,
    count_vectors,
    layer,
    layer_gradient,
    population_step,
    sampled_step,
    simulate,
    simulate_rows,
)
from symicl.simulate import attention as module

pytestmark = pytest.mark.filterwarnings("error")

# Central differences err by h^2 |f'''| / 6 + 2^-53 |f| / h: about 1e-10 for values of order one at this h, which
# balances the two. The tolerance leaves two digits for third derivatives and losses of order 100.
H = 2.0**-17
DIFFERENCE = 1e-8
SEEDS = st.integers(0, 2**32 - 1)


def psd(rng: np.random.Generator, size: int, rank: int) -> Array:
    """Return a positive semidefinite matrix of the given rank with entries of order one."""
    factor = rng.normal(size=(size, rank)) / math.sqrt(rank)
    return factor @ factor.T


def an_experiment(seed: int, *, query: int | None = None, prompt_length: int | None = 3) -> Experiment:
    """Three features with nothing special about them: correlated, unequally likely, a nonlinear task."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3))
    return Experiment(p / math.fsum(p), prompt_length, psd(rng, 3, 3), psd(rng, 3, 3), query)


def naive_losses(experiment: Experiment, scores: Array) -> list[float]:
    """L_k for every k from the scores alone: every sequence of tokens, an explicit softmax, no arrays."""
    p, length = experiment.probabilities.tolist(), experiment.prompt_length
    assert length is not None
    size = len(p)
    gram = np.eye(size) if experiment.gram is None else experiment.gram
    kernel = gram if experiment.kernel is None else experiment.kernel
    losses = [0.0] * size
    for k in range(size):
        for sequence in itertools.product(range(size), repeat=length):
            total = sum(math.exp(scores[m, k]) for m in sequence)
            residual = [-1.0 if m == k else 0.0 for m in range(size)]
            for m in sequence:
                residual[m] += math.exp(scores[m, k]) / total
            square = sum(residual[m] * residual[n] * kernel[m, n] for m in range(size) for n in range(size))
            losses[k] += math.prod(p[m] for m in sequence) * square / 2
    return losses


def test_layer_is_a_softmax_over_tokens() -> None:
    """On any prompt the layer gives what a loop over its tokens gives, to rounding."""
    rng = np.random.default_rng(1)
    tokens, labels = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 5, 1))
    query, target, Q = rng.normal(size=(4, 3)), rng.normal(size=(4, 1)), rng.normal(size=(3, 3))
    forward = layer(Q, Prompts(tokens, labels, query, target))
    for b in range(4):
        scores = [sum(x[i] * Q[i, j] * query[b, j] for i in range(3) for j in range(3)) for x in tokens[b]]
        total = sum(math.exp(s) for s in scores)
        prediction = sum(math.exp(s) / total * y for s, y in zip(scores, labels[b, :, 0], strict=True))
        assert forward.loss[b] == pytest.approx((prediction - target[b, 0]) ** 2 / 2, rel=1e-12, abs=1e-14)
        assert forward.attention[b] == pytest.approx([math.exp(s) / total for s in scores], rel=1e-12)


def test_multiplicity_repeats_a_token() -> None:
    """A token that occurs twice is the token written twice; one that occurs never is not there, whatever its score."""
    rng = np.random.default_rng(2)
    tokens, labels = rng.normal(size=(1, 3, 2)), rng.normal(size=(1, 3, 1))
    query, target, Q = rng.normal(size=(1, 2)), rng.normal(size=(1, 1)), rng.normal(size=(2, 2))
    written = [0, 1, 1]
    long = layer_gradient(Q, Prompts(tokens[:, written], labels[:, written], query, target))
    for size in (1e200, -1e200):
        far = tokens.copy()
        far[0, 2] *= size
        short = layer_gradient(Q, Prompts(far, labels, query, target, np.array([[1.0, 2.0, 0.0]])))
        for one, other in zip(long, short, strict=True):
            assert one == pytest.approx(other, rel=1e-12, abs=1e-14)


def test_softmax_survives_huge_scores() -> None:
    """Scores far beyond the range of exp leave a finite loss: all attention on the largest."""
    eye = np.eye(2)
    prompts = Prompts(eye[None], eye[None], eye[:1], eye[:1])
    for size, loss in ((1e9, 0.0), (-1e9, 1.0)):
        forward = layer(size * eye, prompts)
        assert forward.loss[0] == loss
        assert np.all(np.isfinite(layer_gradient(size * eye, prompts)[1]))


def test_no_kernel_means_linear_tasks() -> None:
    """Without a kernel the task is linear with unit weights: its second moments are the Gram matrix."""
    p, gram = np.array([0.5, 0.3, 0.2]), psd(np.random.default_rng(12), 3, 2)
    implied, explicit = simulate(Experiment(p, 3, gram), 1.0, 5), simulate(Experiment(p, 3, gram, gram), 1.0, 5)
    assert implied.scores == pytest.approx(explicit.scores, abs=1e-13)
    assert implied.loss == pytest.approx(explicit.loss, rel=1e-13)
    assert implied.loss != pytest.approx(simulate(Experiment(p, 3, gram, np.eye(3)), 1.0, 5).loss, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_layer_gradient_is_the_derivative(seed: int) -> None:
    """Reverse mode agrees with central differences in every entry of Q, with and without multiplicities."""
    rng = np.random.default_rng(seed)
    prompts = Prompts(
        rng.uniform(-1, 1, (2, 4, 3)),
        rng.uniform(-1, 1, (2, 4, 2)),
        rng.uniform(-1, 1, (2, 3)),
        rng.uniform(-1, 1, (2, 2)),
        rng.integers(0, 3, (2, 4)) + np.array([1.0, 0, 0, 0]) if seed % 2 else None,
    )
    Q = rng.uniform(-2, 2, (3, 3))
    gradient = layer_gradient(Q, prompts)[1][:, :, None] * prompts.query[:, None, :]
    for i, j in itertools.product(range(3), range(3)):
        step = np.zeros((3, 3))
        step[i, j] = H
        slope = (layer(Q + step, prompts).loss - layer(Q - step, prompts).loss) / (2 * H)
        assert gradient[:, i, j] == pytest.approx(slope, abs=DIFFERENCE)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([None, 0, 2]))
def test_population_is_every_sequence(seed: int, query: int | None) -> None:
    """The enumerated loss is the average over every sequence of tokens; the step in the scores is -eta G D G.

    D is the central difference, in the scores, of that average: neither Q nor reverse mode enters it.
    """
    experiment = an_experiment(seed, query=query)
    assert experiment.gram is not None
    Q, eta, p = np.random.default_rng(seed).uniform(-1, 1, (3, 3)), 0.5, experiment.probabilities
    scores = experiment.scores(Q)
    after, loss = population_step(experiment, Q, eta)
    losses = naive_losses(experiment, scores)
    assert loss == pytest.approx(p @ losses if query is None else losses[query], rel=1e-11, abs=1e-13)
    trained = p if query is None else np.where(np.arange(3) == query, p, 0)
    slopes = np.zeros((3, 3))
    for n, k in itertools.product(range(3), range(3)):
        step = np.zeros((3, 3))
        step[n, k] = H
        up, down = naive_losses(experiment, scores + step), naive_losses(experiment, scores - step)
        slopes[n, k] = trained @ (np.array(up) - down) / (2 * H)
    # The Gram matrix acts on both sides, so its size is the condition of the comparison.
    tolerance = DIFFERENCE * max(1.0, float(np.linalg.norm(experiment.gram, 2)) ** 2)
    change = -eta * experiment.gram @ slopes @ experiment.gram
    assert experiment.scores(after) - scores == pytest.approx(change, abs=tolerance)


def test_whole_loss_is_the_sum_of_its_queries() -> None:
    """Loss and gradient with the query drawn are those of the fixed queries put together: weight p_k each."""
    whole = an_experiment(5)
    Q = np.random.default_rng(5).uniform(-1, 1, (3, 3))
    after, loss = population_step(whole, Q, 1.0)
    parts = [population_step(an_experiment(5, query=k), Q, 1.0) for k in range(3)]
    assert loss == pytest.approx(
        sum(p * part[1] for p, part in zip(whole.probabilities, parts, strict=True)), rel=1e-13
    )
    assert after - Q == pytest.approx(sum(part[0] - Q for part in parts), abs=1e-13)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splitting the prompts into blocks regroups a sum and no more."""
    experiment, Q = an_experiment(6), np.random.default_rng(6).uniform(-1, 1, (3, 3))
    expected = population_step(experiment, Q, 1.0)
    monkeypatch.setattr(module, "_BLOCK", 1 << 5)
    found = population_step(experiment, Q, 1.0)
    assert found[0] == pytest.approx(expected[0], abs=1e-14)
    assert found[1] == pytest.approx(expected[1], rel=1e-14)
    sampled = sampled_step(experiment, Q, 1.0, 5001, np.random.default_rng(0))
    assert abs(sampled.loss - expected[1]) < 5 * sampled.loss_standard_error


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=4).filter(any), st.integers(1, 5))
def test_count_vectors_are_the_multinomial(weights: list[int], length: int) -> None:
    """Each vector of counts occurs once, with the exact multinomial chance; impossible ones are left out."""
    exact = [Fraction(w, sum(weights)) for w in weights]
    counts, chances = count_vectors(Experiment(np.array(exact, dtype=float), length))
    expected: dict[tuple[int, ...], Fraction] = {}
    for sequence in itertools.product(range(len(exact)), repeat=length):
        key = tuple(sequence.count(m) for m in range(len(exact)))
        expected[key] = expected.get(key, Fraction(0)) + math.prod((exact[m] for m in sequence), start=Fraction(1))
    found = {tuple(int(n) for n in row): float(chance) for row, chance in zip(counts, chances, strict=True)}
    assert len(found) == len(counts)
    assert found == pytest.approx({key: float(value) for key, value in expected.items() if value}, rel=1e-12)


SETTINGS = {
    "orthonormal": Experiment(np.array([0.4, 0.3, 0.2, 0.1]), 6),
    "correlated": an_experiment(7),
    "one query": an_experiment(8, query=1),
    "infinite": an_experiment(9, prompt_length=None),
    "two values": Experiment(np.full(4, 0.25), 3, kernel=np.outer([1, 1, -1, -1], [1, 1, -1, -1])),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_sampling_agrees_with_enumeration(name: str) -> None:
    """Trained on fresh prompts, every score and the loss lie within 5 standard errors of the exact ones."""
    experiment = SETTINGS[name]
    exact = simulate(experiment, 1.0, 5)
    sampled = simulate(experiment, 1.0, 5, prompts=4000, seed=3)
    assert exact.loss_standard_error is None and exact.scores_standard_error is None
    assert sampled.loss_standard_error is not None and sampled.scores_standard_error is not None
    assert abs(sampled.loss - exact.loss) < 5 * sampled.loss_standard_error
    # Rank-one gradients can leave a score without noise; rounding is then all that may differ.
    assert np.all(np.abs(sampled.scores - exact.scores) < 5 * sampled.scores_standard_error + 1e-12)
    # Not vacuous: the noise is far below what is measured.
    assert sampled.loss_standard_error < 0.1 * exact.loss
    assert np.linalg.norm(sampled.scores_standard_error) < 0.5 * np.linalg.norm(exact.scores)


def test_standard_errors_have_the_right_size() -> None:
    """Over independent seeds, errors divided by their standard errors have root mean square near 1.

    With 60 seeds that root is within 0.27 of 1 at three deviations, for normal errors.
    """
    experiment = an_experiment(10)
    exact = simulate(experiment, 0.5, 2)
    losses, scores = [], []
    for seed in range(60):
        run = simulate(experiment, 0.5, 2, prompts=400, seed=seed)
        assert run.loss_standard_error is not None and run.scores_standard_error is not None
        losses.append((run.loss - exact.loss) / run.loss_standard_error)
        scores.append((run.scores[0, 0] - exact.scores[0, 0]) / run.scores_standard_error[0, 0])
    for errors in (losses, scores):
        assert 0.7 < math.sqrt(sum(e * e for e in errors) / len(errors)) < 1.3


@pytest.mark.parametrize("prompts", [None, 200])
@pytest.mark.parametrize("prompt_length", [3, None])
def test_column_sums_are_conserved(prompts: int | None, prompt_length: int | None) -> None:
    """For orthonormal features each column of the scores sums to zero at all times, on every sample of prompts.

    In general w' S is conserved for G w = 1: softmax does not see a constant added to the scores.
    """
    p = np.array([0.5, 0.2, 0.2, 0.1])
    run = simulate(Experiment(p, prompt_length), 2.0, 50, prompts=prompts)
    assert np.abs(run.scores).max() > 0.1
    assert run.scores.sum(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
    gram = np.eye(4) + 0.5
    run = simulate(Experiment(p, prompt_length, gram), 2.0, 50, prompts=prompts)
    assert np.abs(run.scores).max() > 0.1
    assert np.linalg.solve(gram, np.ones(4)) @ run.scores == pytest.approx(np.zeros(4), abs=1e-12)


def test_same_seed_same_run() -> None:
    """A seed fixes the run to the bit; another seed gives another run; exact runs ignore it."""
    experiment = an_experiment(11)
    first, again, other = (simulate(experiment, 1.0, 3, prompts=50, seed=s) for s in (4, 4, 5))
    assert np.array_equal(first.scores, again.scores) and first.loss == again.loss
    assert not np.array_equal(first.scores, other.scores)
    assert np.array_equal(simulate(experiment, 1.0, 3, seed=4).scores, simulate(experiment, 1.0, 3, seed=5).scores)


def test_balanced_loss_before_training() -> None:
    """At Q = 0 attention is N_m / N, so L = (1 - 2/K + 1/N + (1 - 1/N)/K) / 2: 7/16 for K=4, N=6; 3/8 at infinity."""
    p = np.full(4, 0.25)
    assert simulate(Experiment(p, 6), 1.0, 0).loss == pytest.approx(7 / 16, rel=1e-13)
    assert simulate(Experiment(p), 1.0, 0).loss == pytest.approx(3 / 8, rel=1e-13)
    scaled = Experiment(p, 6, kernel=9 * np.eye(4), query=2)
    assert simulate(scaled, 1.0, 0).loss == pytest.approx(9 * 7 / 16, rel=1e-13)


def test_balanced_training_follows_one_scalar() -> None:
    """Balanced, N = infinity: all of Q follows from D = A - B, stepped here with scalars only."""
    size, eta, D = 4, 1.0, 0.0
    for row in itertools.islice(simulate_rows(Experiment(np.full(size, 1 / size)), eta), 41):
        total = math.exp(D) + size - 1
        own, other = math.exp(D) / total, 1 / total
        loss = ((1 - own) ** 2 + (size - 1) * other**2) / 2
        expected = np.full((size, size), -D / size) + D * np.eye(size)
        assert row.scores == pytest.approx(expected, abs=1e-12)
        assert row.loss == pytest.approx(loss, rel=1e-12)
        # dL/dA by the chain rule for the two attentions, d own/dA = own (1 - own), d other/dA = -own other
        slope = -((1 - own) * own * (1 - own) + (size - 1) * other * own * other) / size
        # The column sums to zero: B moves by -1/(K-1) of A, so D by K/(K-1).
        D -= eta * slope * size / (size - 1)
    assert D > 1


def test_balanced_hitting_time() -> None:
    """Balanced, K = 32, N = infinity, eta = 1: the loss is first <= 1/100 after 2528 steps."""
    run = simulate(Experiment(np.full(32, 1 / 32)), 1.0, until=lambda scores, loss: loss <= 0.01)
    assert run.steps == 2528
    assert run.loss <= 0.01 < simulate(Experiment(np.full(32, 1 / 32)), 1.0, 2527).loss


def test_until_may_hold_at_the_start() -> None:
    """The first n that meets a condition may be 0; a condition never met spends the budget and says so."""
    experiment = Experiment(np.full(2, 0.5), 2)
    assert simulate(experiment, 1.0, until=lambda scores, loss: True).steps == 0
    assert simulate(experiment, 1.0, until=lambda scores, loss: bool(scores[0, 0] > 0), max_steps=1).steps == 1
    with pytest.raises(BudgetError, match="not met within 7 steps"):
        simulate(experiment, 1.0, until=lambda scores, loss: False, max_steps=7)
    with pytest.raises(BudgetError, match="8 steps asked for"):
        simulate(experiment, 1.0, 8, max_steps=7)


def test_a_feature_that_never_occurs() -> None:
    """A probability of zero means an absent feature: never attended to, nothing learnt about its query."""
    run = simulate(Experiment(np.array([0.5, 0.5, 0.0]), 3), 1.0, 10)
    small = simulate(Experiment(np.array([0.5, 0.5]), 3), 1.0, 10)
    assert run.loss == pytest.approx(small.loss, rel=1e-13)
    assert run.scores[:2, :2] == pytest.approx(small.scores, abs=1e-14)
    assert not run.scores[2].any() and not run.scores[:, 2].any()


def test_arrays_are_copied_and_read_only() -> None:
    """An experiment does not change when the caller's arrays do, and offers no way to change it."""
    p = np.array([0.5, 0.5])
    experiment = Experiment(p, 2)
    p[0] = 7
    assert experiment.probabilities.tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        experiment.probabilities[0] = 7


HALF = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probabilities": [0.5, 0.4]}, r"sum to 0\.9, not 1"),
        ({"probabilities": [1.5, -0.5]}, r"probabilities\[1\] is -0\.5"),
        ({"probabilities": [1.0]}, "K >= 2"),
        ({"probabilities": [[0.5, 0.5]]}, "shape"),
        ({"probabilities": [0.5, math.nan]}, r"probabilities\[1\] is nan"),
        ({"probabilities": ["1/2", "x"]}, "numbers"),
        ({"prompt_length": 0}, "prompt_length is 0"),
        ({"prompt_length": 2.5}, r"prompt_length is 2\.5"),
        ({"query": 2}, "no feature 2"),
        ({"query": -1}, "query is -1"),
        ({"gram": np.eye(3)}, r"\(3, 3\).*2 x 2"),
        ({"gram": [[1, 0.5], [0.25, 1]]}, r"gram\[0, 1\] is 0\.5 but gram\[1, 0\] is 0\.25"),
        ({"gram": [[1, 2], [2, 1]]}, "least eigenvalue is -1"),
        ({"kernel": [[1, 2], [2, 1]]}, "least eigenvalue is -1.*in kernel"),
        ({"kernel": [[1, math.inf], [math.inf, 1]]}, r"kernel\[0\]\[1\] is inf"),
    ],
)
def test_wrong_experiments_are_named(arguments: dict[str, Any], message: str) -> None:
    """Wrong input raises InputError that names the entry, the eigenvalue or the shape at fault."""
    with pytest.raises(InputError, match=message):
        Experiment(**{"probabilities": HALF, "prompt_length": 2, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": -1.0}, "eta is -1"),
        ({"eta": math.nan}, "eta is nan"),
        ({"eta": 1e308}, "smaller step size"),
        ({"steps": -1}, "steps is -1"),
        ({"steps": None}, "neither"),
        ({"until": lambda scores, loss: True}, "both"),
        ({"prompts": -5}, "prompts is -5"),
        ({"prompts": 1}, "at least 2"),
        ({"prompts": 10**30}, "too many"),
        ({"seed": -1}, "seed is -1"),
        ({"experiment": Experiment(HALF, 2_000_000)}, "2000001 count vectors.*prompts="),
        ({"experiment": Experiment(np.full(2000, 1 / 2000), 10**20)}, r"more than 10\^15 count vectors"),
        ({"experiment": Experiment(HALF, 10**20), "prompts": 10}, "too long to sample"),
    ],
)
def test_wrong_runs_are_named(arguments: dict[str, Any], message: str) -> None:
    """Wrong steps, step sizes and sample sizes raise InputError; so do prompts too long to enumerate or to sample."""
    with pytest.raises(InputError, match=message):
        simulate(**{"experiment": Experiment(HALF, 2), "eta": 1.0, "steps": 3, **arguments})


def test_rows_refuse_before_the_first_row() -> None:
    """Bad input is refused by the call itself, not by the first row drawn from it."""
    with pytest.raises(InputError, match="eta"):
        simulate_rows(Experiment(HALF, 2), -1.0)
