"""Which state each entry of the score matrix belongs to: between a system's few states and its K x K scores.

For systems of structured features with concrete data; features are numbered from 0 as in ``PromptData``.
"""

from __future__ import annotations

import sympy as sp

from symicl.errors import InputError
from symicl.symmetry import entry_symbol
from symicl.systems.base import System
from symicl.systems.structured_features import PromptData


def prompt_data(system: System) -> PromptData:
    """The system's data for prompts. Raises ``InputError`` where it has none."""
    if not isinstance(system.data, PromptData) or system.features is None or not system.features.classes:
        raise InputError(
            "the system has no concrete list of features",
            where=system.id,
            remedy="give every parameter a value, and no more than 10000 features",
        )
    return system.data


def state_of_scores(system: System) -> dict[tuple[int, int], sp.Symbol]:
    """The state symbol of each trained score: ``(n, k)`` is ``v_n' Q v_k``; one column where the query is fixed.

    Raises ``InputError`` for a system without concrete data.
    """
    data = prompt_data(system)
    names = _class_names(system, data)
    variable = system.coordinates[0].variable
    token, query = variable.indices
    columns = range(len(names)) if data.query is None else [data.query]
    same = {name: entry_symbol(system, variable.base[query, query], ((query, name),)) for name in set(names)}
    pairs = {(names[n], names[k]) for k in columns for n in range(len(names)) if n != k}
    other = {(n, k): entry_symbol(system, variable, ((query, k), (token, n))) for n, k in pairs}
    return {(n, k): same[names[k]] if n == k else other[names[n], names[k]] for k in columns for n in range(len(names))}


def _class_names(system: System, data: PromptData) -> list[str]:
    """The class of each feature: as the data say, else the first one of its probability that has room left."""
    assert system.features is not None
    if data.classes:
        return list(data.classes)
    room = {group.name: int(group.size) for group in system.features.classes}
    chances = {group.name: group.values[0][1] for group in system.features.classes}
    names: list[str] = []
    for probability in data.probabilities:
        name = next(name for name, left in room.items() if left and chances[name] == probability)
        room[name] -= 1
        names.append(name)
    return names
