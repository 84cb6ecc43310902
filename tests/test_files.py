"""A TOML file describes a system exactly, or says which entry is wrong and how to write it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl import InputError, System, restrict
from symicl.scores import state_of_scores
from symicl.systems.files import read_system

PLAIN = """
[features]
probabilities = ["2/5", "3/10", "0.2", "1/10"]
prompt_length = 6
gram = "orthonormal"
[task]
kernel = "linear"
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("systems")


def read(folder: Path, text: str) -> System:
    path = folder / "system.toml"
    path.write_text(text, encoding="utf-8")
    return read_system(path)


def refusal(folder: Path, text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(folder, text)
    assert "system.toml" in caught.value.where
    return caught.value


def with_probabilities(text: str) -> str:
    return PLAIN.replace('["2/5", "3/10", "0.2", "1/10"]', text)


class TestReading:
    """Every number arrives as the exact value that the file writes."""

    def test_plain(self, folder: Path) -> None:
        data = read(folder, PLAIN).data
        assert data.probabilities == tuple(map(sp.Rational, ("2/5", "3/10", "1/5", "1/10")))
        assert (data.prompt_length, data.query) == (6, None)

    @pytest.mark.parametrize(
        ("written", "length"), [('"inf"', None), ("7", 7), ('"10**3"', 1000), ('"1e3"', 1000), ("1_000", 1000)]
    )
    def test_prompt_length(self, folder: Path, written: str, length: int | None) -> None:
        assert read(folder, PLAIN.replace("= 6", f"= {written}")).data.prompt_length == length

    @pytest.mark.parametrize("identity", ['[[1, 0], ["0", 1]]', '[["2/2", 0], [0, "1.0"]]'])
    def test_explicit_identity(self, folder: Path, identity: str) -> None:
        text = with_probabilities('["1/3", "2/3"]').replace('"orthonormal"', identity).replace('"linear"', '"identity"')
        assert len(read(folder, text).data.probabilities) == 2

    @given(st.lists(st.integers(1, 10**30), min_size=2, max_size=6))
    def test_any_law(self, folder: Path, weights: list[int]) -> None:
        written = [f'"{w}/{sum(weights)}"' for w in weights]
        data = read(folder, with_probabilities(f"[{', '.join(written)}]")).data
        assert data.probabilities == tuple(sp.Rational(w, sum(weights)) for w in weights)


class TestMatrices:
    """A Gram matrix and a kernel arrive entry by entry; the features that may be exchanged are found with them."""

    LAW = with_probabilities('["1/3", "1/3", "1/3"]')
    TWINS = '[[1, "1/2", "1/5"], ["1/2", 1, "1/5"], ["1/5", "1/5", 2]]'

    def test_linear_tasks_have_the_gram_matrix_as_kernel(self, folder: Path) -> None:
        data = read(folder, self.LAW.replace('"orthonormal"', self.TWINS)).data
        assert data.gram == data.kernel
        assert data.gram[0][1] == sp.Rational(1, 2)

    def test_identity_kernel_on_correlated_features(self, folder: Path) -> None:
        text = self.LAW.replace('"orthonormal"', self.TWINS).replace('"linear"', '"identity"')
        data = read(folder, text).data
        assert data.kernel is None
        assert data.gram is not None

    def test_features_are_exchanged_where_the_matrices_allow_it(self, folder: Path) -> None:
        system = read(folder, self.LAW.replace('"orthonormal"', self.TWINS).replace("= 6", '= "inf"'))
        assert system.data.classes == ("1", "1", "3")
        assert len(restrict(system).states) == 5
        unlike = self.TWINS.replace('"1/5", "1/5", 2', '"1/5", 0, 2').replace('1, "1/5"],', "1, 0],", 1)
        system = read(folder, self.LAW.replace('"orthonormal"', unlike).replace("= 6", '= "inf"'))
        assert system.data.classes == ("1", "2", "3")

    def test_values_that_no_task_tells_apart(self, folder: Path) -> None:
        """A gap of zero is a warning that names the features; a semidefinite kernel without one is none."""
        two_values = "[[1, 1, -1], [1, 1, -1], [-1, -1, 1]]"
        (warning,) = read(folder, self.LAW.replace('"linear"', two_values)).warnings
        assert "features 0, 1 (from 0) cannot be told apart" in warning
        mixture = '[[1, 0, "1/2"], [0, 1, "1/2"], ["1/2", "1/2", "1/2"]]'
        assert read(folder, self.LAW.replace('"linear"', mixture)).warnings == ()

    def test_one_vector_with_two_values(self, folder: Path) -> None:
        gram = "[[1, 1, 0], [1, 1, 0], [0, 0, 1]]"
        text = self.LAW.replace('"orthonormal"', gram).replace('"linear"', '"identity"')
        (warning,) = read(folder, text).warnings
        assert "features 0, 1 (from 0) are one vector" in warning


class TestRefusals:
    """What is wrong is named: the entry, the problem and the way to write it."""

    @pytest.mark.parametrize(
        ("probabilities", "problem", "where"),
        [
            ('["1/2", "1/3"]', "sum to 5/6", "probabilities"),
            ('["1"]', "1 features", "probabilities"),
            ("[]", "0 features", "probabilities"),
            ('["1/2", "1/2", 0]', "the probability is 0", "probabilities[2]"),
            ('["3/2", "-1/2"]', "the probability is -1/2", "probabilities[1]"),
            ('["1/2", "inf"]', "the probability is oo", "probabilities[1]"),
            ('["1/2", 0.5]', "0.5 is a float", "probabilities[1]"),
            ('["1/2", "half"]', "not a number", "probabilities[1]"),
            ('["1/2", true]', "not an exact number", "probabilities[1]"),
            ('"1/2"', "not a list", "probabilities"),
        ],
    )
    def test_probabilities(self, folder: Path, probabilities: str, problem: str, where: str) -> None:
        error = refusal(folder, with_probabilities(probabilities))
        assert problem in error.problem
        assert error.where.endswith(where)
        assert error.remedy

    def test_a_float_says_how_to_write_it(self, folder: Path) -> None:
        assert '"1/2" or "0.5"' in refusal(folder, with_probabilities('["1/2", 0.5]')).remedy

    @pytest.mark.parametrize("length", ["0", "-1", "6.0", '"1/2"', '"-inf"', "[6]"])
    def test_prompt_length(self, folder: Path, length: str) -> None:
        assert "prompt_length" in refusal(folder, PLAIN.replace("= 6", f"= {length}")).where

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("[task]", "[tsak]", "'tsak'"),
            ('[task]\nkernel = "linear"', "", "no table [task]"),
            ("[features]", "[extra]\n[features]", "'extra'"),
            ("prompt_length", "prompt_lenght", "'prompt_lenght'"),
            ("prompt_length = 6", "", "no prompt_length"),
            ('"orthonormal"', '"orthogonal"', "'orthogonal'"),
            ('"linear"', '"cubic"', "'cubic'"),
            ('"orthonormal"', "[[1, 0], [0, 1]]", "not a square matrix"),
            ('"orthonormal"', "3", "not a square matrix"),
            ("= 6", "= ", "not a TOML file"),
        ],
    )
    def test_layout(self, folder: Path, old: str, new: str, problem: str) -> None:
        assert problem in refusal(folder, PLAIN.replace(old, new)).problem

    @pytest.mark.parametrize(
        ("matrix", "problem", "where"),
        [
            ('[[1, "1/2"], ["1/3", 1]]', "not symmetric: 1/3 against 1/2", "[1][0] and [0][1]"),
            ("[[1, 2], [2, 1]]", "not positive semidefinite: its least eigenvalue is -1.00000000000", ""),
            ("[[1, 0.5], [0.5, 1]]", "is a float", "[0][1]"),
            ('[[1, "inf"], ["inf", 1]]', "the entry is oo", "[0][1]"),
            ("[[1, 0], [0]]", "not a square matrix", ""),
            ("[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "not a square matrix", ""),
            ("[]", "not a square matrix", ""),
        ],
    )
    @pytest.mark.parametrize(("key", "entry"), [("orthonormal", "features.gram"), ("linear", "task.kernel")])
    def test_matrices(self, folder: Path, matrix: str, problem: str, where: str, key: str, entry: str) -> None:
        text = with_probabilities('["1/3", "2/3"]').replace(f'"{key}"', matrix)
        error = refusal(folder, text)
        assert problem in error.problem
        assert error.where.endswith(f"{entry}{where}")
        assert error.remedy

    def test_no_file(self, folder: Path) -> None:
        with pytest.raises(InputError, match=r"cannot read.*absent\.toml"):
            read_system(folder / "absent.toml")

    def test_no_text(self, folder: Path) -> None:
        (folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match=r"not a TOML file.*binary\.toml"):
            read_system(folder / "binary.toml")


class TestScores:
    """Each score has the state of its orbit: as many entries a state as the orbit has members."""

    @pytest.mark.parametrize(
        "law", [["1/3", "2/3"], ["1/4"] * 4, ["1/5", "2/5", "2/5"], ["1/6", "1/3", "1/6", "1/3"], ["1/6", "1/3", "1/2"]]
    )
    def test_members(self, folder: Path, law: list[str]) -> None:
        written = ", ".join(f'"{p}"' for p in law)
        system = read(folder, with_probabilities(f"[{written}]").replace("= 6", '= "inf"'))
        found = Counter(state_of_scores(system).values())
        assert found == {state.symbol: state.members for state in restrict(system).states}

    def test_equal_probabilities_share(self, folder: Path) -> None:
        """Features 0 and 2 may be exchanged, and 1 and 3; nothing else."""
        law = '["1/6", "1/3", "1/6", "1/3"]'
        states = state_of_scores(read(folder, with_probabilities(law).replace("= 6", '= "inf"')))
        assert states[0, 0] == states[2, 2] != states[1, 1] == states[3, 3]
        assert states[0, 1] == states[2, 1] == states[0, 3] == states[2, 3]
        assert states[0, 2] == states[2, 0] != states[1, 3] == states[3, 1]
        assert states[0, 1] != states[1, 0]
