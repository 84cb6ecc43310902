"""Systems with index ranges are printed in their own notation, and what is printed is true.

Properties: the printed formulas, read back as text and evaluated, are the loss, its gradient, a step and its second
derivatives; no letter is both free and bound in a formula, or bound twice; gathering changes no value; what does not
fit the page is left out by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from ranged_latex import CHOICES, RANGED, Reader, columns, entries, equations, factors, ranks, regression, rows

from proofs.huang2024.systems import balanced, generic
from symicl.algebra import identically_zero
from symicl.derive import derive, hessian
from symicl.gather import gather
from symicl.indices import Index, resolve
from symicl.notation import fold, unfold
from symicl.render.display import Equation, breakable
from symicl.render.latex import paper_latex, system_latex
from symicl.render.printer import expression_latex
from symicl.systems.base import Coordinate, FeatureSet, IndexRange, System
from symicl.systems.softmax_regression import shape


@cache
def section(train: str, regularized: bool) -> str:
    return system_latex(regression(train, regularized))


@cache
def factors_section() -> str:
    return system_latex(factors())


SIZES = {"n": 3, "d": 2, "r": 2}


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def gradients(loss: Callable[[np.ndarray], complex], at: np.ndarray) -> np.ndarray:
    """By complex steps, exact to rounding."""
    steps = np.eye(at.size).reshape(at.size, *at.shape)
    return np.array([loss(at + 1e-30j * step).imag / 1e-30 for step in steps]).reshape(at.shape)


def hessians(loss: Callable[[np.ndarray], complex], at: np.ndarray) -> np.ndarray:
    """By central differences of complex steps: right to about 1e-9 for losses and steps of order 1."""
    steps = 1e-5 * np.eye(at.size).reshape(at.size, *at.shape)
    differences = [(gradients(loss, at + step) - gradients(loss, at - step)) / 2e-5 for step in steps]
    return np.array(differences).reshape(at.shape + at.shape)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@given(seed=st.integers(0, 2**32))
def test_printed_regression_is_the_loss_and_its_derivatives(choice: tuple[str, bool], seed: int) -> None:
    train, regularized = choice
    known = {"A": some(seed, 3, 2), "x": some(seed + 1, 2), "b": some(seed + 2, 3), "w": some(seed + 3, 3)}

    def loss(trained: np.ndarray) -> complex:
        data = {**known, train: trained}
        scores = data["A"] @ data["x"]
        weights = np.exp(scores) / np.exp(scores).sum()
        extra = ((data["w"] * scores) ** 2).sum() if regularized else 0
        return (((weights - data["b"]) ** 2).sum() + extra) / 2

    text = equations(section(*choice))
    values: dict[str, Any] = {**SIZES, **known, "\\eta": 0.75}
    values["\\alpha"] = entries(text["alpha"], values)[()]
    for name in "fc":
        values[name] = entries(text[name], values, 3)
    at, sizes = known[train], known[train].shape
    stem, other = ("x-j", "x-k") if train == "x" else ("A-ij", "A-lk")
    slope = gradients(loss, at)
    scale = max(1, np.abs(known["A"]).max() ** 2, np.abs(known["x"]).max() ** 2) * 10
    assert entries(text["loss"], values)[()] == pytest.approx(loss(at), rel=1e-12)
    np.testing.assert_allclose(entries(text[f"gradient:{stem}"], values, *sizes), slope, atol=1e-12 * scale)
    stepped = entries((text[stem][0].replace("^{(t+1)}", ""), text[stem][1]), values, *sizes)
    np.testing.assert_allclose(stepped, at - 0.75 * slope, atol=1e-12 * scale)
    second = entries(text[f"hessian:{stem}:{other}"], values, *sizes, *sizes)
    np.testing.assert_allclose(second, hessians(loss, at), atol=1e-7 * scale**2)


@given(seed=st.integers(0, 2**32))
def test_printed_factors_are_the_loss_and_its_derivatives(seed: int) -> None:
    """Letters are scarce here, so that a captured index would show."""
    shapes = {"U": (3, 2), "V": (2, 2), "g": ()}
    at, target = some(seed, 11), some(seed + 1, 3, 2)
    part = {"U": slice(0, 6), "V": slice(6, 10), "g": slice(10, 11)}

    def loss(vector: np.ndarray) -> complex:
        U, V, g = (vector[part[name]].reshape(sizes) for name, sizes in shapes.items())
        return ((g * U @ V.T - target) ** 2).sum() / 2

    def objective(vector: np.ndarray) -> complex:
        return loss(vector) + (vector[part["U"]] ** 2).sum()

    text = equations(factors_section())
    values = {**SIZES, "M": target, **{name: at[part[name]].reshape(sizes)[()] for name, sizes in shapes.items()}}
    scale = 100 * max(1, np.abs(at).max(), np.abs(target).max()) ** 6
    assert entries(text["objective"], values)[()] == pytest.approx(objective(at), abs=1e-14 * scale)
    assert entries(text["loss"], values)[()] == pytest.approx(loss(at), abs=1e-14 * scale)
    slope, second = gradients(objective, at), hessians(objective, at)
    stems = {name: stem for stem in ("U-ii-1", "V-ji", "g") for name in stem[:1]}
    for name, sizes in shapes.items():
        printed = entries(text[f"gradient:{stems[name]}"], values, *sizes)
        np.testing.assert_allclose(printed.ravel(), slope[part[name]], atol=1e-13 * scale)
    for one, other in combinations_with_replacement(shapes, 2):
        (name,) = (name for name in text if re.fullmatch(f"hessian:{stems[one]}:{other}.*", name))
        printed = entries(text[name], values, *shapes[one], *shapes[other])
        expected = second[part[one], part[other]].reshape(shapes[one] + shapes[other])
        np.testing.assert_allclose(printed, expected, atol=1e-9 * scale)


def test_the_reader_sees_captured_indices() -> None:
    values = {"n": 2, "A": np.array([[1.0, 2.0], [3.0, 5.0]]), "x": np.array([1.0, 10.0])}
    assert Reader(r"\sum_{i=1}^{n} x_{i} \sum_{j=1}^{n} A_{i,j} - x_{k}", values).read()({"k": 1}) == 82
    assert Reader(r"\frac{1}{2} \left(x_{k} + e^{0}\right)^{2} \delta_{k,k}", values).read()({"k": 2}) == 60.5
    with pytest.raises(AssertionError, match="bound where it has a meaning"):
        Reader(r"\sum_{i=1}^{n} x_{i} \sum_{i=1}^{n} A_{i,i}", values).read()({})
    with pytest.raises(AssertionError, match="bound where it has a meaning"):
        Reader(r"x_{i} + \sum_{i=1}^{n} x_{i}", values).read()({"i": 1})
    with pytest.raises(KeyError):
        Reader(r"\sum_{i=1}^{n} x_{i} + x_{i}", values).read()({})


def test_regression_reads_as_in_the_paper() -> None:
    text = {name: f"{left} = {right}" for name, (left, right) in equations(section("x", False)).items()}
    residual = r"\left(c_{i} - \sum_{l=1}^{n} c_{l} f_{l}\right)"
    assert r"\alpha = \sum_{i=1}^{n} e^{\sum_{j=1}^{d} A_{i,j} x_{j}} " in text["alpha"].replace("=  ", "= ")
    assert r"f_{i} =  \frac{e^{\sum_{j=1}^{d} A_{i,j} x_{j}}}{\alpha} " in text["f"]
    assert "c_{i} =  f_{i} - b_{i} " in text["c"]
    assert r"L_{\exp} =  \frac{1}{2} \sum_{i=1}^{n} c_{i}^{2} " in text["loss"]
    step = rf"x_{{j}}^{{(t+1)}} =  x_{{j}}^{{(t)}} - \eta \sum_{{i=1}}^{{n}} A_{{i,j}} f_{{i}} {residual} "
    assert step in text["x-j"]
    assert r"\frac{\partial^{2} L_{\exp}}{\partial x_{j} \partial x_{k}} = " in text["hessian:x-j:x-k"]
    assert (
        r"\left(c_{i} + c_{l} + f_{i} + f_{l} - \sum_{m=1}^{n} f_{m} \left(2 c_{m} + f_{m}\right)\right)"
        in (text["hessian:x-j:x-k"])
    )
    trained_matrix = equations(section("A", False))
    assert rf"A_{{i,j}}^{{(t)}} - \eta f_{{i}} x_{{j}} {residual} " in trained_matrix["A-ij"][1]
    assert r"\delta_{i,l} f_{i} x_{j} x_{k} \left(c_{i} + f_{i} - " in trained_matrix["hessian:A-ij:A-lk"][1]


def test_a_loss_stays_as_defined_where_the_notation_is_no_shorter() -> None:
    squares = r"\left(g \sum_{i_{1}=1}^{r} U_{i,i_{1}} V_{j,i_{1}} - M_{i,j}\right)^{2} "
    assert (
        rf"\frac{{1}}{{2}} \sum_{{i=1}}^{{n}} \sum_{{j=1}}^{{d}} {squares}" in equations(factors_section())["loss"][1]
    )


def test_parameters_and_ranges_are_introduced() -> None:
    assert r"Parameters: $n \ge 1$ (rows), $d \ge 1$ (columns)." in section("x", False)
    ranges = r"over the rows ($i, l, m, h = 1, \dots, n$) and the columns ($j, k, r, s = 1, \dots, d$)."
    assert ranges in section("x", False)
    assert "The prediction is $f_{i}$." in section("x", False)
    assert "the columns ($j, i = 1, \\dots, d$) and the ranks" in factors_section()
    numbers = system_latex(regression("x", False)(n=3, d=1))
    assert "($i, l, m, h = 1, 2, 3$)" in numbers and "($j, k, r, s = 1$)" in numbers
    assert "Parameters" not in numbers and r"\sum_{i=1}^{3} c_{i}^{2}" in numbers


def test_features_and_ranges_together() -> None:
    """Bound features and bound indices of ranges keep apart, in one system."""
    S, over = sp.IndexedBase(sp.Symbol("S", real=True)), IndexRange("rows", rows, ("m",))
    query = sp.Symbol("k", integer=True, positive=True)
    features = FeatureSet(ranks)
    loss = features.sum(lambda feature: sp.exp(over.sum(lambda i: S[feature, i] ** 2)))
    trained = (Coordinate(S[query, over.index("i")]),)
    latex = system_latex(
        System(
            id="both", title="both", loss=loss, objective=loss, coordinates=trained, features=features, ranges=(over,)
        )
    )
    assert r"L &= \sum_{m=1}^{r} e^{\sum_{m_{1}=1}^{n} S_{m,m_{1}}^{2}} " in latex
    assert r"\partial S_{k,m}} &= 2 S_{k,m} e^{\sum_{m_{1}=1}^{n} S_{k,m_{1}}^{2}} " in latex


def test_general_systems_come_first() -> None:
    order = re.findall(r"\\subsection\{(.*)\}", paper_latex("paper", [balanced, factors(), generic]))
    assert order[0] == "Factors" and order[2].startswith(balanced.title[:1].upper() + balanced.title[1:5])


def test_ranged_labels_are_unique_and_safe() -> None:
    paper = paper_latex("paper", RANGED)
    labels = re.findall(r"\\label\{([^}]*)\}", paper)
    assert len(labels) == len(set(labels))
    assert all(re.fullmatch(r"eq(:[A-Za-z0-9.-]+)+", label) for label in labels)
    assert {"eq:factors:hessian:g:g", "eq:regression.x:gradient:x-j", "eq:regression.x:x-j"} <= set(labels)
    assert "abbreviations" not in paper


over = shape(rows, columns)
A, f, c, v, u = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in ("A", "f", "c", "v", "u"))
i, other, j = over.rows.index("i"), over.rows.index("l"), over.columns.index("j")
RANGES = (over.rows, over.columns)


def test_bound_letters_avoid_what_is_free_and_what_is_around() -> None:
    """A letter is skipped when it is free anywhere in the formula, even where that would not capture it."""
    sums = over.rows.sum(lambda a: v[a] * over.rows.sum(lambda b: u[b]))
    assert expression_latex(sums * c[i], (), RANGES) == (
        r"c_{i} \left(\sum_{l=1}^{n} u_{l}\right) \sum_{l=1}^{n} v_{l}"
    )
    nested = over.rows.sum(lambda a: sp.exp(over.rows.sum(lambda b: A[a, b]) * v[a]))
    assert expression_latex(nested, (), RANGES) == r"\sum_{i=1}^{n} e^{v_{i} \sum_{l=1}^{n} A_{i,l}}"
    free = over.rows.sum(lambda a: A[a, j] * sp.exp(over.columns.sum(lambda b: A[a, b])))
    assert r"\sum_{k=1}^{d} A_{i,k}" in expression_latex(free, (), RANGES)
    assert r"\sum_{j=1}^{d}" not in expression_latex(free, ()), "not even where no ranges are given"


def test_letters_that_mean_something_are_skipped_and_then_numbered() -> None:
    few = (IndexRange("rows", rows, ("e", "n", "t", "a")),)
    total = few[0].sum(lambda a: v[a])
    assert expression_latex(total, (), few) == r"\sum_{a=1}^{n} v_{a}"
    free = Index("a", "rows")
    assert expression_latex(total + v[free], (), few) == r"v_{a} + \sum_{e_{1}=1}^{n} v_{e_{1}}"


def test_gathered_sums_are_the_same_in_the_system() -> None:
    """Folded and gathered, then unfolded: the update and the second derivatives, not changed and no longer."""
    for choice in CHOICES:
        system = regression(*choice)()
        variable = system.coordinates[0].variable
        second = variable.xreplace({j: over.columns.index("k"), i: other})
        for expression in (derive(system)[0].expression, hessian(system, variable, second), system.loss):
            folded = fold(system, expression)
            gathered = gather(folded)
            assert identically_zero(resolve(unfold(system, gathered) - expression, ()))
            assert len(str(gathered)) <= len(str(folded))


def test_gathering_examples() -> None:
    summed = over.rows.sum
    two = summed(lambda a: A[a, j] * f[a]) * summed(lambda a: c[a]) - summed(lambda a: A[a, j] * c[a] * f[a])
    assert gather(two) == -summed(lambda a: A[a, j] * f[a] * (c[a] - summed(lambda b: c[b])))
    swapped = over.columns.sum(lambda a: v[a] * summed(lambda b: A[b, j] * A[b, a]))
    assert gather(swapped) == summed(lambda b: A[b, j] * over.columns.sum(lambda a: v[a] * A[b, a]))
    swapped = summed(lambda b: u[b] * over.columns.sum(lambda a: A[i, a] * A[b, a]))
    assert gather(swapped) == over.columns.sum(lambda a: A[i, a] * summed(lambda b: u[b] * A[b, a]))
    scores = over.columns.sum(lambda b: v[b] * over.columns.sum(lambda e: summed(lambda a: A[a, b] * v[e] * A[a, e])))
    assert gather(scores) == summed(lambda a: over.columns.sum(lambda b: v[b] * A[a, b]) ** 2)
    assert gather(v[i] * (A[i, j] - c[i] - f[i])) == -v[i] * (c[i] + f[i] - A[i, j])
    B, C = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "BC")
    columns_of = over.columns.sum
    deep = columns_of(lambda b: summed(lambda a: A[a, j] * A[a, b]) * summed(lambda e: C[e, b] * A[e]))
    assert gather(deep) == summed(lambda a: A[a, j] * columns_of(lambda b: A[a, b] * summed(lambda e: C[e, b] * A[e])))
    far = summed(lambda a: B[a, j] * summed(lambda e: B[e, j] * columns_of(lambda b: v[b] * A[a, b] * A[e, b])))
    assert gather(far) == columns_of(lambda b: v[b] * summed(lambda a: B[a, j] * A[a, b]) ** 2), "shorter comes first"
    delta = sp.KroneckerDelta(i, other)
    assert gather(delta * c[i] + delta * f[i] - f[other] * f[i] - f[other] * c[i]) == (c[i] + f[i]) * (delta - f[other])
    assert gather(f[i] * c[i] + f[i] * v[i] + u[i]) == f[i] * (c[i] + v[i]) + u[i]
    assert gather(sp.Float(1) * c[i]) == sp.Float(1) * c[i], "what cannot be decided is left as it came"


def test_a_wrong_form_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    expression = f[i] * c[i] + f[i] * v[i]
    monkeypatch.setattr("symicl.gather.renested", lambda whole: f[i] * c[i])
    assert gather(expression) == expression


def test_wide_products_are_broken_before_sums_and_brackets() -> None:
    term = r"- \eta \sum_{i=1}^{n} A_{i,j} \left(f_{i} \left(c_{i} + 1\right) + \sum_{l} x_{l}\right)"
    pieces = breakable(term)
    assert pieces == (r"- \eta", r"\sum_{i=1}^{n} A_{i,j}", term[term.index(r"\left") :])
    assert breakable(r"- \sum_{i} x_{i}") == (r"- \sum_{i} x_{i}",)
    wide = tuple(" ".join(["+ y", *(f"x_{{{number}}}" for number in range(size))]) for size in (8, 12))
    rows = Equation("eq:wide", "z", (*wide, r"\left(a + b\right)" + " c" * 20)).rows()
    assert [row.startswith(r"&\quad {}") for row in rows] == [False, True, True]
    assert rows[1].startswith(r"&\quad {}+ y") and rows[2].startswith(r"&\quad {}\times \left(a")


def test_what_is_too_long_is_said() -> None:
    """A second derivative of many lines is left out, by name, and a wide step is given by the gradient."""
    x = sp.IndexedBase(sp.Symbol("x", real=True))
    factors = [sp.IndexedBase(sp.Symbol(f"a{number}", real=True)) for number in range(24)]
    power = over.columns.sum(lambda at: sp.exp(x[at] ** 2 * sp.Mul(*(factor[at] for factor in factors))))
    latex = system_latex(
        System(id="long", title="long", loss=power, objective=power, coordinates=(Coordinate(x[j]),), ranges=RANGES)
    )
    assert "Too long to print are the second derivatives in $x_{j}$ and $x_{k}$." in latex
    assert r"x_{j}^{(t+1)} &= x_{j}^{(t)} - \eta \frac{\partial L}{\partial x_{j}} " in latex
