"""Classification on the command line: files of data and named systems, JSON of a fixed shape, errors with a remedy."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import answer, refusal, run

DATA = 'x = [[1, 2], [2, "1/2"], [-1, -3], [1, "-1/3"]]\ny = [1, 1, -1, 1]\n'
OPPOSITE = "x = [[1, 2], [-1, -2], [2, 1]]\ny = [1, 1, 1]\n"
OBSERVED = ["least", "margin", "gap", "turn"]


def file(folder: Path, text: str = DATA) -> str:
    path = folder / "points.toml"
    path.write_text(f"[classification]\n{text}", encoding="utf-8")
    return str(path)


def middle(ball: dict[str, str]) -> Decimal:
    return Decimal(ball["mid"])


def inside(value: float, ball: dict[str, str], allowed: float = 1e-12) -> bool:
    return abs(Decimal(value) - middle(ball)) <= Decimal(ball["rad"] or "0") + Decimal(allowed)


# ------------------------------------------------------------------------------------------------ trace


def test_trace_a_file(tmp_path: Path) -> None:
    """States, loss and observables are balls; the file's sizes are its parameters; nothing that is sampled."""
    found = answer("trace", file(tmp_path), "--eta", "1", "--steps", "3", "--dps", "20")
    assert found["states"].keys() == {"w1", "w2"}
    assert list(found["observables"]) == OBSERVED
    assert found["parameters"] == {"data": 4, "coordinates": 2}
    assert (found["steps"], found["outcome"], found["guarantee"], found["method"]) == (
        3,
        "reached",
        "certified",
        "step",
    )
    assert found["digits"] >= 20
    for ball in (*found["states"].values(), *found["observables"].values(), found["loss"]):
        assert set(ball) == {"mid", "rad"}
        assert 0 <= Decimal(ball["rad"]) < Decimal("1e-17")
    margin, gap = found["observables"]["margin"], found["observables"]["gap"]
    assert abs(middle(margin) + middle(gap) - 1) < Decimal("1e-18")  # the best margin of these points is 1


def test_a_file_and_the_named_system_are_one(tmp_path: Path) -> None:
    """``zhang2026.separable`` has the data of the file above."""
    words = ("--eta", "1/2", "--steps", "5", "--dps", "15")
    one, other = answer("trace", file(tmp_path), *words), answer("trace", "zhang2026.separable", *words)
    for part in ("states", "observables", "loss", "digits"):
        assert one[part] == other[part]


@pytest.mark.parametrize("number_type", ["ball", "mp", "float64"])
def test_observables_at_the_start(tmp_path: Path, number_type: str) -> None:
    """At w = 0 there is a least margin, 0, and no direction: null in JSON, a word for a reader, in every arithmetic."""
    words = ("trace", file(tmp_path), "--eta", "1", "--steps", "0", "--arithmetic", number_type)
    found = answer(*words)
    assert Decimal(found["observables"]["least"]["mid"]) == 0
    assert [found["observables"][name] for name in OBSERVED[1:]] == [None] * 3
    assert "gap  undefined" in run(*words).stdout


def test_points_at_the_origin_have_no_margin(tmp_path: Path) -> None:
    """Where w stays 0 the margin is undefined, not 0."""
    found = answer("trace", file(tmp_path, "x = [[0, 0]]\ny = [1]\n"), "--eta", "1", "--steps", "2")
    assert found["observables"]["margin"] is None
    assert list(found["observables"]) == ["least", "margin"]


@pytest.mark.parametrize("objective", ["normalized", "plain"])
def test_until_the_least_margin(tmp_path: Path, objective: str) -> None:
    """The first step that meets a condition on an observable: the one before does not meet it."""
    path = file(tmp_path, DATA + f'objective = "{objective}"\n')
    found = answer("trace", path, "--eta", "1", "--until", "least >= 3", "--dps", "10")
    before = answer("trace", path, "--eta", "1", "--steps", str(found["steps"] - 1), "--dps", "10")
    assert middle(found["observables"]["least"]) >= 3 > middle(before["observables"]["least"])


def test_a_condition_that_is_never_met_spends_the_budget(tmp_path: Path) -> None:
    """No direction separates opposite points: ``least > 0`` is met at no step."""
    found = answer("trace", file(tmp_path, OPPOSITE), "--eta", "1", "--until", "least > 0", "--max-steps", "30", code=4)
    assert (found["steps"], found["outcome"]) == (30, "max-steps")
    assert middle(found["observables"]["least"]) <= 0


def test_out_has_the_observables(tmp_path: Path) -> None:
    """A column pair for each, blank where it is undefined; the last row is the result."""
    out = tmp_path / "rows.csv"
    words = ("trace", file(tmp_path), "--eta", "1", "--steps", "4", "--dps", "15", "--out", str(out))
    found = answer(*words)
    with out.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    names = ["w1", "w2", "loss", *OBSERVED]
    assert list(rows[0]) == ["step", *(f"{name}_{part}" for name in names for part in ("mid", "rad"))]
    assert [row["step"] for row in rows] == list("01234")
    assert (rows[0]["least_mid"], rows[0]["gap_mid"], rows[0]["gap_rad"]) == ("0", "", "")
    for name in OBSERVED:
        assert {"mid": rows[-1][f"{name}_mid"], "rad": rows[-1][f"{name}_rad"]} == found["observables"][name]
        assert all(float(row[f"{name}_mid"]) > 0 for row in rows[1:])


def test_plot_has_a_panel_for_what_is_positive(tmp_path: Path) -> None:
    """Least, margin, gap and turn for separable points, on axes where a power is a line; none where they are not."""
    pytest.importorskip("matplotlib")
    for text, shown in ((DATA, OBSERVED), (OPPOSITE, [])):
        figure = tmp_path / "path.svg"
        words = ("--eta", "1", "--steps", "30", "--dps", "10", "--plot", str(figure))
        assert answer("trace", file(tmp_path, text), *words)["plot"] == str(figure)
        drawn = figure.read_text(encoding="utf-8")
        for name in OBSERVED:
            assert (f"<!-- {name} -->" in drawn) == (name in shown)
    assert (
        run("trace", file(tmp_path), "--eta", "1", "--steps", "0", "--plot", str(tmp_path / "start.png")).exit_code == 0
    )


# ------------------------------------------------------------------------------------------------ simulate


@pytest.mark.parametrize("text", [DATA, OPPOSITE, DATA + "w = [0.5, -1]\n", DATA + 'objective = "plain"\n'])
def test_simulate_is_near_trace(tmp_path: Path, text: str) -> None:
    """The looped layer, or plain descent term by term, in float64 beside the balls; no standard errors."""
    path = file(tmp_path, text)
    sure = answer("trace", path, "--eta", "1/4", "--steps", "12", "--dps", "20")
    rough = answer("simulate", path, "--eta", "1/4", "--steps", "12")
    assert rough["guarantee"] == "supported"
    assert rough["states"].keys() == sure["states"].keys()
    for name, number in rough["states"].items():
        assert number["standard_error"] is None
        assert inside(float(number["mid"]), sure["states"][name])
    assert inside(float(rough["loss"]["mid"]), sure["loss"])


def test_simulate_stops_at_a_condition(tmp_path: Path) -> None:
    """At the same step as the balls."""
    path = file(tmp_path)
    steps = [answer(word, path, "--eta", "1", "--until", "least >= 5")["steps"] for word in ("trace", "simulate")]
    assert steps[0] == steps[1] > 0


def test_there_are_no_prompts_to_sample(tmp_path: Path) -> None:
    """The data are all there is."""
    assert "no prompts to sample" in refusal("simulate", file(tmp_path), "--eta", "1", "--steps", "1", "--prompts", "5")


# ------------------------------------------------------------------------------------------------ margin


def test_margin(tmp_path: Path) -> None:
    """The separator of the file, exactly; the margin is a ball around the root of its exact square."""
    found = answer("margin", file(tmp_path, "x = [[3, 0], [1, 2], [-5, -4]]\ny = [1, 1, -1]\n"))
    assert found["separable"] is True
    direction = [Fraction(str(x)) for x in found["direction"]]
    square = Fraction(str(found["squared_margin"]))
    signed = [(3, 0), (1, 2), (5, 4)]
    assert min(sum(d * x for d, x in zip(direction, row, strict=True)) for row in signed) == square
    assert sum(d * d for d in direction) == square
    assert sum(Fraction(str(weight)) for weight in found["support"].values()) == 1
    assert set(found["support"]) <= {"0", "1", "2"}
    ball = found["margin"]
    assert abs(middle(ball) ** 2 - Decimal(square.numerator) / square.denominator) < Decimal("1e-25")
    text = run("margin", file(tmp_path)).stdout
    assert "direction  (1, 0)" in text
    assert "point 3 has weight 9/10" in text


@pytest.mark.parametrize(
    ("text", "certificate"),
    [
        (OPPOSITE, "1/2 y[0] x[0] + 1/2 y[1] x[1] = 0"),
        ("x = [[1, 2], [1, 2]]\ny = [1, -1]\n", "1/2 y[0] x[0] + 1/2 y[1] x[1] = 0"),
        ("x = [[0, 0], [1, 2]]\ny = [1, -1]\n", "1 y[0] x[0] = 0"),
        ("x = [[1], [2], [-3]]\ny = [1, 1, 1]\n", "= 0"),
    ],
)
def test_no_margin_where_nothing_separates(tmp_path: Path, text: str, certificate: str) -> None:
    """Exit code 2, and the mixture of the points that is 0."""
    line = refusal("margin", file(tmp_path, text))
    assert "the points are not separable" in line
    assert certificate in line


def test_a_margin_needs_classification_data(tmp_path: Path) -> None:
    """A file of another kind, a file that is not there, and a named system."""
    path = tmp_path / "features.toml"
    path.write_text('[features]\nprobabilities = ["1/2", "1/2"]\nprompt_length = 2\n[task]\nkernel = "linear"\n')
    assert "there is no table [classification]" in refusal("margin", str(path))
    assert "cannot read" in refusal("margin", str(tmp_path / "none.toml"))


# ------------------------------------------------------------------------------------------------ derive, latex, check


def test_derive(tmp_path: Path) -> None:
    """At symbolic sizes, and at those of a file: one update, in attention a."""
    for target, size in (("zhang2026.normalized", "n"), (file(tmp_path), "4")):
        found = answer("derive", target)
        (update,) = found["updates"]
        assert update["state"] == "w[j]"
        assert update["expr"] == f"eta*sum(a[m]*x[m, j]*y[m], m in 1..{size})"
        assert r"\sum" in update["latex"]
    plain = answer("derive", "zhang2026.plain")["updates"][0]["expr"]
    assert "R" in plain


def test_derive_the_training_of_a_layer() -> None:
    """Two states, at symbolic d, s, tau and squared mean."""
    found = answer("derive", "zhang2026.training")
    assert [update["state"] for update in found["updates"]] == ["kappa", "v"]


@pytest.mark.parametrize("target", ["zhang2026.normalized", "zhang2026.separable", "zhang2026.training", "zhang2026"])
def test_latex(target: str) -> None:
    """A system or the whole paper: balanced braces and environments."""
    text = run("latex", target).stdout
    assert text.count("{") == text.count("}") > 0
    assert text.count(r"\begin") == text.count(r"\end") > 0
    assert "Least" not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zhang2026.one_step", {"proved": 4}),
        ("zhang2026.looped", {"proved": 3}),
        ("zhang2026.weight_matrices", {"proved": 3}),
        ("zhang2026.logistic", {"proved": 7}),
    ],
)
def test_check_what_holds_at_any_size(name: str, expected: dict[str, int]) -> None:
    """The layer is the step, in a loop and as matrices; the logistic bounds."""
    found = answer("check", name)
    verdicts = [each["verdict"] for each in found["claims"]]
    assert {verdict: verdicts.count(verdict) for verdict in verdicts} == expected


@pytest.mark.slow
def test_check_the_paper() -> None:
    """Every claim gets the verdict its file expects."""
    found = answer("check", "zhang2026")
    assert all(each["verdict"] == each["expected"] for each in found["claims"])
    assert {each["verdict"] for each in found["claims"]} == {"proved", "certified", "refuted", "supported"}


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = [[1, 2]]\ny = [0]\n", ("the label is 0", "y[0]", "labels are 1 or -1")),
        ("x = [[1, 2], [2, 1]]\ny = [1, 2]\n", ("the label is 2", "y[1]")),
        ("x = [[1, 2]]\ny = [0.5]\n", ("the label is 1/2", "y[0]")),
        ('x = [[1, 2]]\ny = ["a"]\n', ("'a' is not a number", "y[0]")),
        ("x = [[1, 2]]\ny = [true]\n", ("not an exact number", "y[0]")),
        ("x = []\ny = []\n", ("the data set is empty", "classification.x")),
        ("x = [[]]\ny = [1]\n", ("or empty", "classification.x")),
        ("x = [[1, 2]]\ny = []\n", ("or empty", "classification.y")),
        ("x = [1, 2]\ny = [1]\n", ("not a matrix", "classification.x")),
        ("x = [[1, 2], [1]]\ny = [1, 1]\n", ("rows of different lengths",)),
        ("x = [[1, 2]]\ny = [1, -1]\n", ("2 labels for 1 points",)),
        ("x = [[1, 2]]\ny = [1]\nw = [1]\n", ("the start has 1 numbers, not 2",)),
        ("x = [[nan, 2]]\ny = [1]\n", ("'nan' is not a number", "x[0][0]")),
        ("x = [[1, inf]]\ny = [1]\n", ("x[0][1]",)),
        ("x = [[1, 2]]\ny = [1]\nw = [nan, 0]\n", ("w[0]",)),
        ('x = [[1, 2]]\ny = [1]\nobjective = "fast"\n', ("there is no objective 'fast'", '"normalized" or "plain"')),
        ('x = [[1, 2]]\ny = [1]\nobjective = ["plain"]\n', ("there is no objective",)),
        ("x = [[1, 2]]\n", ("there is no y",)),
        ("x = [[1, 2]]\ny = [1]\nz = 3\n", ("unknown key 'z'",)),
        ('x = [["__import__(1)", 2]]\ny = [1]\n', ("x[0][0]",)),
        ('x = "none.npy"\ny = [1]\n', ("cannot read", "none.npy")),
    ],
)
@pytest.mark.parametrize("command", [("trace", "--eta", "1", "--steps", "1"), ("margin",)])
def test_bad_files(tmp_path: Path, text: str, problem: Sequence[str], command: Sequence[str]) -> None:
    """What is wrong, the entry, and what to do about it; exit code 2, whatever the command."""
    line = refusal(command[0], file(tmp_path, text), *command[1:])
    assert all(part in line for part in problem)


def test_npy_files(tmp_path: Path) -> None:
    """Arrays from NumPy are the dyadic numbers that they are; integers and floats alike."""
    points, labels = np.array([[1, 2], [2, 0.5], [-1, -3]]), np.array([1, 1, -1])
    np.save(tmp_path / "x.npy", points)
    np.save(tmp_path / "y.npy", labels)
    named = file(tmp_path, 'x = "x.npy"\ny = "y.npy"\n')
    found = answer("margin", named)
    assert found == {**answer("margin", file(tmp_path, "x = [[1, 2], [2, 0.5], [-1, -3]]\ny = [1, 1, -1]\n"))}


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        ("x", np.array([[1.0, np.nan]]), ("not finite", "x[0][1]")),
        ("x", np.array([[np.inf, 1.0]]), ("not finite", "x[0][0]")),
        ("x", np.array([1.0, 2.0]), ("1 axes",)),
        ("x", np.zeros((0, 2)), ("or empty",)),
        ("x", np.array([[1.0 + 2.0j, 1.0]]), ("complex",)),
        ("y", np.array([0.0]), ("the label is 0", "y[0]")),
        ("y", np.array([True]), ("bool",)),
        ("y", np.array(["1"]), ("axes",)),
    ],
)
def test_bad_npy_files(tmp_path: Path, name: str, array: np.ndarray[Any, Any], problem: Sequence[str]) -> None:
    """NaN, infinity, the wrong shape or type, and labels that are none."""
    np.save(tmp_path / f"{name}.npy", array)
    entries = {"x": "[[1, 2]]", "y": "[1]", name: f'"{name}.npy"'}
    line = refusal("margin", file(tmp_path, "".join(f"{key} = {value}\n" for key, value in entries.items())))
    assert all(part in line for part in problem)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--steps", "2", "--eta", "0"), "the step size is 0"),
        (("--steps", "2", "--eta", "nan"), "'nan' is not a number"),
        (("--steps", "-1", "--eta", "1"), "negative"),
        (("--until", "loss <= -1", "--eta", "1"), "the loss never gets there"),
        (("--until", "gaps <= 1", "--eta", "1"), "unknown name 'gaps'"),
        (("--steps", "2", "--eta", "1", "--set", "n=3"), "a file gives all values itself"),
        (("--until", "margin >= 1/2", "--eta", "1"), "divides by what may be zero"),
    ],
)
def test_bad_options(tmp_path: Path, words: Sequence[str], problem: str) -> None:
    """As for any other system."""
    assert problem in refusal("trace", file(tmp_path), *words)


def test_there_is_no_gap_to_wait_for_where_nothing_separates(tmp_path: Path) -> None:
    """The names that there are stand in the error."""
    line = refusal("trace", file(tmp_path, OPPOSITE), "--eta", "1", "--until", "gap <= 1")
    assert "unknown name 'gap'" in line
    assert "least, loss, margin" in line


def test_symbolic_data_are_not_traced() -> None:
    """Sizes alone are no data."""
    assert "no value for" in refusal("trace", "zhang2026.normalized", "--eta", "1", "--steps", "1")
    sized = ("zhang2026.normalized", "--set", "n=3", "--set", "d=2")
    assert "data is left open" in refusal("trace", *sized, "--eta", "1", "--steps", "1")
