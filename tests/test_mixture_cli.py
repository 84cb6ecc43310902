"""Gaussian mixtures on the command line: certified numbers as JSON, and errors that name the entry at fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import answer, run

FLAT = "covariance = [[1, 0], [0, 1]]\nmeans = [[[1, 0], [-1, 0]]]\n"
AXES = "covariance = [[1, 0], [0, 1]]\nmeans = [[[1, 0], [-1, 0]], [[0, 1], [0, -1]]]\n"


def mixture(folder: Path, text: str) -> str:
    path = folder / "m.toml"
    path.write_text(f"[mixture]\n{text}\n", encoding="utf-8")
    return str(path)


def test_minimiser_expansion_rate_and_inference_as_json() -> None:
    """At infinite prompts W* is exact, the coefficients have the digits asked for, and the rate is below 1."""
    found = answer("mixture", "shen2025.axes", "--set", "d=2", "--set", "N=inf", "--dps", "20")
    assert found["minimiser"]["guarantee"] == "certified"
    assert [entry["mid"] for row in found["minimiser"]["W"] for entry in row] == ["2", "0", "0", "2"]
    first = found["expansion"]["first"][0][0]
    assert first["mid"].startswith("-0.917672224716572503") and float(first["rad"]) < 1e-18
    assert found["symmetry"] == {"pattern": [["w1", "0"], ["0", "w1"]], "scalars": 1, "group": 8}
    assert 0 < float(found["rate"]["factor"]["mid"]) < float(found["rate"]["on_ball"]["mid"]) < 1
    assert not found["inference"]["exact"]
    assert any("J(2, 3, 4)" in form for form in found["expansion"]["right"])


def test_step_size_and_radius_are_taken() -> None:
    """A larger ball has a larger factor; a step size too large contracts nowhere."""
    words = ("mixture", "shen2025.line", "--set", "N=inf", "--set", "a=1", "--dps", "15")
    near, far = (answer(*words, "--eta", "8", "--radius", r)["rate"]["on_ball"]["mid"] for r in ("1/100", "1/10"))
    assert float(near) < float(far)
    assert float(answer(*words, "--eta", "40")["rate"]["factor"]["mid"]) > 1


def test_degenerate_means_are_warned_of(tmp_path: Path) -> None:
    """No minimiser at infinite prompts; a float64 one at finite prompts; a warning each time."""
    infinite = answer("mixture", mixture(tmp_path, FLAT + 'prompt_length = "inf"'), quiet=False)
    assert infinite["minimiser"] is None and infinite["expansion"] is None and infinite["rate"] is None
    assert "not unique" in infinite["warnings"][0]
    finite = answer("mixture", mixture(tmp_path, FLAT + "prompt_length = 50"), quiet=False)
    assert finite["minimiser"]["guarantee"] == "supported" and finite["expansion"] is None
    assert "does not tend to 2 Lambda^-1" in finite["warnings"][0]
    traced = run("trace", mixture(tmp_path, FLAT + 'prompt_length = "inf"'), "--eta", "1", "--steps", "2", "--dps", "8")
    assert traced.exit_code == 0 and "warning" in traced.stderr and "W2_2  0" in traced.stdout


def test_finite_prompts_in_the_plane_are_float64_or_refused(tmp_path: Path) -> None:
    """Balls are refused with what to do; float64 says that nothing is certified, and labels change nothing here."""
    path = mixture(tmp_path, AXES + "prompt_length = 6")
    refused = run("trace", path, "--eta", "1", "--steps", "2")
    assert refused.exit_code == 2 and "--arithmetic float64" in refused.stderr and refused.stdout == ""
    quick = answer("trace", path, "--eta", "1", "--steps", "3", "--arithmetic", "float64")
    assert quick["guarantee"] == "supported" and quick["parameters"]["prompt_length"] == 6
    other = mixture(tmp_path, AXES + 'prompt_length = 6\nlabels = "gaussian"')
    again = answer("trace", other, "--eta", "1", "--steps", "3", "--arithmetic", "float64")
    assert abs(float(quick["loss"]["mid"]) - float(again["loss"]["mid"])) < 1e-12


def test_trace_until_a_loss_in_balls(tmp_path: Path) -> None:
    """The first step below a loss is certified; arithmetic mp finds the same step and is supported."""
    path = mixture(tmp_path, AXES + 'prompt_length = "inf"')
    words = ("trace", path, "--eta", "4", "--until", "loss<=1/2", "--dps", "6")
    ball, mp = answer(*words), answer(*words, "--arithmetic", "mp")
    assert ball["guarantee"] == "certified" and mp["guarantee"] == "supported" and ball["steps"] == mp["steps"] > 0


def test_simulate_samples_prompts(tmp_path: Path) -> None:
    """The layer on sampled prompts has a standard error, and the same seed the same numbers."""
    path = mixture(tmp_path, AXES + "prompt_length = 4")
    words = ("simulate", path, "--eta", "1", "--steps", "2", "--prompts", "500")
    found = answer(*words)
    assert found["method"] == "sampled" and float(found["loss"]["standard_error"]) > 0
    assert answer(*words)["states"] == found["states"] != answer(*words, "--seed", "1")["states"]
    assert run(*words[:-1], "1").exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("covariance = [[1, 2], [2, 1]]\nmeans = [[[1, 0], [-1, 0]]]\nprompt_length = 5", "not positive definite"),
        ("covariance = [[1]]\nmeans = [[[1], [2]]]\nprompt_length = 5", "equal norm"),
        ("covariance = [[1]]\nmeans = [[[1], [-1]]]\nprompt_length = 0", "the prompt length is 0"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    """Exit code 2 and one line that names the file, for every command that reads it."""
    path = mixture(tmp_path, text)
    for words in (("mixture", path), ("trace", path, "--eta", "1", "--steps", "1"), ("derive", path)):
        result = run(*words)
        assert result.exit_code == 2 and result.stdout == ""
        assert said in result.stderr and "m.toml" in result.stderr and result.stderr.count("\n") == 1


def test_what_is_no_mixture_is_refused() -> None:
    """Other systems, open parameters and impossible options are named."""
    assert "not a Gaussian mixture" in run("mixture", "huang2024.balanced", "--set", "K=3", "--set", "N=inf").stderr
    assert "no value for N" in run("mixture", "shen2025.line", "--set", "a=1").stderr
    assert "N = 0 is not allowed" in run("mixture", "shen2025.line", "--set", "N=0", "--set", "a=1").stderr
    line = ("mixture", "shen2025.line", "--set", "N=inf", "--set", "a=1")
    assert "is not allowed" in run(*line, "--eta", "0").stderr
    assert "is not allowed" in run(*line, "--radius=-1").stderr


def test_latex_and_derive_tell_the_laws() -> None:
    """The expectations of the derivation are over laws that are printed with it."""
    laws = answer("derive", "shen2025.mixture")["laws"]
    assert laws[0] == "u, v ~ any law" and any(law.startswith("p[i] ~ N(") for law in laws)
    text = run("latex", "shen2025.mixture").stdout
    assert r"\mathrm{Multinomial}(N;" in text and r"\Lambda_{j,k}" in text
    assert "\\mathbb{E} \\nonumber" not in text
