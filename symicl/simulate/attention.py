"""The independent oracle: one softmax attention layer on its actual prompts, in float64.

Nothing here knows the closed-form updates. A prompt goes forward through the layer, the loss comes back by reverse mode
written out by hand, and gradient descent acts on the full matrix Q: if this module and the derived updates agree, it is
not because they share a formula.

Model. Features v_1..v_K are the rows of a factor V of the Gram matrix. A prompt has N tokens drawn independently from
``probabilities``; the query is drawn likewise and is masked out of the prompt. The score of token x_i is
``x_i' Q x_q``, attention is the softmax over the N tokens, the prediction is ``sum_i attention_i y_i`` with
``y_i = f(x_i)``, and the loss is ``(prediction - f(x_q))^2 / 2``. Q starts at zero. (arXiv 2310.05249, linear tasks;
arXiv 2507.20443, others.)

Prompts are averaged exactly, over every vector of token counts, or sampled afresh at each step. Everything is
float64: results are evidence, never proof.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np

from symicl.errors import BudgetError, InputError
from symicl.simulate.arrays import Array, float_array

MAX_COUNT_VECTORS = 2_000_000
MAX_COUNTS = 50_000_000  # entries of all count vectors together: 400 MB an array
MAX_PROMPTS = 100_000_000  # sampled in one step
MAX_SAMPLED_ENTRIES = 1 << 28  # of one sampled prompt, N tokens of K coordinates: 2 GB
DEFAULT_MAX_STEPS = 1_000_000

_BLOCK = 1 << 20  # floats in the largest array of one block of prompts; random draws depend on it, so it is fixed
_LARGEST_ENTRY = 1e30  # of Gram and kernel matrices: keeps every product below the overflow of float64
_LARGEST_WEIGHT = 1e100  # of Q, for the same reason
_ROUNDING = 1e-12  # relative; what a matrix computed in float64 may miss symmetry or semidefiniteness by


# ---------------------------------------------------------------------------------------------- the layer


@dataclass(frozen=True, eq=False)
class Prompts:
    """A batch of B prompts of n tokens in R^d with labels in R^r (r tasks side by side; their losses add).

    ``tokens`` (B, n, d), ``labels`` (B, n, r), ``query`` (B, d), ``target`` (B, r). ``multiplicity`` (B, n),
    nonnegative and not all zero in a prompt, says how often a token occurs (at N = infinity, in what proportion);
    None: once each. A first axis of length 1 in ``tokens``, ``labels`` or ``multiplicity`` is shared by all prompts.
    """

    tokens: Array
    labels: Array
    query: Array
    target: Array
    multiplicity: Array | None = None


class Forward(NamedTuple):
    """What the layer computed: ``attention`` (B, n), ``error`` (B, r) = prediction - target, ``loss`` (B,)."""

    attention: Array
    error: Array
    loss: Array


def layer(Q: Array, prompts: Prompts) -> Forward:
    """Run the layer with trained matrix Q (d, d) on every prompt; float64."""
    projected = prompts.query @ Q.T  # Q x_q, (B, d)
    scores = (prompts.tokens @ projected[:, :, None])[:, :, 0]
    multiplicity = np.ones_like(scores) if prompts.multiplicity is None else prompts.multiplicity
    # The largest score is taken over tokens that occur: an absent one with a huge score would empty the sum.
    present = np.where(multiplicity > 0, scores, -np.inf)
    weights = multiplicity * np.exp(present - present.max(axis=1, keepdims=True))
    attention = weights / weights.sum(axis=1, keepdims=True)
    prediction = (attention[:, None, :] @ prompts.labels)[:, 0, :]
    error = prediction - prompts.target
    return Forward(attention, error, 0.5 * np.sum(error * error, axis=1))


def layer_gradient(Q: Array, prompts: Prompts) -> tuple[Array, Array]:
    """Return the loss (B,) of every prompt and its gradient with respect to ``Q x_q`` (B, d), by reverse mode.

    Q enters only through ``Q x_q``, so prompt b's gradient with respect to Q is ``outer(gradient[b], query[b])``; it is
    left in this rank-one form because an average over prompts is then one matrix product.
    """
    attention, error, loss = layer(Q, prompts)
    # loss -> prediction: error; prediction -> attention:
    to_attention = (prompts.labels @ error[:, :, None])[:, :, 0]
    # attention -> scores: the Jacobian of a softmax is diag(a) - a a'
    mean = np.sum(attention * to_attention, axis=1, keepdims=True)
    to_scores = attention * (to_attention - mean)
    # scores -> Q x_q
    return loss, (to_scores[:, None, :] @ prompts.tokens)[:, 0, :]


# ----------------------------------------------------------------------------------------- the experiment


@dataclass(frozen=True, eq=False)
class Experiment:
    """What is simulated. Arrays are copied to read-only float64.

    ``probabilities`` (K,), K >= 2: the law p of tokens and query.
    ``prompt_length``: N >= 1, or None for N = infinity (the counts of a prompt are p itself).
    ``gram`` (K, K), symmetric positive semidefinite: ``<v_m, v_n>``; None: orthonormal features.
    ``kernel`` (K, K), likewise: ``E f(v_m) f(v_n)`` of a Gaussian task with mean zero; None: ``gram``, linear tasks.
    ``query``: None, the query is drawn from p and the loss is the population loss ``L = sum_k p_k L_k``; an index k
    (from 0), only the term ``p_k L_k`` is trained on, and the loss reported is ``L_k``, without the factor.

    ``features`` (K, K) and ``tasks`` (K, K) are derived: rows v_k with ``features @ features.T == gram``, and
    ``tasks @ tasks.T == kernel``, both up to rounding.

    Raises InputError, naming the entry or the eigenvalue at fault.
    """

    probabilities: Array
    prompt_length: int | None = None
    gram: Array | None = None
    kernel: Array | None = None
    query: int | None = None
    features: Array = field(init=False, repr=False)
    tasks: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        probabilities = _probabilities(self.probabilities)
        size = len(probabilities)
        gram, features = _gram_and_factor(self.gram, size, "gram")
        kernel, tasks = _gram_and_factor(self.kernel, size, "kernel")
        if self.prompt_length is not None:
            object.__setattr__(self, "prompt_length", _integer(self.prompt_length, "prompt_length", least=1))
        if self.query is not None:
            query = _integer(self.query, "query", least=0)
            if query >= size:
                raise InputError(
                    f"there is no feature {query}",
                    where="query",
                    remedy=f"give an index from 0 to {size - 1}, or None for a query drawn from the probabilities",
                )
            object.__setattr__(self, "query", query)
        derived = {
            "probabilities": probabilities,
            "gram": gram,
            "kernel": kernel,
            "features": features,
            "tasks": features if kernel is None else tasks,
        }
        for name, value in derived.items():
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def scores(self, Q: Array) -> Array:
        """Return the scores (K, K), ``scores[n, k] = v_n' Q v_k``, of a trained matrix Q (d, d)."""
        return self.features @ Q @ self.features.T

    def start(self) -> Array:
        """Return the trained matrix at step 0: zero, (d, d)."""
        return np.zeros((self.features.shape[1],) * 2)


def _probabilities(value: object) -> Array:
    p = float_array(value, "probabilities", _LARGEST_ENTRY)
    if p.ndim != 1 or len(p) < 2:
        raise InputError(
            f"an array of shape {p.shape}",
            where="probabilities",
            remedy="give one probability for each of K >= 2 features",
        )
    if p.min() < 0:
        m = int(p.argmin())
        raise InputError(f"probabilities[{m}] is {p[m]}", where="probabilities", remedy="no probability is negative")
    total = math.fsum(p)
    if abs(total - 1) > 1e-12:
        raise InputError(
            f"they sum to {total!r}, not 1", where="probabilities", remedy="make them sum to 1 within 1e-12"
        )
    return p


def _gram_and_factor(value: object, size: int, where: str) -> tuple[Array | None, Array]:
    """Return the checked matrix (None stays None) and V with ``V V' = matrix``; the identity for None."""
    if value is None:
        return None, np.eye(size)
    matrix = float_array(value, where, _LARGEST_ENTRY)
    if matrix.shape != (size, size):
        raise InputError(
            f"its shape is {matrix.shape}", where=where, remedy=f"give a {size} x {size} matrix, one row a feature"
        )
    scale = float(np.abs(matrix).max())
    skew = np.abs(matrix - matrix.T)
    m, n = divmod(int(skew.argmax()), size)
    if skew[m, n] > _ROUNDING * scale:
        raise InputError(
            f"not symmetric: {where}[{m}, {n}] is {matrix[m, n]} but {where}[{n}, {m}] is {matrix[n, m]}",
            where=where,
            remedy="give a symmetric matrix",
        )
    eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if eigenvalues[0] < -_ROUNDING * size * scale:
        raise InputError(
            f"not positive semidefinite: its least eigenvalue is {eigenvalues[0]:.6g}",
            where=where,
            remedy="give a matrix of inner products or of second moments",
        )
    # An eigenvalue that is zero but for rounding would give its feature a spurious direction of size 1e-8.
    kept = np.where(eigenvalues > _ROUNDING * size * scale, eigenvalues, 0.0)
    return matrix, vectors * np.sqrt(kept)


def _integer(value: object, where: str, *, least: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InputError(f"{where} is {value!r}", where=where, remedy=f"give an integer, at least {least}")
    return number


def _step_size(eta: float) -> float:
    try:
        step = float(eta)
    except (TypeError, ValueError, OverflowError):
        step = math.nan
    if not (math.isfinite(step) and step >= 0):
        raise InputError(f"eta is {eta!r}", where="eta", remedy="give a finite step size, zero or more")
    return step


# ------------------------------------------------------------------------------------ one step of descent


class CountVectors(NamedTuple):
    """Every prompt up to order: ``counts`` (C, K) and the chance of each, ``chances`` (C,), summing to 1."""

    counts: Array
    chances: Array


def count_vectors(experiment: Experiment) -> CountVectors:
    """List all token counts of a prompt with their multinomial chances; at N = infinity the one vector p.

    Chances come from log-factorials in float64, relative error about ``N log(N) 2^-52``, and are normalised.
    Raises InputError when there are too many to enumerate.
    """
    p, length = experiment.probabilities, experiment.prompt_length
    if length is None:
        return CountVectors(p[None, :], np.ones(1))
    bars = len(p) - 1
    number = math.comb(length + bars, bars)
    if number > MAX_COUNT_VECTORS or number * len(p) > MAX_COUNTS:
        amount = str(number) if number < 10**15 else "more than 10^15"
        raise InputError(
            f"{amount} count vectors of {len(p)} features are too many to enumerate",
            where=f"prompt_length = {length}",
            remedy=f"sample instead: give prompts= (the limits are {MAX_COUNT_VECTORS} vectors, {MAX_COUNTS} entries)",
        )
    # Stars and bars: where the K - 1 bars stand among N + K - 1 places fixes the K counts between them.
    places = chain.from_iterable(combinations(range(length + bars), bars))
    inner = np.fromiter(places, dtype=np.int64, count=number * bars).reshape(number, bars)
    counts = np.diff(inner, axis=1, prepend=-1, append=length + bars) - 1
    log_factorial = np.array([math.lgamma(n + 1.0) for n in range(length + 1)])
    log_p = np.log(np.where(p > 0, p, 1.0))
    log_chance = log_factorial[length] - log_factorial[counts].sum(axis=1) + counts @ log_p
    possible = ~np.any(counts[:, p == 0] > 0, axis=1)
    counts, chances = counts[possible], np.exp(log_chance[possible])
    return CountVectors(counts.astype(np.float64), chances / chances.sum())


def population_step(
    experiment: Experiment, Q: Array, eta: float, vectors: CountVectors | None = None
) -> tuple[Array, float]:
    """Take one step ``Q - eta dL/dQ`` (d, d) on the exact population loss, and the loss at the Q given.

    Prompts are enumerated by their counts for every query. A task enters the mean squared error through second moments
    only, so the K columns of ``experiment.tasks`` side by side stand for all of them. ``vectors`` is
    ``count_vectors(experiment)``, to be handed over where many steps are taken. Raises InputError as that does, and for
    a negative eta.
    """
    eta = _step_size(eta)
    counts, chances = count_vectors(experiment) if vectors is None else vectors
    features, tasks, p = experiment.features, experiment.tasks, experiment.probabilities
    queries = np.flatnonzero(p) if experiment.query is None else np.array([experiment.query])
    loss, gradient = 0.0, np.zeros_like(Q)
    pairs = len(counts) * len(queries)
    block = max(1, _BLOCK // (2 * len(p)))
    for first in range(0, pairs, block):
        prompt, position = np.divmod(np.arange(first, min(first + block, pairs)), len(queries))
        k = queries[position]
        batch = Prompts(features[None], tasks[None], features[k], tasks[k], counts[prompt])
        losses, left = layer_gradient(Q, batch)
        chance = chances[prompt]
        loss += float((chance if experiment.query is not None else chance * p[k]) @ losses)
        gradient += ((chance * p[k])[:, None] * left).T @ features[k]
    return _descend(Q, gradient, eta), loss


class SampledStep(NamedTuple):
    """A step on sampled prompts: the next Q (d, d), the mean loss at the Q given, and two standard errors.

    ``gradient_standard_error`` (K, K) is that of the mean gradient seen in the scores, ``V (dL/dQ) V'``.
    """

    Q: Array
    loss: float
    loss_standard_error: float
    gradient_standard_error: Array


def sampled_step(experiment: Experiment, Q: Array, eta: float, prompts: int, rng: np.random.Generator) -> SampledStep:
    """Take one step on ``prompts`` (>= 2) fresh prompts: tokens, query and Gaussian task all drawn, token by token.

    At N = infinity only the query and the task are drawn. Standard errors are sample standard deviations over
    ``sqrt(prompts)``; entries that no sampled prompt touched have standard error 0. Raises InputError for a negative
    eta, fewer than 2 prompts, or more or longer prompts than fit in memory.
    """
    eta, prompts = _step_size(eta), _sample_size(experiment, prompts)
    features, p = experiment.features, experiment.probabilities
    share = 1.0 if experiment.query is None else float(p[experiment.query])
    length = experiment.prompt_length
    block = max(1, _BLOCK // ((length or 1) * features.shape[1]))
    losses = np.empty(prompts)
    total, squares = np.zeros_like(Q), np.zeros((len(p), len(p)))
    for first in range(0, prompts, block):
        batch = _draw(experiment, min(block, prompts - first), rng)
        losses[first : first + block], left = layer_gradient(Q, batch)
        total += left.T @ batch.query
        squares += ((left @ features.T) ** 2).T @ ((batch.query @ features.T) ** 2)
    mean = total / prompts
    # A difference of rounded numbers: nonnegative in exact arithmetic, so what falls below zero is zero.
    variance = np.maximum(squares - prompts * experiment.scores(mean) ** 2, 0.0) / (prompts - 1)
    return SampledStep(
        _descend(Q, share * mean, eta),
        float(losses.mean()),
        float(losses.std(ddof=1)) / math.sqrt(prompts),
        share * np.sqrt(variance / prompts),
    )


def _sample_size(experiment: Experiment, prompts: int) -> int:
    number = _integer(prompts, "prompts", least=2)
    if number > MAX_PROMPTS:
        raise InputError(
            f"{number} prompts a step are too many", where="prompts", remedy=f"give at most {MAX_PROMPTS} prompts"
        )
    if (experiment.prompt_length or 1) * len(experiment.features) > MAX_SAMPLED_ENTRIES:
        raise InputError(
            "a prompt is too long to sample token by token",
            where=f"prompt_length = {experiment.prompt_length}",
            remedy=f"give at most {MAX_SAMPLED_ENTRIES // len(experiment.features)} tokens, or None for N = infinity",
        )
    return number


def _draw(experiment: Experiment, number: int, rng: np.random.Generator) -> Prompts:
    """Draw ``number`` independent prompts, each with its own query and its own task."""
    features, p, length = experiment.features, experiment.probabilities, experiment.prompt_length
    size = len(p)
    k = np.full(number, experiment.query) if experiment.query is not None else rng.choice(size, size=number, p=p)
    values = rng.standard_normal((number, experiment.tasks.shape[1])) @ experiment.tasks.T  # f(v_1..v_K)
    target = np.take_along_axis(values, k[:, None], axis=1)
    if length is None:
        return Prompts(features[None], values[:, :, None], features[k], target, p[None, :])
    drawn = rng.choice(size, size=(number, length), p=p)
    labels = np.take_along_axis(values, drawn, axis=1)[:, :, None]
    return Prompts(features[drawn], labels, features[k], target)


def _descend(Q: Array, gradient: Array, eta: float) -> Array:
    with np.errstate(over="ignore"):
        after: Array = Q - eta * gradient
    if not np.all(np.abs(after) <= _LARGEST_WEIGHT):
        raise InputError(
            f"an entry of Q passes {_LARGEST_WEIGHT:g}", where=f"eta = {eta:g}", remedy="take a smaller step size"
        )
    return after


# -------------------------------------------------------------------------------------------- many steps


class Row(NamedTuple):
    """The state after n steps: ``scores`` (K, K), the loss there, and standard errors (None when exact)."""

    n: int
    scores: Array
    loss: float
    loss_standard_error: float | None
    scores_standard_error: Array | None


@dataclass(frozen=True, eq=False)
class Simulation:
    """The state after ``steps`` steps: ``scores`` (K, K) with ``scores[n, k] = v_n' Q v_k``, and the loss there.

    Standard errors are None for exact enumeration. That of the loss is the one of its mean over the last step's
    prompts, at the Q reached. Those of the scores (K, K) add the steps' gradient errors in quadrature, times eta: the
    sampling noise to first order, that is, without what earlier noise does to later gradients.
    """

    steps: int
    scores: Array
    loss: float
    loss_standard_error: float | None
    scores_standard_error: Array | None


def simulate_rows(experiment: Experiment, eta: float, *, prompts: int | None = None, seed: int = 0) -> Iterator[Row]:
    """Yield rows for n = 0, 1, 2, ... without end, from Q = 0; the caller stops.

    ``prompts`` None: exact enumeration (p itself at N = infinity); an integer >= 2: that many fresh prompts each step,
    the same ones for the same ``seed``. Raises InputError at once for a bad eta, prompts or seed, or too many count
    vectors.
    """
    eta, seed = _step_size(eta), _integer(seed, "seed", least=0)
    if prompts is None:
        return _exact_rows(experiment, eta, count_vectors(experiment))
    return _sampled_rows(experiment, eta, _sample_size(experiment, prompts), np.random.default_rng(seed))


def _exact_rows(experiment: Experiment, eta: float, vectors: CountVectors) -> Iterator[Row]:
    Q, n = experiment.start(), 0
    while True:
        after, loss = population_step(experiment, Q, eta, vectors)
        yield Row(n, experiment.scores(Q), loss, None, None)
        Q, n = after, n + 1


def _sampled_rows(experiment: Experiment, eta: float, prompts: int, rng: np.random.Generator) -> Iterator[Row]:
    Q, n = experiment.start(), 0
    variance = np.zeros_like(experiment.scores(Q))
    while True:
        step = sampled_step(experiment, Q, eta, prompts, rng)
        yield Row(n, experiment.scores(Q), step.loss, step.loss_standard_error, eta * np.sqrt(variance))
        variance = variance + step.gradient_standard_error**2
        Q, n = step.Q, n + 1


def simulate(
    experiment: Experiment,
    eta: float,
    steps: int | None = None,
    *,
    prompts: int | None = None,
    seed: int = 0,
    until: Callable[[Array, float], bool] | None = None,
    max_steps: int = DEFAULT_MAX_STEPS,
) -> Simulation:
    """Train for ``steps`` steps, or to the first n >= 0 at which ``until(scores, loss)`` holds: give one of the two.

    ``prompts`` and ``seed`` are as in `simulate_rows`; with sampled prompts ``until`` sees the sampled loss, noise
    included. Raises InputError for bad input and BudgetError when ``max_steps`` does not suffice.
    """
    max_steps = _integer(max_steps, "max_steps", least=0)
    if (steps is None) == (until is None):
        given = "neither steps nor until" if steps is None else "both steps and until"
        raise InputError(f"{given} given", where="simulate", remedy="give a number of steps, or a condition to stop at")
    if steps is not None:
        steps = _integer(steps, "steps", least=0)
        if steps > max_steps:
            raise BudgetError(f"{steps} steps asked for", where=f"max_steps = {max_steps}", remedy="raise max_steps")
    for row in simulate_rows(experiment, eta, prompts=prompts, seed=seed):
        if row.n == steps or (until is not None and until(row.scores, row.loss)):
            return Simulation(*row)
        if row.n == max_steps:
            break
    raise BudgetError(
        f"the condition was not met within {max_steps} steps; the loss is {row.loss:.6g}",
        where=f"max_steps = {max_steps}",
        remedy="raise max_steps, or ask for less",
    )
