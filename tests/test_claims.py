"""Every claim that ships gets the verdict its file expects, and the machinery around claims says what went wrong.

Properties: claims of the papers are as expected, none is refuted unless it says so; evidence names a method and holds
what a reader needs; a claim's id and fields come from its file; malformed files are errors that name the file.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sympy as sp

from proofs.huang2024.systems import balanced, generic
from symicl import (
    Claim,
    InputError,
    Verdict,
    at_start,
    check,
    claim,
    equal,
    load_claims,
    load_papers,
    nonnegative,
    simplex,
    update,
)
from symicl.claims.check import kind_of, system_of
from symicl.claims.loader import load_paper, paper_folders, parse_docstring, proofs_folder
from symicl.systems.structured_features import QUERY, SCORES, TOKEN

CLAIMS = [item for paper in load_papers() for item in paper.claims]
DOCSTRING = """\"\"\"The sum of two states.

Paper    None, none
Source   reconstructed: a test
Assumes  nothing
Tight    yes
\"\"\"
"""
HEADER = DOCSTRING + "from symicl import claim, equal, load_papers\n"
BALANCED = "next(s for paper in load_papers() for s in paper.systems if s.id == 'huang2024.balanced')()"


@pytest.mark.parametrize("item", CLAIMS, ids=lambda item: item.id)
def test_a_claim_that_ships_is_as_expected(item: Claim) -> None:
    """The verdict is the expected one or a stronger one, with evidence that fits in JSON."""
    checked = check(item)
    assert checked.as_expected, f"{checked.verdict}: {checked.outcome.evidence}"
    assert checked.verdict is not Verdict.UNDECIDED
    assert checked.outcome.evidence.method
    assert checked.outcome.evidence.summary
    assert json.loads(json.dumps(checked.as_json()))["id"] == item.id


def test_claims_have_their_own_ids_and_fields() -> None:
    """No two claims share an id; each says which paper, what source, what is assumed and how tight it is."""
    assert len({item.id for item in CLAIMS}) == len(CLAIMS)
    for item in CLAIMS:
        assert set(item.about) == {"title", "paper", "source", "assumes", "tight"}, item.id
        assert item.source in ("abstract", "published", "reconstructed")
        assert kind_of(item)
        assert system_of(item.statement).id


def test_every_result_file_is_loaded() -> None:
    """Each file of a paper's folder that is no helper holds at least one claim, under the file's name."""
    for name, folder in paper_folders().items():
        stems = {path.stem for path in folder.glob("*.py") if "claim(" in path.read_text(encoding="utf-8")}
        assert {item.id.split(".")[1] for item in load_paper(folder).claims} == stems - {"systems", "__init__"}, name
    assert proofs_folder().is_dir()


def test_a_claim_named_like_its_file_goes_by_the_files_name(tmp_path: Path) -> None:
    """``gains.py`` with a claim ``gains`` and another ``more`` gives the ids ``gains`` and ``gains.more``."""
    path = tmp_path / "gains.py"
    path.write_text(f'{HEADER}gains = claim(equal({BALANCED}, "A", "A"))\nmore = gains\n', encoding="utf-8")
    assert [item.id for item in load_claims(path)] == ["gains", "gains.more"]
    assert [check(item).verdict for item in load_claims(path)] == [Verdict.PROVED] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1/0\n", "ZeroDivisionError"),
        (HEADER.replace("reconstructed", "overheard") + f'c = claim(equal({BALANCED}, "A", "A"))\n', "overheard"),
        (HEADER.replace(DOCSTRING, "") + f'c = claim(equal({BALANCED}, "A", "A"))\n', "docstring"),
        (f'{HEADER}c = claim(equal({BALANCED}, "A", "C"))\n', "unknown name"),
        (f'{HEADER}c = claim(equal({BALANCED}, "A", "A"), expect="true")\n', "no verdict"),
        (f"{HEADER}c = claim(equal({BALANCED}, 0.5, 1))\n", "float"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    """Whatever is wrong in a result file, the error says what and where."""
    path = tmp_path / f"wrong_{abs(hash(text))}.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_claims(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A file that does not exist, and a folder that is no paper."""
    with pytest.raises(InputError, match="no result file"):
        load_claims(tmp_path / "nothing.py")
    with pytest.raises(InputError, match="not a paper"):
        load_claims(tmp_path)


def test_the_docstring_has_its_fields_in_words() -> None:
    """A field runs over several lines, until the next one."""
    about = parse_docstring("Title.\n\nPaper A,\n  b\nSource published, surely\nAssumes x\nTight y", "here")
    assert about == {"title": "Title.", "paper": "A, b", "source": "published, surely", "assumes": "x", "tight": "y"}


def test_updates_by_name_and_by_entry() -> None:
    """``update`` finds states and entries, and says what there is where it finds none."""
    assert update(balanced(), "A").has(sp.Symbol("A", real=True))
    assert update(generic(), SCORES[TOKEN, QUERY]) != update(generic(), SCORES[QUERY, QUERY])
    with pytest.raises(InputError, match="it trains A, B"):
        update(balanced(), "C")
    with pytest.raises(InputError, match="does not train"):
        update(generic(), SCORES[QUERY, TOKEN])


def test_at_the_start_no_score_is_left() -> None:
    """``at_start`` puts the starting values in, for states and for entries under sums."""
    system = balanced(N="inf")
    assert not at_start(system, update(system, "A")).has(sp.exp)
    assert not at_start(generic(N="inf"), generic(N="inf").loss).has(SCORES)


def test_the_simplex_is_positive_and_sums_to_one() -> None:
    """Weights by name; the same name is the same weight in every call."""
    attention = simplex("x, y z")
    assert check(claim(equal(balanced(), sp.Add(*attention), 1))).verdict is Verdict.PROVED
    assert all(check(claim(nonnegative(balanced(), a))).verdict is Verdict.PROVED for a in attention)
    assert simplex("x y z") == attention
