"""The systems of "On the Training Convergence of Transformers for In-Context Classification of Gaussian Mixtures".

Linear attention with one trained matrix W (arXiv 2410.11778). ``mixture`` and ``classes`` leave the law of the means
open but for their equal norm; ``line`` and ``axes`` give it, and can be trained: means +a and -a in one dimension, and
the means +e_i and -e_i of a direction drawn for each prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from symicl.systems.base import Parameter, System, SystemFamily
from symicl.systems.gaussian_mixture import MixtureData, classes, mixture, on_data

DIMENSIONS = Parameter(sp.Symbol("d", integer=True, positive=True), "dimension of a point", minimum=1)
CLASSES = Parameter(sp.Symbol("c", integer=True, positive=True), "classes", minimum=2)
LENGTH = Parameter(sp.Symbol("N", integer=True, positive=True), "prompt length", minimum=1, infinite=True)
SIZE = Parameter(sp.Symbol("a", positive=True), "size of the means", above=sp.S.Zero)


def _mixture(v: Mapping[str, sp.Expr]) -> System:
    return mixture(v["d"], v["N"], id="shen2025.mixture", title=mixture_family.title)


def _classes(v: Mapping[str, sp.Expr]) -> System:
    return classes(v["c"], v["d"], id="shen2025.classes", title=class_family.title)


def _line(v: Mapping[str, sp.Expr]) -> System:
    one, a, length = sp.S.One, v["a"], v["N"]
    if a.free_symbols or length.free_symbols:
        return mixture(one, length, id="shen2025.line", title=line.title)
    data = MixtureData(((one,),), (((a,), (-a,)),), (one,), length)
    return on_data(data, id="shen2025.line", title=line.title)


def _axes(v: Mapping[str, sp.Expr]) -> System:
    d, length = v["d"], v["N"]
    if d.free_symbols or length.free_symbols:
        return mixture(d, length, id="shen2025.axes", title=axes.title)
    rows = tuple(tuple(sp.Integer(int(i == j)) for j in range(int(d))) for i in range(int(d)))
    tasks = tuple((row, tuple(-x for x in row)) for row in rows)
    return on_data(MixtureData(rows, tasks, (1 / d,) * int(d), length), id="shen2025.axes", title=axes.title)


mixture_family = SystemFamily("shen2025.mixture", "two classes, any law of their means", (DIMENSIONS, LENGTH), _mixture)
class_family = SystemFamily(
    "shen2025.classes", "c classes at infinite prompt length, any law of their means", (CLASSES, DIMENSIONS), _classes
)
line = SystemFamily("shen2025.line", "one dimension, unit variance, means +a and -a", (LENGTH, SIZE), _line)
axes = SystemFamily(
    "shen2025.axes", "means +e_i and -e_i, i drawn for each prompt, Lambda = 1", (DIMENSIONS, LENGTH), _axes
)

SYSTEMS = (mixture_family, class_family, line, axes)

__all__ = ["SYSTEMS", "axes", "class_family", "line", "mixture_family"]
