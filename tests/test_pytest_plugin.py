"""Claims are test items: collected from result files, failing with their evidence.

Properties: a result file on the command line, or matched by ``symicl_claims``, gives one item a claim and nothing else
does; an item passes exactly when its verdict is as expected or stronger; a failure shows verdict and evidence.
"""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

RESULT = '''"""Sums of states.

Paper    None, none
Source   reconstructed: a test of the plugin
Assumes  nothing
Tight    yes
"""

from symicl import always, claim, conserved, nonnegative
from symicl.claims.loader import load_systems, paper_folders

(balanced,) = [s for s in load_systems(paper_folders()["huang2024"]) if s.id == "huang2024.balanced"]

kept = claim(conserved(balanced(), "A + (K-1)*B"))
false = claim(conserved(balanced(), "A + K*B"){expect})
hair = claim(nonnegative(balanced(), "(A - 1/3)**2 - 10**(-60)"), expect="supported")
open = claim(always(balanced(K=3, N="inf"), "A >= 0", start=3, to=2){undecided})


def test_not_a_test():
    raise AssertionError
'''
AS_EXPECTED = RESULT.format(expect=', expect="refuted"', undecided=', expect="undecided"')
NOT_AS_EXPECTED = RESULT.format(expect="", undecided="")


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only pytest's own plugins and the one under test, installed or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "symicl.pytest_plugin", "-p", "no:cacheprovider", *arguments)


def test_a_result_file_on_the_command_line_is_judged(pytester: pytest.Pytester) -> None:
    """One item a claim, named by the claim's id; functions of the file are no tests; expected verdicts pass."""
    pytester.makepyfile(sums=AS_EXPECTED)
    result = run(pytester, "sums.py", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*sums::kept PASSED*"])


def test_a_verdict_that_is_not_expected_fails_with_its_evidence(pytester: pytest.Pytester) -> None:
    """A refuted claim shows its witness; an undecided one, its reason."""
    pytester.makepyfile(sums=NOT_AS_EXPECTED)
    result = run(pytester, "sums.py")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*sums.false is refuted, expected proved*", "*witness in balls*", "*at K: *"])
    result.stdout.fnmatch_lines(["*sums.open is undecided, expected proved*", "*range is empty*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_one_claim_of_a_file_can_be_chosen(pytester: pytest.Pytester) -> None:
    """``file.py::id`` is that claim alone."""
    pytester.makepyfile(sums=NOT_AS_EXPECTED)
    run(pytester, "sums.py::sums.kept").assert_outcomes(passed=1)


def test_files_are_collected_by_pattern(pytester: pytest.Pytester) -> None:
    """Files matched by the ini option are judged in a plain run, others are not, helpers and test files as ever."""
    pytester.makeini("[pytest]\nsymicl_claims = results/*.py\n")
    results = pytester.mkdir("results")
    for name in ("sums", "_helper", "systems"):
        (results / f"{name}.py").write_text(AS_EXPECTED, encoding="utf-8")
    (results / "notes.py").write_text('"""No result."""\nx = 1 / 0\n', encoding="utf-8")
    pytester.makepyfile(elsewhere=NOT_AS_EXPECTED, test_plain="def test_it():\n    pass\n")
    run(pytester).assert_outcomes(passed=5)
    run(pytester, "results/sums.py").assert_outcomes(passed=4)


def test_without_the_option_nothing_is_collected(pytester: pytest.Pytester) -> None:
    """A folder full of result files is no test suite unless somebody says so."""
    pytester.makepyfile(sums=NOT_AS_EXPECTED)
    assert run(pytester).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_malformed_result_file_is_an_error_of_collection(pytester: pytest.Pytester) -> None:
    """The error names the file and what is wrong in it."""
    pytester.makepyfile(sums=AS_EXPECTED.replace("reconstructed", "overheard"))
    result = run(pytester, "sums.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'overheard'*"])


def test_the_verdict_is_in_the_report(pytester: pytest.Pytester) -> None:
    """A JUnit file carries each claim's verdict as a property."""
    pytester.makepyfile(sums=AS_EXPECTED)
    run(pytester, "sums.py", "--junitxml=report.xml", "-o", "junit_family=xunit1")
    report = (pytester.path / "report.xml").read_text(encoding="utf-8")
    assert all(f'name="verdict" value="{verdict}"' in report for verdict in ("proved", "refuted", "undecided"))
