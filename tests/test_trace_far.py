"""``trace`` beyond where stepping reaches: by a leap where one is to be had, and never certified where it is not.

Properties: a run of more than a million steps, or to a target that far off, is leapt; it says that it is supported and
how; a budget of steps is kept step by step; a time limit ends it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import answer, refusal

from symicl.cli import cli

RARE = ("trace", "huang2024.underrepresented", "--set", "p1=1/2", "--set", "N=inf", "--eta", "1")


def test_many_steps_of_several_coordinates_are_leapt() -> None:
    """Both methods agree on every digit asked for."""
    words = (*RARE, "--set", "K=64", "--steps", "10**12", "--dps", "12")
    found, asked = answer(*words), answer(*words, "--method", "leap")
    assert (found["method"], found["guarantee"], found["steps"]) == ("leap", "supported", 10**12)
    assert found["digits"] == 12
    assert found["states"] == asked["states"]


def test_a_target_that_is_not_met_soon_is_leapt_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer steps taken to be near: the same step as by stepping, which is 15865."""
    words = (*RARE, "--set", "K=64", "--until", "loss<=1/100", "--dps", "12")
    monkeypatch.setattr("symicl.commands.trace.FAR", 2000)
    found = answer(*words)
    assert (found["method"], found["guarantee"], found["steps"]) == ("leap", "supported", 15865)
    monkeypatch.setattr("symicl.commands.trace.FAR", 20_000)
    found = answer(*words)
    assert (found["method"], found["guarantee"], found["steps"]) == ("step", "certified", 15865)


@pytest.mark.slow
def test_a_target_out_of_reach_of_stepping_is_leapt_to() -> None:
    """5000 features take more than 50 million steps; the time over K**2 is near 2 + 2 sqrt(2/K)."""
    found = answer(*RARE, "--set", "K=5000", "--until", "loss<=1/100", "--dps", "8")
    assert (found["method"], found["guarantee"], found["outcome"]) == ("leap", "supported", "reached")
    assert 2.04 < found["steps"] / 5000**2 < 2.2


def test_what_stepping_reaches_is_certified() -> None:
    """A near target, and a number of steps up to a million, are stepped."""
    near = answer(*RARE, "--set", "K=8", "--until", "loss<=1/10", "--dps", "12")
    assert (near["method"], near["guarantee"]) == ("step", "certified")
    assert answer(*RARE, "--set", "K=8", "--steps", "1000", "--dps", "12")["guarantee"] == "certified"


def test_a_budget_of_steps_is_kept() -> None:
    """Who names a budget wants steps: the run ends where it is spent, certified."""
    found = answer(*RARE, "--set", "K=64", "--steps", "10**12", "--dps", "12", "--max-steps", "500", code=4)
    assert (found["steps"], found["outcome"], found["guarantee"]) == (500, "max-steps", "certified")


def test_a_time_limit_ends_a_leap() -> None:
    """Half a second is not enough for fifty digits of 10**40 steps, and the loop does not start again."""
    words = (*RARE, "--set", "K=10**20", "--steps", "10**40", "--timeout", "1/2")
    assert "the time is up" in refusal(*words, code=4)


def test_rows_are_steps(tmp_path: Path) -> None:
    """With ``--out`` every step is wanted, however many: a time limit ends it, and the rows so far are there."""
    rows = tmp_path / "rows.csv"
    words = (*RARE, "--set", "K=64", "--steps", "10**12", "--dps", "12", "--timeout", "1/2", "--out", str(rows))
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == 4
    assert len(rows.read_text(encoding="utf-8").splitlines()) > 10
