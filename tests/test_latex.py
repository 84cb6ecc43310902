"""What is typeset compiles, fits the page and is the same in every run.

Properties: every display compiles without an overfull line or an undefined reference; the bytes do not depend on the
hash seed; labels are unique; every derived expression has LaTeX with balanced braces.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sympy as sp
from ranged_latex import factors

from proofs.huang2024.systems import SYSTEMS, balanced, dominant, generic, underrepresented
from proofs.li2023.systems import SYSTEMS as RANGED
from symicl.derive import derive
from symicl.expectation import Expectation, Multinomial
from symicl.indices import SumOver
from symicl.reduce import reduce_system
from symicl.render.display import LINE, Equation, prose, width
from symicl.render.latex import paper_latex, standalone, system_latex
from symicl.render.printer import expression_latex

ROOT = Path(__file__).parents[1]
TITLE = "Convergence: 100% of the updates & their parts, v_1 with k >= 2"
REGIMES = {"finite": {}, "infinite": {"N": sp.oo}}
NAMED = (balanced, dominant, underrepresented)


@pytest.fixture(scope="module")
def paper() -> str:
    return paper_latex(TITLE, SYSTEMS)


@pytest.fixture(scope="module")
def ranged_paper() -> str:
    return paper_latex(TITLE, (*RANGED, factors()))


@pytest.fixture(scope="module", params=["features", "ranges"])
def any_paper(request: pytest.FixtureRequest, paper: str, ranged_paper: str) -> str:
    return {"features": paper, "ranges": ranged_paper}[request.param]


def balanced_braces(latex: str) -> bool:
    depth = 0
    for token in re.findall(r"\\.|[{}]", latex, flags=re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0 and latex.count(r"\left") == latex.count(r"\right")


def compiled(source: str, folder: Path) -> str:
    """The log of the last of two runs, joined where TeX breaks its lines."""
    (folder / "paper.tex").write_text(source, encoding="utf-8")
    environment = {**os.environ, "max_print_line": "10000"}
    for _ in range(2):
        done = subprocess.run(
            ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace")


def complaints(log: str) -> list[str]:
    return re.findall(r"^.*(?:Overfull|Underfull|LaTeX Warning|undefined|multiply defined).*$", log, flags=re.MULTILINE)


def needs_pdflatex() -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")


@pytest.mark.typeset
def test_paper_compiles_and_fits(any_paper: str, tmp_path: Path) -> None:
    """The whole paper, with every equation referred to."""
    needs_pdflatex()
    labels = re.findall(r"\\label\{([^}]*)\}", any_paper)
    references = "\n\n".join(rf"\eqref{{{label}}}" for label in labels)
    assert complaints(compiled(standalone(f"{any_paper}\n{references}", TITLE), tmp_path)) == []


@pytest.mark.typeset
def test_the_check_can_fail(tmp_path: Path) -> None:
    """A line that is not broken, and a reference to nothing, are both seen."""
    needs_pdflatex()
    terms = " + ".join(f"x_{{{i}}}" for i in range(60))
    found = complaints(compiled(standalone(rf"\begin{{align}} y &= {terms} \end{{align}} \eqref{{none}}"), tmp_path))
    assert any("Overfull" in line for line in found)
    assert any("undefined" in line for line in found)


@pytest.mark.typeset
def test_estimated_widths_are_not_too_small(any_paper: str, tmp_path: Path) -> None:
    """Every line is at most as wide as estimated, measured by TeX itself; so lines broken at ``LINE`` fit."""
    needs_pdflatex()
    blocks = re.findall(r"\\begin\{align\}\n(.*?)\n\\end\{align\}", any_paper, flags=re.DOTALL)
    lines = [re.sub(r"\\(nonumber|label\{[^}]*\})", "", line) for block in blocks for line in block.split(" \\\\\n")]
    rows = [line.replace("&", "") for line in lines]
    body = "\n".join(rf"\setbox0=\hbox{{$\displaystyle {row}$}}\typeout{{WIDTH \the\wd0}}" for row in rows)
    measured = [float(x) for x in re.findall(r"WIDTH ([\d.]+)pt", compiled(standalone(body + " x"), tmp_path))]
    assert len(measured) == len(rows)
    for row, points in zip(rows, measured, strict=True):
        assert points <= width(row) + 5, row
        assert points <= LINE + 20, row


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_output_does_not_depend_on_the_hash_seed(paper: str, seed: str) -> None:
    code = (
        "import sys; from proofs.huang2024.systems import SYSTEMS; from symicl.render.latex import paper_latex; "
        "sys.stdout.write(paper_latex(sys.argv[1], SYSTEMS))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, TITLE], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == paper


def test_labels_are_unique_and_safe(paper: str) -> None:
    labels = re.findall(r"\\label\{([^}]*)\}", paper)
    assert len(labels) == len(set(labels))
    assert all(re.fullmatch(r"eq(:[A-Za-z0-9.-]+)+", label) for label in labels)
    expected = ["A", "B1", "B", "conserved1", "loss", "infinite:A", "reduced:D2", "infinite:reduced:loss"]
    assert {f"eq:huang2024.underrepresented:{name}" for name in expected} <= set(labels)
    assert {f"eq:huang2024.generic:{name}" for name in ("attention", "loss", "alpha", "beta")} <= set(labels)


def test_every_abbreviation_is_defined_once_and_used(paper: str) -> None:
    for section in paper.split(r"\subsection")[1:]:
        names = re.findall(r"^([ZP]_\{\d+\}) &=", section, flags=re.MULTILINE)
        assert len(names) == len(set(names))
        assert set(re.findall(r"[ZP]_\{\d+\}", section)) == set(names)
        assert all(section.count(name) > 1 for name in names)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("family", NAMED, ids=lambda family: family.id)
def test_every_derived_expression_has_latex(family, regime: str) -> None:
    system = family(**REGIMES[regime])
    recurrence = reduce_system(system)
    expressions = [
        *(update.expression for update in derive(system)),
        *(state.update for state in recurrence.symmetric.states),
        *recurrence.updates,
        *recurrence.conserved,
        recurrence.symmetric.loss,
        system.loss,
    ]
    for expression in expressions:
        latex = expression_latex(expression)
        assert latex.strip()
        assert balanced_braces(latex)
        assert "SumOver" not in latex and "KroneckerDelta" not in latex and "Expectation" not in latex


def test_general_updates_read_as_in_the_paper() -> None:
    latex = system_latex(generic)
    squares = r"\sum_{m \neq k} a_{m,k}^{2}"
    assert rf"\left(\left(1 - a_{{k,k}}\right)^{{2}} + {squares}\right)" in latex
    assert r"A_{k}^{(t+1)} &= A_{k}^{(t)} + \eta \alpha_{k}" in latex
    assert r"B_{k,n}^{(t+1)} &= B_{k,n}^{(t)} + \eta \beta_{k,n}" in latex


def test_numbers_for_parameters() -> None:
    """A system at numbers, without classes left symbolic or a finite prompt, is typeset too."""
    latex = system_latex(underrepresented(K=3, N=2, p1=sp.Rational(1, 2)))
    assert balanced_braces(latex)
    assert r"\mathrm{Multinomial}" in latex
    assert "infinite" not in latex


x, y, p1 = sp.Symbol("x", real=True), sp.Symbol("y", real=True), sp.Symbol("p1", positive=True)
K = sp.Symbol("K", integer=True, positive=True)
m, k = sp.Symbol("m", integer=True, positive=True), sp.Symbol("k", integer=True, positive=True)
S = sp.IndexedBase("S")


@pytest.mark.parametrize(
    ("expression", "latex"),
    [
        (sp.S.Zero, "0"),
        (-x, "- x"),
        (sp.Rational(-1, 2) * x, r"- \frac{x}{2}"),
        ((p1 - 1) ** 2 * x, r"\left(1 - p_{1}\right)^{2} x"),
        (1 / (K - 1), r"\frac{1}{K - 1}"),
        (sp.exp(x) * sp.exp(2 * y) / K**2, r"\frac{e^{x + 2 y}}{K^{2}}"),
        (sp.exp(-x), "e^{- x}"),
        (sp.log(x), r"\log{\left(x \right)}"),
        (sp.exp(x) ** 2, "e^{2 x}"),
        (SumOver(S[m, k] + 1, m, K, (k,)), r"\sum_{m \neq k} \left(S_{m,k} + 1\right)"),
        (SumOver(S[m, k], m, K) ** 2, r"\left(\sum_{m=1}^{K} S_{m,k}\right)^{2}"),
        (p1 * Expectation(x**2, Multinomial(K, ((x, 1),))), r"p_{1} \mathbb{E}\left[x^{2}\right]"),
    ],
)
def test_notation(expression: sp.Expr, latex: str) -> None:
    assert expression_latex(expression) == latex


def test_symbols_of_the_system_are_used() -> None:
    rest = sp.Symbol("n_rest", integer=True)
    assert expression_latex(rest) == r"n_{\mathrm{rest}}"
    assert expression_latex(rest, (("n_rest", "n_{-}"),)) == "n_{-}"


def test_long_sums_are_broken_between_terms() -> None:
    terms = tuple(f"+ x_{{{i}}}" for i in range(60))
    rows = Equation("eq:long", "y", terms).rows()
    assert len(rows) > 1
    assert sum(r"\label{eq:long}" in row for row in rows) == 1
    assert all(width(re.sub(r"\\(nonumber|label\{.*\})", "", row)) <= LINE + 1 for row in rows)
    assert re.findall(r"x_\{\d+\}", " ".join(rows)) == [term[2:] for term in terms]


def test_prose_is_escaped() -> None:
    assert prose("50% & v_1, k >= 2") == r"50\% \& $v_{1}$, $k \ge 2$"
    assert prose("a{b}#c") == r"a\{b\}\#c"


def test_scores_of_correlated_features_are_carried_over():
    """Rates are those of orthonormal features; one equation carries them over the inner products."""
    from proofs.li2025.systems import correlated

    text = system_latex(correlated)
    step = r"S_{n,k}^{(t+1)} &= S_{n,k}^{(t)} + \eta \sum_{l=1}^{K} \Gamma_{k,l} \left(\Gamma_{l,n} \alpha_{l} + "
    assert step in text
    assert text.count("(t+1)") == 1
    assert r"\label{eq:li2025.correlated:scores}" in text
