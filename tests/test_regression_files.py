"""A softmax regression from a file is read exactly, or refused with the entry at fault, the problem and the remedy.

Property: whatever bytes a .npy file holds, the answer is a system of exact numbers or an ``InputError``.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from symicl import InputError, System
from symicl.systems import arrays
from symicl.systems.files import read_system
from symicl.systems.softmax_regression import MATRIX, POINT, TARGET, WEIGHTS

PLAIN = """
[regression]
A = [[1, 2], ["1/2", -1], [0.3, 0]]
b = ["1/2", "1/3", "1/6"]
x = [1, "-1/2"]
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("regressions")


def read(folder: Path, text: str) -> System:
    path = folder / "problem.toml"
    path.write_text(text, encoding="utf-8")
    return read_system(path)


def refusal(folder: Path, text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(folder, text)
    assert "problem.toml" in caught.value.where
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def saved(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def with_matrix(folder: Path, content: bytes) -> str:
    (folder / "A.npy").write_bytes(content)
    return PLAIN.replace('[[1, 2], ["1/2", -1], [0.3, 0]]', '"A.npy"')


class TestReading:
    """Every number arrives as the exact value that the file writes."""

    def test_plain(self, folder: Path) -> None:
        system = read(folder, PLAIN)
        assert system.data.matrix == ((1, 2), (sp.S.Half, -1), (sp.Rational(3, 10), 0))
        assert dict(system.arrays) == {MATRIX: system.data.matrix, TARGET: system.data.target}
        assert system.coordinates[0].variable.base == POINT
        assert system.coordinates[0].start == (1, sp.Rational(-1, 2))
        assert [(each.name, each.size) for each in system.ranges] == [("rows", 3), ("columns", 2)]
        assert (system.id, system.data.train, system.data.weights) == ("problem", "x", None)

    def test_trained_matrix_and_weights(self, folder: Path) -> None:
        system = read(folder, PLAIN + 'train = "A"\nw = [1, 0, "2/3"]\n')
        assert system.coordinates[0].variable.base == MATRIX
        assert system.coordinates[0].start == system.data.matrix
        assert dict(system.arrays)[POINT] == system.data.point
        assert dict(system.arrays)[WEIGHTS] == (1, 0, sp.Rational(2, 3))
        assert system.loss.has(WEIGHTS)

    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("0.3", "3/10"),
            ("1e400", str(10**400)),
            ("-2.5E-3", "-1/400"),
            ("+1_000.25", "4001/4"),
            ("-0.0", "0"),
            ("0x10", "16"),
            ('"1e-2"', "1/100"),
            ('"7/3"', "7/3"),
            (str(2**63), str(2**63)),
        ],
    )
    def test_a_decimal_is_what_was_written(self, folder: Path, written: str, value: str) -> None:
        """0.3 is 3/10, not the float64 nearest to it."""
        assert read(folder, PLAIN.replace("[0.3, 0]", f"[{written}, 0]")).data.matrix[2][0] == sp.Rational(value)

    @given(
        st.lists(
            st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2), min_size=3, max_size=3
        )
    )
    def test_a_float64_is_the_dyadic_number_that_it_is(self, folder: Path, rows: list[list[float]]) -> None:
        found = read(folder, with_matrix(folder, saved(np.array(rows)))).data.matrix
        assert found == tuple(tuple(sp.Rational(*Fraction(x).as_integer_ratio()) for x in row) for row in rows)

    @pytest.mark.parametrize("kind", ["<f8", ">f8", "f4", "f2", "longdouble", "i1", "<i8", ">i4", "u1", "u8"])
    def test_number_types(self, folder: Path, kind: str) -> None:
        """Any float or integer type, in either byte order, in either order of the axes; nothing is rounded."""
        rows = np.array([[1, 2], [100, 0], [7, 127]], dtype=kind)
        wanted = tuple(tuple(sp.Integer(int(x)) for x in row) for row in rows)
        if rows.dtype.kind == "f":
            rows = rows / rows.dtype.type(3)
            wanted = tuple(tuple(sp.Rational(*x.as_integer_ratio()) for x in row) for row in rows)
        for ordered in (np.ascontiguousarray(rows), np.asfortranarray(rows), np.repeat(rows, 2, axis=1)[:, ::2]):
            assert read(folder, with_matrix(folder, saved(ordered))).data.matrix == wanted

    def test_vectors_from_numpy(self, folder: Path) -> None:
        np.save(folder / "b.npy", np.array([0.5, 0.25, 0.25]))
        np.save(folder / "x.npy", np.array([1, -2]))
        system = read(folder, PLAIN.replace('["1/2", "1/3", "1/6"]', '"b.npy"').replace('[1, "-1/2"]', '"x.npy"'))
        assert system.data.target == (sp.S.Half, sp.Rational(1, 4), sp.Rational(1, 4))
        assert system.data.point == (1, -2)

    def test_a_number_too_large_for_float64(self, folder: Path) -> None:
        """An integer of 64 bits that no float64 holds stays itself."""
        rows = np.array([[2**63 + 1, 1], [1, 1], [1, 1]], dtype=np.uint64)
        assert read(folder, with_matrix(folder, saved(rows))).data.matrix[0][0] == 2**63 + 1


class TestRefusals:
    """What is wrong is named: the entry, the problem and the way to write it."""

    @pytest.mark.parametrize(
        ("old", "new", "problem", "where"),
        [
            ('"1/6"]', '"1/6", 0]', "b has 4 numbers, and A is 3 x 2", "regression.b"),
            (', "-1/2"]', "]", "x has 1 numbers, and A is 3 x 2", "regression.x"),
            (', "-1/2"]', ', "-1/2"]\nw = [1, 2]', "w has 2 numbers, and A is 3 x 2", "regression.w"),
            ("[0.3, 0]", "[0.3]", "rows of different lengths: [1, 2]", "regression.A"),
            ("[0.3, 0]", "[]", "not a matrix", "regression.A"),
            ("[0.3, 0]", "3", "not a matrix", "regression.A"),
            ("[0.3, 0]", "[[0.3], [0]]", "is not an exact number", "regression.A[2][0]"),
            ("[0.3, 0]", "[nan, 0]", "", "regression.A[2][0]"),
            ("[0.3, 0]", "[inf, 0]", "the entry is oo", "regression.A[2][0]"),
            ("[0.3, 0]", "[0, -inf]", "", "regression.A[2][1]"),
            ("[0.3, 0]", '["inf", 0]', "the entry is oo", "regression.A[2][0]"),
            ("[0.3, 0]", "[true, 0]", "is not an exact number", "regression.A[2][0]"),
            ("[0.3, 0]", '["n", 0]', "", "regression.A[2][0]"),
            ("[0.3, 0]", '["__import__(1)", 0]', "", "regression.A[2][0]"),
            ("[0.3, 0]", "[1979-05-27, 0]", "is not an exact number", "regression.A[2][0]"),
            ("[0.3, 0]", '["1/0", 0]', "division by zero", "regression.A[2][0]"),
            ("[0.3, 0]", "[1e99999, 0]", "", "regression.A[2][0]"),
            ('["1/2", "1/3", "1/6"]', "[]", "not a list of numbers, or empty", "regression.b"),
            ('["1/2", "1/3", "1/6"]', "1", "not a list of numbers, or empty", "regression.b"),
            ('["1/2", "1/3", "1/6"]', '[["1/2", "1/3", "1/6"]]', "is not an exact number", "regression.b[0]"),
            ('["1/2", "1/3", "1/6"]', "{ a = 1 }", "not a list of numbers", "regression.b"),
        ],
    )
    def test_entries(self, folder: Path, old: str, new: str, problem: str, where: str) -> None:
        assert old in PLAIN
        error = refusal(folder, PLAIN.replace(old, new))
        assert problem in error.problem
        assert error.where.endswith(where)

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("[regression]", "[regresion]", "'regresion'"),
            ("x = [", "X = [", "'X'"),
            ('b = ["1/2", "1/3", "1/6"]', "", "no b"),
            ("A = [[1, 2]", "# A = [[1, 2]", "no A"),
            ("[regression]", "regression = 3\n[other]", "'other'"),
            ("[regression]", "[[regression]]", "no table [regression]"),
            ("[regression]", "[features]\n[regression]", "'features'"),
            ("[regression]", "y = 3\n[regression]", "'y'"),
            ("0.3", "0.3.1", "not a TOML file"),
            ("0.3", "9" * 5000, "not a TOML file"),
            ("0.3", "[" * 5000, "not a TOML file"),
        ],
    )
    def test_layout(self, folder: Path, old: str, new: str, problem: str) -> None:
        assert problem in refusal(folder, PLAIN.replace(old, new)).problem

    @pytest.mark.parametrize("train", ['"B"', '"a"', "3", '["x"]', "true", '""'])
    def test_what_is_trained(self, folder: Path, train: str) -> None:
        error = refusal(folder, PLAIN + f"train = {train}\n")
        assert error.where.endswith("regression.train")
        assert error.remedy == 'write "x" or "A"'

    def test_too_many_entries(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Refused by their number, before each is made an exact number."""
        monkeypatch.setattr(arrays, "MAX_ENTRIES", 5)
        assert "more than 5 entries" in refusal(folder, PLAIN).problem
        monkeypatch.setattr(arrays, "_exact", lambda value: pytest.fail("converted before it was counted"))
        assert "more than 5 entries" in refusal(folder, with_matrix(folder, saved(np.ones((3, 2))))).problem


def header(text: str, body: bytes = b"") -> bytes:
    """A .npy file of a header of one's own."""
    line = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + body


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, A=np.ones((3, 2)))
    return file.getvalue()


class TestNumpyFiles:
    """What is no array of finite real numbers of the right shape."""

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (saved(np.ones((3, 2), bool)), "2 axes of bool"),
            (saved(np.ones((3, 2), complex)), "2 axes of complex128"),
            (saved(np.full((3, 2), "1")), "2 axes of <U1"),
            (saved(np.zeros((3, 2), dtype=[("a", float)])), "2 axes of"),
            (saved(np.zeros((3, 2), "datetime64[s]")), "2 axes of datetime64"),
            (saved(np.array(1.0)), "0 axes of float64"),
            (saved(np.ones(6)), "1 axes of float64"),
            (saved(np.ones((3, 2, 1))), "3 axes of float64"),
            (saved(np.array([[1, None]] * 3, dtype=object), allow_pickle=True), "no .npy file of numbers"),
            (archive(), "no .npy file of numbers"),
            (archive()[:60], "no .npy file of numbers"),
            (b"", "no .npy file of numbers"),
            (b"1,2\n3,4\n", "no .npy file of numbers"),
            (saved(np.ones((3, 2)))[:-1], "no .npy file of numbers"),
            (header("{'descr': '<f8', 'fortran_order': False, 'shape': (3L, 2), }"), "no .npy file of numbers"),
            (header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 2), }"), "no .npy file of numbers"),
            (
                header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**25}, 2), }}"),
                "no .npy file of numbers",
            ),
            (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 2), }"), "no .npy file of numbers"),
            (header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }"), "no .npy file of numbers"),
            (header("{'descr': ("), "no .npy file of numbers"),
            (saved(np.ones((0, 2))), "not a matrix: a list of rows, or empty"),
            (saved(np.ones((3, 0))), "not a matrix: a list of rows, or empty"),
        ],
    )
    def test_refused(self, folder: Path, content: bytes, problem: str) -> None:
        error = refusal(folder, with_matrix(folder, content))
        assert problem in error.problem
        assert "regression.A" in error.where

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("kind", ["f8", "f4", "longdouble"])
    def test_entries_are_finite(self, folder: Path, value: float, kind: str) -> None:
        rows = np.ones((3, 2), dtype=kind)
        rows[2, 1] = value
        error = refusal(folder, with_matrix(folder, saved(rows)))
        assert "not finite" in error.problem
        assert error.where.endswith("regression.A[2][1]")

    @pytest.mark.parametrize("shape", [(2, 3), (3, 3), (4, 2)])
    def test_shapes_have_to_match(self, folder: Path, shape: tuple[int, int]) -> None:
        assert f"A is {shape[0]} x {shape[1]}" in refusal(folder, with_matrix(folder, saved(np.ones(shape)))).problem

    @pytest.mark.parametrize("name", ["absent.npy", ".", "", "absent/A.npy", "a\\u0000b"])
    def test_missing_files(self, folder: Path, name: str) -> None:
        text = PLAIN.replace('["1/2", "1/3", "1/6"]', f'"{name}"')
        assert "regression.b" in refusal(folder, text).where

    @given(st.data())
    def test_any_bytes_are_read_or_refused(self, folder: Path, data: st.DataObject) -> None:
        """A file that was right, with a few bytes changed, dropped or put in: no other error, and exact numbers."""
        content = bytearray(saved(np.arange(6.0).reshape(3, 2)))
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(content) - 1))
            byte = data.draw(
                st.one_of(st.integers(0, 255), st.sampled_from(list(b"(){}[]'\",:<>|fiucOVSU0123456789 L\n")))
            )
            kind = data.draw(st.sampled_from(["change", "drop", "insert"]))
            content[place : place + (kind != "insert")] = b"" if kind == "drop" else bytes([byte])
        try:
            system = read(folder, with_matrix(folder, bytes(content)))
        except InputError as error:
            assert "regression." in error.where
        else:
            assert all(entry.is_Rational for row in system.data.matrix for entry in row)
