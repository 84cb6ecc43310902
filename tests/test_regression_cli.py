"""``symicl trace`` on a softmax regression from a file: JSON, rows, figures, conditions and exit codes.

Property: whatever number type and rule, the JSON has one shape, its balls hold the reference, and an error is one line.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from command_line import answer, refusal, run

from symicl import Run, iterate
from symicl.descent import process_of
from symicl.systems.files import read_system

PLAIN = """
[regression]
A = [[1, 2], ["1/2", -1], [0.3, 0]]
b = ["1/2", "1/3", "1/6"]
x = [1, "-1/2"]
"""
KEYS = {
    "schema_version",
    "system",
    "steps",
    "states",
    "loss",
    "guarantee",
    "method",
    "arithmetic",
    "parameters",
    "eta",
    "digits",
    "outcome",
    "shift",
}


@pytest.fixture
def problem(tmp_path: Path) -> str:
    return written(tmp_path, PLAIN)


def written(folder: Path, text: str, name: str = "problem.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def holds(ball: dict[str, str], value: str) -> bool:
    """Whether a printed ball holds a decimal of more digits."""
    return abs(Decimal(ball["mid"]) - Decimal(value)) <= Decimal(ball["rad"]) + Decimal("1e-70")


def reference(file: str, steps: int, eta: object = 1) -> dict[str, str]:
    result = iterate(process_of(read_system(Path(file))), Run(sp.sympify(eta), steps=steps, dps=80), "mp")
    names = [*map(str, result.process.states), "loss"]
    return {
        name: result.arithmetic.as_json(value, 80)["mid"] or ""
        for name, value in zip(names, (*result.states, result.loss), strict=True)
    }


class TestJson:
    """One shape for every number type, rule and trained quantity."""

    def test_balls(self, problem: str) -> None:
        found = answer("trace", problem, "--eta", "1", "--steps", "5")
        assert set(found) == KEYS
        assert (found["system"], found["steps"], found["outcome"]) == ("problem", 5, "reached")
        assert (found["guarantee"], found["arithmetic"], found["digits"]) == ("certified", "ball", 50)
        assert found["parameters"] == {"rows": 3, "columns": 2}
        expected = reference(problem, 5)
        assert set(found["states"]) == {"x1", "x2"}
        for name, ball in {**found["states"], "loss": found["loss"]}.items():
            assert holds(ball, expected[name])
            assert Decimal(ball["rad"]) <= abs(Decimal(ball["mid"])) * Decimal("1e-50")

    @pytest.mark.parametrize("number_type", ["mp", "float64"])
    def test_other_number_types(self, problem: str, number_type: str) -> None:
        found = answer("trace", problem, "--eta", "1", "--steps", "5", "--arithmetic", number_type)
        assert set(found) == KEYS
        assert (found["guarantee"], found["digits"]) == ("supported", None)
        expected = reference(problem, 5)
        for name, value in {**found["states"], "loss": found["loss"]}.items():
            assert value["rad"] is None
            assert float(value["mid"]) == pytest.approx(float(expected[name]), rel=1e-13)

    def test_the_trained_matrix(self, tmp_path: Path) -> None:
        file = written(tmp_path, PLAIN + 'train = "A"\n')
        found = answer("trace", file, "--eta", "1/3", "--steps", "3")
        assert list(found["states"]) == ["A1_1", "A1_2", "A2_1", "A2_2", "A3_1", "A3_2"]
        expected = reference(file, 3, sp.Rational(1, 3))
        assert all(holds(ball, expected[name]) for name, ball in found["states"].items())
        assert found["eta"] == "1/3"

    def test_numpy_arrays_are_the_written_ones(self, tmp_path: Path) -> None:
        np.save(tmp_path / "A.npy", np.array([[1, 2], [0.5, -1], [0.25, 0]]))
        inside = written(tmp_path, PLAIN.replace("0.3", "0.25"), "inside.toml")
        beside = written(tmp_path, PLAIN.replace('[[1, 2], ["1/2", -1], [0.3, 0]]', '"A.npy"'), "beside.toml")
        first, second = (answer("trace", file, "--eta", "1", "--steps", "4") for file in (inside, beside))
        assert first == second | {"system": "inside"}

    def test_the_start(self, problem: str) -> None:
        """No step, no shift; the states are the data, exactly."""
        found = answer("trace", problem, "--eta", "1", "--steps", "0")
        assert set(found) == KEYS - {"shift"}
        assert found["states"] == {"x1": {"mid": "1", "rad": "0"}, "x2": {"mid": "-0.5", "rad": "0"}}

    @pytest.mark.parametrize("train", ["x", "A"])
    def test_the_shift_of_b_is_within_its_bound(self, tmp_path: Path, train: str) -> None:
        """``|f(new) - f(old)| <= constant * |step|`` (arXiv 2304.13276); the constant is half a norm of the data."""
        file = written(tmp_path, PLAIN + f'train = "{train}"\n')
        shift = answer("trace", file, "--eta", "1", "--steps", "3")["shift"]
        norm, step, constant = (Decimal(shift[name]["mid"]) for name in ("norm", "step", "constant"))
        assert 0 < norm <= constant * step
        data = read_system(Path(file)).data
        fixed = data.matrix if train == "x" else data.point
        expected = np.linalg.norm(np.array(fixed, dtype=float), 2) / 2
        assert float(constant) == pytest.approx(float(expected), rel=1e-12)

    def test_exact_zeros(self, tmp_path: Path) -> None:
        """At a symmetric minimum all is 0 and known to every digit asked for."""
        file = written(tmp_path, '[regression]\nA = [[1, 0], [0, 1]]\nb = ["1/2", "1/2"]\nx = [0, 0]\n')
        found = answer("trace", file, "--eta", "1", "--steps", "3", "--dps", "20")
        assert found["digits"] == 20
        assert found["loss"] == {"mid": "0", "rad": "0"}

    def test_for_a_reader(self, problem: str) -> None:
        result = run("trace", problem, "--eta", "1", "--steps", "2")
        assert (result.exit_code, result.stderr) == (0, "")
        first, step, *_ = result.stdout.splitlines()
        assert (first, step) == ("problem, rows = 3, columns = 2", "step  2 (reached)")
        assert "shift of b in the last step" in result.stdout


class TestRules:
    """Newton's method where there is one; what has none is refused, or undecided."""

    def test_newton(self, tmp_path: Path) -> None:
        """Regularised, it ends where the gradient vanishes: a gradient step from there moves nothing."""
        text = PLAIN + "w = [1, 1, 1]\n"
        found = answer("trace", written(tmp_path, text), "--eta", "1", "--steps", "8", "--rule", "newton")
        assert found["guarantee"] == "certified"
        end = ", ".join(f'"{ball["mid"]}"' for ball in found["states"].values())
        there = written(tmp_path, text.replace('[1, "-1/2"]', f"[{end}]"), "there.toml")
        assert Decimal(answer("trace", there, "--eta", "1", "--steps", "1")["shift"]["step"]["mid"]) < Decimal("1e-48")

    def test_newton_is_damped_by_eta(self, tmp_path: Path) -> None:
        file = written(tmp_path, PLAIN + "w = [1, 1, 1]\n")
        whole, half = (answer("trace", file, "--eta", e, "--steps", "1", "--rule", "newton") for e in ("1", "1/2"))
        for name, start in {"x1": Decimal(1), "x2": Decimal("-0.5")}.items():
            moved = [Decimal(found["states"][name]["mid"]) - start for found in (whole, half)]
            assert moved[0] == pytest.approx(2 * moved[1], rel=Decimal("1e-25"))

    def test_newton_on_a_singular_system_is_undecided(self, tmp_path: Path) -> None:
        file = written(tmp_path, "[regression]\nA = [[0.3], [0.3]]\nb = [1, 0]\nx = [1]\n")
        line = refusal("trace", file, "--eta", "1", "--steps", "1", "--dps", "10", "--rule", "newton", code=4)
        assert "singular" in line
        assert "regularization" in line

    def test_newton_is_for_a_vector(self, tmp_path: Path) -> None:
        file = written(tmp_path, PLAIN + 'train = "A"\n')
        assert "train x" in refusal("trace", file, "--eta", "1", "--steps", "1", "--rule", "newton")

    def test_newton_needs_arrays(self) -> None:
        words = ("huang2024.balanced", "--set", "K=8", "--set", "N=inf", "--eta", "1", "--steps", "1")
        assert "--rule" in refusal("trace", *words, "--rule", "newton")

    def test_unknown_rule(self, problem: str) -> None:
        assert "momentum" in refusal("trace", problem, "--eta", "1", "--steps", "1", "--rule", "momentum")

    def test_rational_numbers_have_no_softmax(self, problem: str) -> None:
        line = refusal("trace", problem, "--eta", "1", "--steps", "1", "--arithmetic", "rational")
        assert "not rational" in line


HUGE = """
[regression]
A = [[1000000, 1e6], [2, 1000000], [-1e6, 999999.5]]
b = ["1/2", "1/3", "1/6"]
x = [1, "-1/2"]
"""


class TestHugeEntries:
    """Exponents far beyond the range of exp overflow in no number type."""

    @pytest.mark.parametrize("train", ["x", "A"])
    @pytest.mark.parametrize("entry", ["1000000", "1e100"])
    def test_float64_follows_the_balls(self, tmp_path: Path, train: str, entry: str) -> None:
        text = HUGE.replace("1000000", entry) + f'train = "{train}"\n'
        file = written(tmp_path, text)
        words = ("trace", file, "--eta", "1", "--steps", "3")
        rough, sure = answer(*words, "--arithmetic", "float64"), answer(*words)
        assert rough["outcome"] == sure["outcome"] == "reached"
        for name, ball in {**sure["states"], "loss": sure["loss"]}.items():
            value = {**rough["states"], "loss": rough["loss"]}[name]
            assert float(value["mid"]) == pytest.approx(float(ball["mid"]), rel=1e-9, abs=1e-9)

    def test_a_step_beyond_float64_is_an_error(self, tmp_path: Path) -> None:
        """Where float64 overflows all the same, the states are not printed as numbers."""
        text = '[regression]\nA = [[1e200, 0], [0, 1e200]]\nb = ["1/2", 1e300]\nx = ["1e-200", 0]\n'
        words = ("trace", written(tmp_path, text), "--eta", "1e200", "--steps", "3", "--arithmetic", "float64")
        assert "not finite" in refusal(*words, code=4)


class TestUntil:
    """The first step that meets a condition, or why there is none."""

    def test_reached(self, problem: str) -> None:
        found = answer("trace", problem, "--eta", "1", "--until", "loss<=1/100")
        before = answer("trace", problem, "--eta", "1", "--steps", str(found["steps"] - 1))
        assert Decimal(found["loss"]["mid"]) <= Decimal("0.01") < Decimal(before["loss"]["mid"])

    @pytest.mark.parametrize("condition", ["x1 > 11/10", "x2*x1 >= -1/10", "x1 + x2 - loss > 1"])
    def test_conditions_on_states(self, problem: str, condition: str) -> None:
        found = answer("trace", problem, "--eta", "1", "--until", condition)
        assert (found["outcome"], found["steps"] > 0) == ("reached", True)

    def test_already_met(self, problem: str) -> None:
        assert answer("trace", problem, "--eta", "1", "--until", "loss<=1")["steps"] == 0

    @pytest.mark.parametrize("condition", ["loss<=-1", "loss<-1/10**30", "-1>=loss", "loss<0", "0>loss"])
    def test_below_the_infimum(self, problem: str, condition: str) -> None:
        """A sum of squares never gets there: refused at once, not after the last step of the budget."""
        assert "infimum" in refusal("trace", problem, "--eta", "1", "--until", condition)

    @pytest.mark.parametrize("condition", ["loss<=0", "loss<=1/10**40"])
    def test_a_budget_that_is_spent(self, problem: str, condition: str) -> None:
        """A target that no one can rule out runs to the end of its budget: exit code 4, and how far it came."""
        found = answer("trace", problem, "--eta", "1", "--until", condition, "--max-steps", "5", code=4)
        assert (found["outcome"], found["steps"]) == ("max-steps", 5)

    @pytest.mark.parametrize(
        "condition", ["y1 > 0", "loss", "loss <= 1/0", "loss <= inf", "1/x1 > 0", "A1_1 > 0", "x[1] > 0", "alpha > 0"]
    )
    def test_bad_conditions(self, problem: str, condition: str) -> None:
        refusal("trace", problem, "--eta", "1", "--until", condition)


class TestRows:
    """``--out`` holds every step, and the last row is the answer."""

    def test_rows(self, problem: str, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        found = answer("trace", problem, "--eta", "1", "--steps", "4", "--out", str(out))
        rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
        assert list(rows[0]) == ["step", "x1_mid", "x1_rad", "x2_mid", "x2_rad", "loss_mid", "loss_rad"]
        assert [row["step"] for row in rows] == ["0", "1", "2", "3", "4"]
        assert (rows[0]["x1_mid"], rows[0]["x1_rad"]) == ("1", "0")
        for row in rows:
            expected = reference(problem, int(row["step"]))
            for name in ("x1", "x2", "loss"):
                assert holds({"mid": row[f"{name}_mid"], "rad": row[f"{name}_rad"]}, expected[name])
        assert Decimal(rows[-1]["x1_mid"]) == Decimal(found["states"]["x1"]["mid"])

    def test_rows_of_float64_have_no_radius(self, problem: str, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        answer("trace", problem, "--eta", "1", "--steps", "1", "--out", str(out), "--arithmetic", "float64")
        assert {row["x1_rad"] for row in csv.DictReader(out.read_text(encoding="utf-8").splitlines())} == {""}

    def test_no_folder(self, problem: str, tmp_path: Path) -> None:
        assert "--out" in refusal(
            "trace", problem, "--eta", "1", "--steps", "1", "--out", str(tmp_path / "no" / "rows.csv")
        )


MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="figures need matplotlib")
class TestPlot:
    """A figure is drawn or an error says why before the work starts; no warning is left on stderr."""

    @pytest.mark.parametrize("kind", sorted(MAGIC))
    def test_formats(self, problem: str, tmp_path: Path, kind: str) -> None:
        file = tmp_path / f"path.{kind}"
        found = answer("trace", problem, "--eta", "1", "--steps", "3", "--plot", str(file))
        assert found["plot"] == str(file)
        assert file.read_bytes().startswith(MAGIC[kind])

    def test_what_is_drawn(self, problem: str, tmp_path: Path) -> None:
        """The file's name as it is, the states by name, and the shift with its bound."""
        file = tmp_path / "path.svg"
        answer("trace", problem, "--eta", "1", "--steps", "3", "--plot", str(file))
        drawn = file.read_text(encoding="utf-8")
        for text in ("problem.toml", "x1", "x2", "shift of b", "proved bound", "loss"):
            assert f"<!-- {text} -->" in drawn or text in drawn

    @pytest.mark.parametrize("name", ["path.gif", "path", "path.svgz", ".png", "no/path.png", "path.toml"])
    def test_bad_names(self, problem: str, tmp_path: Path, name: str) -> None:
        line = refusal("trace", problem, "--eta", "1", "--steps", "1", "--plot", str(tmp_path / name))
        assert "--plot" in line

    def test_a_folder_of_that_name(self, problem: str, tmp_path: Path) -> None:
        (tmp_path / "path.png").mkdir()
        assert "cannot write" in refusal(
            "trace", problem, "--eta", "1", "--steps", "1", "--plot", str(tmp_path / "path.png")
        )

    @pytest.mark.parametrize("name", [r"a$\frac$b.toml", "$x^2.toml", "данные 数据.toml", "a_b^c{}.toml"])
    def test_any_name_of_a_file(self, tmp_path: Path, name: str) -> None:
        """A title is no formula, and letters that a font does not have are no error."""
        file = written(tmp_path, PLAIN, name)
        answer("trace", file, "--eta", "1", "--steps", "2", "--plot", str(tmp_path / "path.png"))
        assert (tmp_path / "path.png").stat().st_size > 0

    @pytest.mark.parametrize(
        "text",
        [
            '[regression]\nA = [[1, 0], [0, 1]]\nb = ["1/2", "1/2"]\nx = [0, 0]\n',  # all zero: nothing for a logarithm
            "[regression]\nA = [[1]]\nb = [1]\nx = [3]\n",  # one row: f is 1, whatever x
            '[regression]\nA = [[1e400, 0], [0, 1]]\nb = ["1/2", "1/2"]\nx = ["1e-400", 0]\n',
            HUGE,
        ],
    )
    @pytest.mark.parametrize("steps", ["0", "2"])
    def test_any_path(self, tmp_path: Path, text: str, steps: str) -> None:
        answer("trace", written(tmp_path, text), "--eta", "1", "--steps", steps, "--plot", str(tmp_path / "path.png"))

    def test_a_loss_that_is_not_rational(self, tmp_path: Path) -> None:
        """Exact steps of a layer have states and no loss: the figure has a gap there."""
        words = ("huang2024.balanced", "--set", "K=8", "--set", "N=inf", "--eta", "1", "--arithmetic", "rational")
        found = answer("trace", *words, "--steps", "1", "--plot", str(tmp_path / "path.png"))
        assert found["loss"] is None
        assert (tmp_path / "path.png").exists()


class TestFiles:
    """What is wrong in a file is one line, exit code 2."""

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("0.3", "nan", "regression.A[2][0]"),
            ('"1/6"]', '"1/6", 1]', "b has 4 numbers"),
            (', "-1/2"]', "]", "x has 1 numbers"),
            ("[0.3, 0]", "[0.3]", "rows of different lengths"),
            ("[regression]", "[regressions]", "regressions"),
            ("0.3", "9" * 5000, "not a TOML file"),
            ('["1/2", "1/3", "1/6"]', '"absent.npy"', "absent.npy"),
        ],
    )
    def test_bad_files(self, tmp_path: Path, old: str, new: str, problem: str) -> None:
        file = written(tmp_path, PLAIN.replace(old, new))
        assert problem in refusal("trace", file, "--eta", "1", "--steps", "1")

    def test_train_neither(self, tmp_path: Path) -> None:
        file = written(tmp_path, PLAIN + 'train = "B"\n')
        assert 'write "x" or "A"' in refusal("trace", file, "--eta", "1", "--steps", "1")

    def test_a_file_gives_all_values(self, problem: str) -> None:
        assert "--set" in refusal("trace", problem, "--set", "n=3", "--eta", "1", "--steps", "1")

    @pytest.mark.parametrize("eta", ["0", "-1", "inf", "0.1.2", "1/0"])
    def test_bad_steps(self, problem: str, eta: str) -> None:
        assert "--eta" in refusal("trace", problem, "--eta", eta, "--steps", "1")

    def test_the_oracle_ends_where_the_trace_does(self, problem: str) -> None:
        """``symicl simulate`` on the same file, in float64 and by other means."""
        words = (problem, "--eta", "1", "--steps", "4")
        traced, simulated = answer("trace", *words), answer("simulate", *words)
        for name, ball in {**traced["states"], "loss": traced["loss"]}.items():
            value = {**simulated["states"], "loss": simulated["loss"]}[name]
            assert float(value["mid"]) == pytest.approx(float(ball["mid"]), rel=1e-12)

    def test_derive_shows_the_notation(self, problem: str) -> None:
        found = answer("derive", problem)
        assert [item["state"] for item in found["updates"]] == ["x[j]"]
        assert [item["name"] for item in found["definitions"]] == ["alpha", "f[i]", "c[i]"]
        assert "exp" not in found["updates"][0]["expr"]
