"""Which simulator a system has, and its rows in terms of the system's states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from symicl.descent import state_symbols
from symicl.errors import InputError
from symicl.scores import prompt_data, state_of_scores
from symicl.simulate import Row, simulate_rows
from symicl.simulate.gaussian_mixture import Mixture
from symicl.simulate.gaussian_mixture import descent as mixture_descent
from symicl.simulate.normalized_descent import descend, looped
from symicl.simulate.softmax_regression import Problem, descent, weight_descent
from symicl.simulate.tasks import experiment_of
from symicl.symmetry import restrict
from symicl.systems.base import System
from symicl.systems.gaussian_mixture import MixtureData
from symicl.systems.normalized_descent import ClassificationData
from symicl.systems.softmax_regression import RegressionData

DEFAULT_PROMPTS = 10_000
"""Prompts a step where they cannot be enumerated and no number is asked for."""

Value = tuple[float, float | None]
"""A number and its standard error, None where nothing is sampled."""


@dataclass(frozen=True)
class SimulatedRow:
    """One step: the states by name, the loss, and the single scores where there are any (``scores[n][k]``)."""

    step: int
    states: dict[str, Value]
    loss: Value
    scores: tuple[tuple[Value, ...], ...] = ()


def simulated_rows(system: System, eta: float, prompts: int | None, seed: int) -> Iterator[SimulatedRow]:
    """The training run of a system with data, in float64, without end.

    Raises ``InputError`` for a system without data, and for ``prompts`` where nothing is sampled.
    """
    if isinstance(system.data, RegressionData):
        if prompts is not None:
            raise InputError("there are no prompts to sample", where=f"--prompts {prompts}", remedy="leave it out")
        return _regression_rows(system, system.data, eta)
    if isinstance(system.data, ClassificationData):
        if prompts is not None:
            raise InputError("there are no prompts to sample", where=f"--prompts {prompts}", remedy="leave it out")
        return _classification_rows(system, system.data, eta)
    if isinstance(system.data, MixtureData):
        return _mixture_rows(system, system.data, eta, DEFAULT_PROMPTS if prompts is None else prompts, seed)
    data = prompt_data(system)
    experiment = experiment_of(data)
    orbits = _orbits(system)
    return (_layer_row(orbits, row) for row in simulate_rows(experiment, eta, prompts=prompts, seed=seed))


def _regression_rows(system: System, data: RegressionData, eta: float) -> Iterator[SimulatedRow]:
    problem, x = Problem(_floats(data.matrix), _floats(data.target)), _floats(data.point)
    names = [str(symbol) for symbol in state_symbols(system)]
    if data.train == "x":
        weights = None if data.weights is None else _floats(data.weights)
        for row in descent(problem, x, eta, weights):
            yield SimulatedRow(row.step, _named(names, row.x), (row.loss, None))
    elif data.weights is not None:
        raise InputError("the simulator trains A without a regularization", where=system.id, remedy="leave w out")
    else:
        for current, row in weight_descent(problem, x, eta):
            yield SimulatedRow(row.step, _named(names, current.A.ravel()), (row.loss, None))


def _mixture_rows(system: System, data: MixtureData, eta: float, prompts: int, seed: int) -> Iterator[SimulatedRow]:
    """Linear attention on sampled prompts; a batch has no error of W itself, only of its loss."""
    if prompts < 2:
        raise InputError(f"{prompts} prompts have no spread", where=f"--prompts {prompts}", remedy="give 2 or more")
    mixture = Mixture(_floats(data.covariance), _floats(data.tasks), _floats(data.weights))
    names = [str(symbol) for symbol in state_symbols(system)]
    (coordinate,) = system.coordinates
    length = None if data.length is sp.oo else int(data.length)
    for row in mixture_descent(mixture, length, _floats(coordinate.start), eta, prompts=prompts, seed=seed):
        yield SimulatedRow(row.step, _named(names, row.W.ravel()), (row.loss, row.standard_error))


def _classification_rows(system: System, data: ClassificationData, eta: float) -> Iterator[SimulatedRow]:
    """A looped layer for normalised descent, its loss term by term for plain descent."""
    names = [str(symbol) for symbol in state_symbols(system)]
    x, y, w = _floats(data.points), _floats(data.labels), _floats(data.start)
    rows = looped(x, y, w, value_scale=eta) if data.objective == "normalized" else descend(x, y, w, eta=eta)
    for row in rows:
        yield SimulatedRow(row.step, _named(names, row.w), (row.loss, None))


def _floats(values: tuple[object, ...]) -> NDArray[np.float64]:
    return np.array(values, dtype=object).astype(np.float64)


def _named(names: list[str], values: NDArray[np.float64]) -> dict[str, Value]:
    return {name: (float(value), None) for name, value in zip(names, values, strict=True)}


Orbits = dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]
"""For each state the rows and the columns of its entries in the score matrix."""


def _orbits(system: System) -> Orbits:
    members: dict[str, list[tuple[int, int]]] = {str(state.symbol): [] for state in restrict(system).states}
    for position, symbol in state_of_scores(system).items():
        members[str(symbol)].append(position)
    return {name: (np.array([n for n, _ in pos]), np.array([k for _, k in pos])) for name, pos in members.items()}


def _layer_row(orbits: Orbits, row: Row) -> SimulatedRow:
    """Each state as the mean over its entries.

    The entries are correlated, so the standard error of a mean is bounded by the mean of the standard errors.
    """
    errors = row.scores_standard_error
    states = {
        name: (float(row.scores[where].mean()), None if errors is None else float(errors[where].mean()))
        for name, where in orbits.items()
    }
    size = range(len(row.scores))
    scores = tuple(
        tuple((float(row.scores[n, k]), None if errors is None else float(errors[n, k])) for k in size) for n in size
    )
    return SimulatedRow(row.n, states, (row.loss, row.loss_standard_error), scores)
