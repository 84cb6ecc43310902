"""The command line keeps its interface: JSON of a fixed shape on stdout, errors with a remedy, exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sympy as sp
from command_line import answer, read_json, refusal, run

import symicl
from symicl import Claim
from symicl.cli import guarded
from symicl.commands import check as check_module
from symicl.output import jsonable

BALANCED = ("huang2024.balanced", "--set", "K=8", "--set", "N=inf", "--eta", "1")
LAW = 'probabilities = ["2/5", "3/10", "3/10"]'
FILE = f'[features]\n{LAW}\nprompt_length = 4\ngram = "orthonormal"\n[task]\nkernel = "linear"\n'


def toml(tmp_path: Path, text: str = FILE) -> str:
    path = tmp_path / "system.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


class TestJson:
    """Integers below 2^53 are JSON numbers, every other number is text."""

    def test_numbers(self) -> None:
        given = {"small": 2**53 - 1, "large": 2**53, "negative": -(2**53), "ratio": sp.Rational(1, 3), "float": 0.5}
        assert jsonable(given) == {
            "small": 2**53 - 1,
            "large": str(2**53),
            "negative": str(-(2**53)),
            "ratio": "1/3",
            "float": "0.5",
        }
        assert jsonable((sp.oo, None, True, sp.Integer(7))) == ["inf", None, True, 7]


class TestList:
    """Everything that can be asked for by name is listed."""

    def test_shape(self) -> None:
        listed = answer("list")
        systems = {system["id"]: system for system in listed["systems"]}
        assert all(set(system) == {"id", "title", "parameters", "states"} for system in systems.values())
        assert systems["huang2024.balanced"]["states"] == ["A", "B"]
        assert [p["name"] for p in systems["huang2024.dominant"]["parameters"]] == ["K", "N", "p1"]
        assert systems["huang2024.underrepresented"]["states"] == ["A", "B1", "B"]
        claims = listed["claims"]
        assert all(set(c) == {"id", "system", "kind", "source", "expected"} and all(c.values()) for c in claims)
        assert {c["system"] for c in claims} <= set(systems)
        assert len({c["id"] for c in claims}) == len(claims) > 20

    def test_text(self) -> None:
        result = run("list")
        assert result.exit_code == 0
        assert "huang2024.balanced" in result.stdout


class TestDerive:
    """The expressions printed are read back as the updates derived."""

    @pytest.mark.parametrize("length", [(), ("--set", "N=inf"), ("--set", "N=3")])
    def test_read_back(self, length: tuple[str, ...]) -> None:
        derived = answer("derive", "huang2024.underrepresented", "--set", "K=5", *length)
        names = {name: sp.Symbol(name) for name in ("A", "B1", "B", "eta", "p1", "N", "D1", "D2")}
        for item in derived["updates"]:
            symicl.parse_expression(item["expr"], names, expectation=symicl.multinomial_mean)
            assert item["latex"]
        assert [item["state"] for item in derived["updates"]] == ["A", "B1", "B"]
        assert [item["expr"] for item in derived["conserved"]] == ["A + 3*B + B1"]
        assert len(derived["reduced"]) == 2

    def test_value_at_the_start(self) -> None:
        """At Q = 0 and N = inf all attentions are 1/K, so A moves by eta (1/K)^2 ((K-1)/K^2 + (1-1/K)^2)."""
        derived = answer("derive", "huang2024.balanced", "--set", "K=8", "--set", "N=inf")
        names = {name: sp.Symbol(name) for name in ("A", "B", "eta")}
        update = symicl.parse_expression(derived["updates"][0]["expr"], names)
        start = update.xreplace({names["A"]: sp.S.Zero, names["B"]: sp.S.Zero, names["eta"]: sp.S.One})
        assert start == sp.Rational(1, 64) * (sp.Rational(7, 64) + sp.Rational(49, 64))

    def test_symbolic_parameters(self) -> None:
        assert answer("derive", "huang2024.balanced")["conserved"][0]["expr"] == "A + B*(K - 1)"

    def test_without_classes(self) -> None:
        derived = answer("derive", "huang2024.generic")
        assert [item["state"] for item in derived["updates"]] == ["S[k, k]", "S[n, k]"]
        assert run("derive", "huang2024.generic").exit_code == 0

    @pytest.mark.slow
    def test_unknown(self) -> None:
        assert "huang2024.balanced" in refusal("derive", "huang2024.balancd")
        assert "huang2024" in refusal("derive", "nothing.at.all")


RESULT_FILE = '''"""A result.

Paper    none
Source   reconstructed: for a test
Assumes  nothing
Tight    yes
"""

from pathlib import Path

from symicl import claim, conserved, first_step
from symicl.claims.loader import load_systems, paper_folders

balanced = next(f for f in load_systems(paper_folders()["huang2024"]) if f.id == "huang2024.balanced")
right = claim(conserved(balanced(N="inf"), "A + (K-1)*B"))
'''


class TestCheck:
    """Verdicts against expectations decide the exit code, and nothing decided is lost."""

    def write(self, folder: Path, name: str = "result.py", more: str = "") -> str:
        (folder / name).write_text(RESULT_FILE + more, encoding="utf-8")
        return str(folder / name)

    def test_by_name(self) -> None:
        checked = answer("check", "huang2024.gradient")
        assert all(set(c) == {"id", "verdict", "expected", "evidence", "seconds"} for c in checked["claims"])
        assert {c["verdict"] for c in checked["claims"]} == {"proved"}
        assert all(c["id"].startswith("huang2024.gradient.") for c in checked["claims"])
        assert checked["summary"]["proved"] == checked["summary"]["as_expected"] == len(checked["claims"]) == 4
        assert checked["summary"]["not_as_expected"] == checked["summary"]["undecided"] == 0

    def test_one_claim_once(self) -> None:
        names = ("huang2024.gradient.own", "huang2024.gradient.own", "huang2024.gradient")
        assert [c["id"] for c in answer("check", *names[:2])["claims"]] == ["huang2024.gradient.own"]
        assert len(answer("check", *names)["claims"]) == 4

    def test_by_path(self, tmp_path: Path) -> None:
        assert [c["id"] for c in answer("check", self.write(tmp_path))["claims"]] == ["result.right"]
        folder = symicl.claims.loader.proofs_folder()
        assert len(answer("check", str(folder / "huang2024" / "gradient.py"))["claims"]) == 4

    def test_template(self) -> None:
        template = symicl.claims.loader.proofs_folder() / "_template.py"
        assert answer("check", str(template))["summary"]["not_as_expected"] == 0

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ('wrong = claim(conserved(balanced(N="inf"), "A + K*B"))', 1),
            ('wrong = claim(conserved(balanced(N="inf"), "A + K*B"), expect="refuted")', 0),
            ('weaker = claim(conserved(balanced(N="inf"), "A + (K-1)*B"), expect="supported")', 0),
            ('weak = claim(first_step(balanced(K=4, N="inf"), "loss <= 1/10", "<=", 90), expect="proved")', 1),
            ('open = claim(first_step(balanced(), "loss <= 1/10", "<=", 90), expect="certified")', 4),
            ('open = claim(first_step(balanced(), "loss <= 1/10", "<=", 90))\nwrong = claim(open.statement)', 4),
        ],
    )
    def test_exit_codes(self, tmp_path: Path, more: str, code: int) -> None:
        path = self.write(tmp_path, more=more)
        assert run("check", path).exit_code == code
        assert answer("check", path, code=code)["claims"][0]["verdict"] == "proved"

    def test_conflict_before_undecided(self, tmp_path: Path) -> None:
        more = (
            'open = claim(first_step(balanced(), "loss <= 1/10", "<=", 90))\n'
            'wrong = claim(conserved(balanced(N="inf"), "A + K*B"))'
        )
        summary = answer("check", self.write(tmp_path, more=more), code=1)["summary"]
        assert (summary["undecided"], summary["not_as_expected"]) == (1, 2)

    def test_broken_file(self, tmp_path: Path) -> None:
        """A file that cannot be imported costs its own claims only."""
        paths = [self.write(tmp_path, "broken.py", "1 / 0"), self.write(tmp_path, "good.py")]
        checked = answer("check", *paths, code=2)
        assert [c["id"] for c in checked["claims"]] == ["good.right"]
        assert "ZeroDivisionError" in checked["errors"][0]["problem"]
        assert "broken.py" in checked["errors"][0]["where"]
        assert "broken.py" in run("check", *paths).stderr

    def test_file_that_exits(self, tmp_path: Path) -> None:
        checked = answer("check", self.write(tmp_path, more="raise SystemExit(0)"), code=2)
        assert "exits" in checked["errors"][0]["problem"]

    def test_unknown(self, tmp_path: Path) -> None:
        assert "huang2024.gradient" in refusal("check", "huang2024.gradint")
        assert "huang2024.gradient.own" in refusal("check", "huang2024.gradient.onw")
        assert "there is no result file" in run("check", str(tmp_path / "absent.py")).stderr
        (tmp_path / "empty.py").write_text("", encoding="utf-8")
        assert "an empty name" in refusal("check", "")
        assert "no claim in it" in refusal("check", str(tmp_path / "empty.py"))

    def test_interrupt_keeps_what_was_decided(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decide = check_module.check
        seen: list[str] = []

        def second_is_interrupted(item: Claim) -> Any:
            seen.append(item.id)
            if len(seen) == 2:
                raise KeyboardInterrupt
            return decide(item)

        monkeypatch.setattr(check_module, "check", second_is_interrupted)
        checked = answer("check", "huang2024.gradient", code=130)
        assert [c["id"] for c in checked["claims"]] == seen[:1]
        assert checked["interrupted"] is True

    def test_a_bug_is_not_a_verdict(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(item: Claim) -> Any:
            raise ValueError("boom")

        monkeypatch.setattr(check_module, "check", fails)
        checked = answer("check", "huang2024.gradient.own", code=3)
        assert checked["claims"] == []
        assert "boom" in checked["errors"][0]["problem"]


class TestTrace:
    """States and loss at the step asked for, as balls with the digits asked for."""

    def test_until(self) -> None:
        """The step count of K = 32 and loss 1/100 is known from an independent integration: 2528."""
        words = ("huang2024.balanced", "--set", "K=32", "--set", "N=inf", "--eta", "1", "--until", "loss<=1/100")
        traced = answer("trace", *words)
        assert traced["steps"] == 2528
        assert set(traced["states"]) == {"A", "B"}
        assert (traced["guarantee"], traced["method"], traced["outcome"]) == ("certified", "step", "reached")
        assert traced["parameters"] == {"K": 32, "N": "inf"}
        assert traced["digits"] >= 50
        for ball in (*traced["states"].values(), traced["loss"]):
            assert set(ball) == {"mid", "rad"}
            assert Decimal(ball["rad"]) < abs(Decimal(ball["mid"])) * Decimal("1e-49")
        assert Decimal(traced["loss"]["mid"]) <= Decimal("0.01")

    def test_first_step_is_exact(self) -> None:
        """A moves by (1/K)^2 ((K-1)/K^2 + (1-1/K)^2) = 56/4096 at K = 8 in the first step."""
        traced = answer("trace", *BALANCED, "--steps", "1", "--dps", "20")
        assert Decimal(traced["states"]["A"]["mid"]) == Decimal(56) / 4096
        assert answer("trace", *BALANCED, "--steps", "0")["states"]["A"] == {"mid": "0", "rad": "0"}

    def test_until_may_hold_at_the_start(self) -> None:
        assert answer("trace", *BALANCED, "--until", "loss<=1")["steps"] == 0

    def test_conditions_on_states(self) -> None:
        assert answer("trace", *BALANCED, "--until", "A - B >= log(K)")["steps"] > 0

    @pytest.mark.parametrize(
        ("name", "guarantee"), [("mp", "supported"), ("float64", "supported"), ("ball", "certified")]
    )
    def test_arithmetics_agree(self, name: str, guarantee: str) -> None:
        traced = answer("trace", *BALANCED, "--steps", "20", "--dps", "15", "--arithmetic", name)
        exact = answer("trace", *BALANCED, "--steps", "20")
        assert abs(Decimal(traced["loss"]["mid"]) - Decimal(exact["loss"]["mid"])) < Decimal("1e-13")
        assert traced["guarantee"] == guarantee
        assert (traced["loss"]["rad"] is None) == (traced["digits"] is None) == (name != "ball")

    def test_rational(self) -> None:
        assert answer("trace", *BALANCED, "--steps", "1", "--arithmetic", "rational")["states"]["A"]["mid"] == "7/512"
        assert "rational" in refusal("trace", *BALANCED, "--steps", "2", "--arithmetic", "rational")

    @pytest.mark.parametrize("budget", [("--max-steps", "70"), ("--timeout", "1/1000", "--method", "step")])
    def test_budget_spent(self, budget: tuple[str, str]) -> None:
        traced = answer("trace", *BALANCED, "--until", "loss<=1e-9", *budget, code=4)
        assert traced["outcome"] == budget[0].removeprefix("--")
        assert traced["steps"] == 70 if "--max-steps" in budget else traced["steps"] % 64 == 0

    def test_file(self, tmp_path: Path) -> None:
        """Scores of exchangeable features agree, and columns of scores sum to zero."""
        traced = answer("trace", toml(tmp_path), "--eta", "1", "--steps", "3")
        assert "states" not in traced
        assert traced["parameters"] == {"probabilities": ["2/5", "3/10", "3/10"], "prompt_length": 4}
        scores = [[Decimal(ball["mid"]) for ball in row] for row in traced["scores"]]
        assert scores[1][1] == scores[2][2] != scores[0][0]
        assert scores[1][2] == scores[2][1] != scores[1][0]
        # Decimal sums 28 digits of numbers below 1.
        assert all(abs(sum(row[k] for row in scores)) < Decimal("1e-26") for k in range(3))

    def test_rows(self, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        traced = answer("trace", *BALANCED, "--steps", "5", "--dps", "20", "--out", str(out))
        rows = list(csv.reader(out.read_text(encoding="utf-8").splitlines()))
        assert rows[0] == ["step", "A_mid", "A_rad", "B_mid", "B_rad", "loss_mid", "loss_rad"]
        assert [row[0] for row in rows[1:]] == [str(n) for n in range(6)]
        balls = [*traced["states"].values(), traced["loss"]]
        assert rows[-1][1:] == [text for ball in balls for text in (ball["mid"], ball["rad"])]

    def test_text(self) -> None:
        result = run("trace", *BALANCED, "--steps", "2")
        assert result.exit_code == 0
        assert "K = 8, N = inf" in result.stdout
        assert "certified" in result.stdout

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("--steps", "-1"), "--steps -1"),
            (("--steps", "1.5"), "--steps"),
            (("--steps", "1", "--until", "loss<=1/2"), "both"),
            ((), "neither"),
            (("--until", "loss<=1/2", "--eta", "0.1x"), "--eta"),
            (("--steps", "1", "--eta", "0"), "--eta 0"),
            (("--steps", "1", "--eta", "-1"), "--eta -1"),
            (("--steps", "1", "--eta", "inf"), "--eta inf"),
            (("--until", "loss"), "--until"),
            (("--until", "Q<=1"), "'Q'"),
            (("--until", "loss<=0"), "infimum"),
            (("--until", "loss<=-1/100"), "infimum"),
            (("--steps", "1", "--dps", "10**9"), "100000"),
            (("--steps", "1", "--dps", "0"), "100000"),
            (("--steps", "1", "--dps", "lots"), "--dps"),
            (("--steps", "1", "--max-steps", "-1"), "--max-steps -1"),
            (("--steps", "1", "--timeout", "0"), "--timeout 0"),
            (("--steps", "1", "--method", "leap", "--arithmetic", "mp"), "in balls"),
            (("--steps", "1", "--method", "leap", "--max-steps", "9"), "no single steps"),
            (("--steps", "1", "--arithmetic", "roman"), "roman"),
            (("--steps", "1", "--set", "K"), "--set K=8"),
            (("--steps", "1", "--set", "K=9"), "twice"),
            (("--steps", "1", "--set", "M=9"), "no parameter M"),
            (("--steps", "1", "--out", "no/such/folder/rows.csv"), "--out no/such/folder/rows.csv"),
            (("--steps", "1", "--bogus"), "--bogus"),
        ],
    )
    def test_bad_options(self, words: tuple[str, ...], expected: str) -> None:
        assert expected in refusal("trace", *BALANCED, *words)

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            (("K=1", "N=inf"), "K = 1"),
            (("K=5/2", "N=inf"), "K = 5/2"),
            (("K=4", "N=0"), "N = 0"),
            (("K=4", "N=-inf"), "--set N"),
            (("K=4", "N=two"), "--set N"),
            (("K=4",), "--set N=..."),
            ((), "--set K=..."),
        ],
    )
    def test_bad_parameters(self, settings: tuple[str, ...], expected: str) -> None:
        flags = [word for setting in settings for word in ("--set", setting)]
        assert expected in refusal("trace", "huang2024.balanced", "--eta", "1", "--steps", "1", *flags)

    def test_probability_out_of_range(self) -> None:
        flags = ("--set", "K=4", "--set", "N=inf", "--set", "p1=1", "--eta", "1", "--steps", "1")
        assert "p1 = 1 is not allowed" in refusal("trace", "huang2024.dominant", *flags)

    def test_no_eta_no_system(self) -> None:
        assert "--eta" in refusal("trace", "huang2024.balanced", "--steps", "1")
        assert "SYSTEM" in refusal("trace")
        assert "no command" in refusal()
        assert "trac" in refusal("trac")
        assert "law of the features" in refusal(
            "trace", "huang2024.generic", "--set", "K=3", "--set", "N=2", "--eta", "1", "--steps", "1"
        )

    def test_below_the_infimum(self) -> None:
        """At K = 8, N = 4 the infimum is (7/8)^4 (1 + 1/4 + 3/28) / 2 = 0.39776...; what is above is reached."""
        finite = ("huang2024.balanced", "--set", "K=8", "--set", "N=4", "--eta", "1")
        assert "0.39776" in refusal("trace", *finite, "--until", "loss<=0.3977")
        assert "0.39776" in refusal("trace", *finite, "--until", "1/100 > loss")
        assert answer("trace", *finite, "--until", "loss<=2/5")["steps"] > 0

    def test_bad_files(self, tmp_path: Path) -> None:
        absent = str(tmp_path / "absent.toml")
        assert "absent.toml" in refusal("trace", absent, "--eta", "1", "--steps", "1")
        path = toml(tmp_path, FILE.replace('"2/5"', "0.4"))
        assert "probabilities[0]" in refusal("trace", path, "--eta", "1", "--steps", "1")
        good = toml(tmp_path)
        assert "--set K=2" in refusal("trace", good, "--set", "K=2", "--eta", "1", "--steps", "1")

    def test_existing_rows_survive_bad_input(self, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        out.write_text("precious", encoding="utf-8")
        refusal("trace", *BALANCED, "--until", "loss<=0", "--out", str(out))
        assert out.read_text(encoding="utf-8") == "precious"

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
    def test_full_disk(self) -> None:
        assert "cannot write" in refusal("trace", *BALANCED, "--steps", "9", "--out", "/dev/full")

    def test_undecided(self) -> None:
        """The sides are equal at every step, so their balls overlap at every precision."""
        words = (*BALANCED, "--until", "sqrt(A**2 + 2*A + 1) < A + 1", "--max-steps", "5", "--dps", "5")
        assert answer("trace", *words, code=4)["error"]["kind"] == "UndecidedError"


class TestSimulate:
    """The layer itself gives what the closed form gives, within its own errors."""

    def test_enumeration_agrees_with_trace(self) -> None:
        words = ("huang2024.underrepresented", "--set", "K=4", "--set", "N=3", "--set", "p1=1/2", "--eta", "2")
        traced = answer("trace", *words, "--steps", "10")
        simulated = answer("simulate", *words, "--steps", "10")
        assert (simulated["guarantee"], simulated["method"]) == ("supported", "enumerated")
        for name, ball in [*traced["states"].items(), ("loss", traced["loss"])]:
            value = simulated["loss"] if name == "loss" else simulated["states"][name]
            assert set(value) == {"mid", "rad", "standard_error"}
            assert value["rad"] is None
            # 10 steps of sums over 20 prompts and 4 features in float64: some hundreds of roundings of 1e-16.
            assert abs(Decimal(value["mid"]) - Decimal(ball["mid"])) < Decimal("1e-13")

    def test_sampling_is_within_its_errors(self) -> None:
        """Six standard errors: a normal deviate beyond has a chance of 2e-9, and the seed is fixed anyway."""
        words = ("huang2024.balanced", "--set", "K=3", "--set", "N=4", "--eta", "1", "--steps", "5")
        exact = answer("trace", *words)
        sampled = answer("simulate", *words, "--prompts", "4000", "--seed", "1")
        assert sampled["method"] == "sampled"
        for name in ("A", "B"):
            value = sampled["states"][name]
            distance = abs(Decimal(value["mid"]) - Decimal(exact["states"][name]["mid"]))
            assert 0 < distance < 6 * Decimal(value["standard_error"])
        assert answer("simulate", *words, "--prompts", "4000", "--seed", "1") == sampled
        assert answer("simulate", *words, "--prompts", "4000", "--seed", "2") != sampled

    def test_file(self, tmp_path: Path) -> None:
        words = (toml(tmp_path), "--eta", "1", "--steps", "3")
        traced, simulated = answer("trace", *words), answer("simulate", *words)
        for exact_row, row in zip(traced["scores"], simulated["scores"], strict=True):
            for exact, value in zip(exact_row, row, strict=True):
                assert abs(Decimal(value["mid"]) - Decimal(exact["mid"])) < Decimal("1e-13")

    def test_until_and_rows(self, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        words = (*BALANCED, "--until", "loss<=2/5")
        simulated = answer("simulate", *words, "--out", str(out))
        assert simulated["steps"] == answer("trace", *words)["steps"]
        lines = out.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("step,A_mid,A_standard_error,B_mid")
        assert len(lines) == simulated["steps"] + 2

    def test_budget(self) -> None:
        simulated = answer("simulate", *BALANCED, "--until", "loss<=1/100", "--max-steps", "3", code=4)
        assert (simulated["steps"], simulated["outcome"]) == (3, "max-steps")

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("--steps", "1", "--prompts", "1"), "prompts"),
            (("--steps", "1", "--prompts", "many"), "--prompts"),
            (("--steps", "1", "--seed", "-1"), "seed"),
            (("--until", "loss<=0"), "infimum"),
        ],
    )
    def test_bad_options(self, words: tuple[str, ...], expected: str) -> None:
        assert expected in refusal("simulate", *BALANCED, *words)

    def test_too_many_features(self) -> None:
        words = ("huang2024.balanced", "--set", "K=1e9", "--set", "N=inf", "--eta", "1", "--steps", "1")
        assert "no concrete list of features" in refusal("simulate", *words)


class TestLatex:
    """A fragment or a document, to stdout or to a file."""

    def test_system(self) -> None:
        text = run("latex", "huang2024.balanced").stdout
        assert r"\begin{align}" in text
        assert r"\documentclass" not in text
        assert answer("latex", "huang2024.balanced")["latex"].strip() == text.strip()

    def test_file(self, tmp_path: Path) -> None:
        path = tmp_path / "f.tex"
        result = run("latex", "huang2024.dominant", "--standalone", "-o", str(path))
        assert (result.exit_code, result.stdout) == (0, "")
        assert path.read_text(encoding="utf-8").startswith(r"\documentclass")

    @pytest.mark.slow
    def test_paper(self) -> None:
        assert "Under-represented" in run("latex", "huang2024").stdout.replace("under", "Under")

    def test_refusals(self, tmp_path: Path) -> None:
        assert "huang2024.balanced" in refusal("latex", "huang2024.balancd")
        assert "cannot write" in refusal("latex", "huang2024.balanced", "-o", str(tmp_path / "no" / "f.tex"))


class TestJsonEverywhere:
    """The flag means the same before a command as after it."""

    def test_before_the_command(self) -> None:
        assert read_json(run("--json", "derive", "huang2024.balanced")) == answer("derive", "huang2024.balanced")


class TestDoctor:
    """What is needed is there and works."""

    def test_shape(self) -> None:
        found = answer("doctor")
        assert found["healthy"] is True
        assert found["versions"]["symicl"] == symicl.__version__
        assert set(found["backends"].values()) == {"ok"}
        assert {"coq"} <= set(found["kernels"])
        assert run("doctor").exit_code == 0


class TestProcess:
    """What only a process of its own shows: exit codes, signals, a closed pipe."""

    def start(self, *words: str) -> subprocess.Popen[str]:
        def hear_interrupts() -> None:  # what a shell starts in the background is deaf to them, and so are its children
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        command = [sys.executable, "-m", "symicl.cli", *words]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
        )

    def test_version_and_help(self) -> None:
        assert symicl.__version__ in run("--version").stdout
        for command in ("list", "derive", "check", "trace", "simulate", "latex", "doctor"):
            result = run(command, "--help")
            assert result.exit_code == 0
            assert f"symicl {command}" in result.stdout.split("Example")[1]

    def test_interrupt_loses_no_row(self, tmp_path: Path) -> None:
        out = tmp_path / "rows.csv"
        process = self.start("trace", *BALANCED, "--steps", "1e9", "--max-steps", "1e9", "--out", str(out), "--json")
        deadline = time.monotonic() + 60
        while not (out.exists() and out.read_text(encoding="utf-8").count("\n") > 50):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=30)
        assert process.returncode == 130
        assert json.loads(stdout)["error"]["kind"] == "Interrupted"
        rows = list(csv.reader(out.read_text(encoding="utf-8").splitlines()))
        assert len(rows) > 50
        assert [row[0] for row in rows[1:]] == [str(n) for n in range(len(rows) - 1)]
        assert {len(row) for row in rows} == {7}

    def test_closed_pipe_is_quiet(self) -> None:
        process = self.start("derive", "huang2024.balanced")
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        stderr = process.stderr.read()
        process.stderr.close()
        assert (process.wait(timeout=60), stderr) == (0, "")

    def test_exit_code_and_streams(self) -> None:
        process = self.start("trace", "--json", "--nonsense")
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 2
        assert json.loads(stdout)["error"]["kind"] == "UsageProblem"
        assert stderr == ""

    def test_bugs_are_reported_in_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        def bug() -> None:
            raise ValueError("two\nlines")

        assert "SYMICL_DEBUG" not in os.environ
        assert guarded(bug, False) == 3
        assert capsys.readouterr().err.count("\n") == 1


def test_digits_are_those_of_the_printed_numbers() -> None:
    """Each nonzero ball's radius is below 10**-digits of its midpoint; a ball around 0 has none."""
    for dps in ("1", "3", "50"):
        found = answer("trace", *BALANCED, "--steps", "12", "--dps", dps)
        assert found["digits"] == int(dps)
        for ball in (*found["states"].values(), found["loss"]):
            assert Decimal(ball["rad"]) < abs(Decimal(ball["mid"])) * Decimal(10) ** -found["digits"]
    lost = answer("trace", "huang2024.balanced", "--set", "K=8", "--set", "N=inf", "--eta", "1e20", "--steps", "2")
    assert lost["loss"]["mid"] == "0"
    assert lost["digits"] == 0


def test_a_condition_that_may_be_undefined_is_refused() -> None:
    assert "multiply" in refusal("trace", *BALANCED, "--until", "A/B<=-6")
    assert "finite" in refusal("trace", *BALANCED, "--until", "A<=inf")


def test_what_a_result_file_prints_stays_out_of_the_answer(tmp_path: Path, quiet=False) -> None:
    noisy = tmp_path / "noisy.py"
    noisy.write_text("print('noise')\nfrom symicl import claim\nx = 1\n")
    assert "no claim" in answer("check", str(noisy), code=2, quiet=False)["error"]["problem"]


def test_a_full_disk_is_one_line_and_no_verdict() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for words in (["doctor"], ["margin", "--json"], ["trace", "nothing", "--eta", "1", "--json"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "symicl.cli", *words],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode in (2, 3)
        assert done.stderr.startswith("symicl: ")
        assert done.stderr.count("\n") == 1
