import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.retrieval.ndcg import ndcg
from isthmus.retrieval.qrels import read_qrels, read_run, write_qrels, write_run

WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=8
).filter(lambda word: word.split() == [word])


@settings(max_examples=50, deadline=None)
@given(
    facts=st.dictionaries(
        WORD, st.dictionaries(WORD, st.integers(-2, 4), min_size=1), min_size=1, max_size=4
    )
)
def test_qrels_come_back_as_written(tmp_path_factory, facts):
    path = tmp_path_factory.mktemp("qrels") / "q.txt"
    write_qrels(path, facts)
    assert read_qrels(path) == facts
    assert [p.name for p in path.parent.iterdir()] == ["q.txt"]


@settings(max_examples=50, deadline=None)
@given(
    ranked=st.dictionaries(
        WORD, st.lists(WORD, min_size=1, max_size=5, unique=True), min_size=1, max_size=4
    )
)
def test_runs_come_back_in_order(tmp_path_factory, ranked):
    path = tmp_path_factory.mktemp("run") / "r.txt"
    write_run(path, ranked)
    assert read_run(path) == ranked


def test_runs_are_ordered_by_score_alone_with_trec_evals_ties(tmp_path):
    path = tmp_path / "run.txt"
    path.write_text("q Q0 a 1 0.5 t\nq Q0 b 2 2e0 t\nq\tQ0\tc 3 0.5 t\n\nq Q0 d 4 -1 t\n")
    assert read_run(path) == {"q": ["b", "c", "a", "d"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("q 0 d 1\nq 0 e\n", "3 fields .* in line 2"),
        ("q 0 d 1 extra\n", "5 fields .* in line 1"),
        ("q 0 d high\n", "grade 'high' in line 1"),
        ("q 0 d 1.5\n", "grade '1.5' in line 1"),
        ("\nq 0 d 1\nq 0 d 2\n", "document 'd' again for query 'q' in line 3"),
        ("", "no judgement"),
        ("\n \n", "no judgement"),
    ],
)
def test_qrels_that_do_not_fit_name_the_line(tmp_path, text, told):
    path = tmp_path / "q.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=told):
        read_qrels(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("q 0 d 1\n", "4 fields .* in line 1"),
        ("q Q0 d 1 nan t\n", "score 'nan' in line 1"),
        ("q Q0 d 1 x t\n", "score 'x' in line 1"),
        ("q Q0 d 1 2 t\nq Q0 d 2 1 t\n", "again .* in line 2"),
        ("", "no ranking"),
    ],
)
def test_runs_that_do_not_fit_name_the_line(tmp_path, text, told):
    path = tmp_path / "r.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=told):
        read_run(path)


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_give_judgements_or_a_format_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("noise") / "q.txt"
    path.write_bytes(data)
    for read in (read_qrels, read_run):
        with suppress(FormatError):
            assert read(path)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(StorageError):
        read_qrels(tmp_path / "none.txt")
    with pytest.raises(StorageError):
        write_qrels(tmp_path / "no" / "q.txt", {"q": {"d": 1}})


@pytest.mark.parametrize(
    "facts", [{}, {"a b": {"d": 1}}, {"q": {"": 1}}, {"q": {"d": 1.5}}, {"q": {"d": True}}]
)
def test_what_a_file_cannot_hold_is_refused_and_nothing_written(tmp_path, facts):
    with pytest.raises(InputError):
        write_qrels(tmp_path / "q.txt", facts)
    assert not list(tmp_path.iterdir())


def test_cranfields_judgements_round_trip(tmp_path):
    if "ISTHMUS_DATA" not in os.environ:
        pytest.skip("needs the Cranfield collection: set ISTHMUS_DATA")
    original = Path(os.environ["ISTHMUS_DATA"]) / "cranfield" / "cranqrel"
    with pytest.raises(FormatError, match=r"3 fields .* in line 1"):
        read_qrels(original)  # SMART's own layout: query, document, grade
    facts: dict[str, dict[str, int]] = {}
    for line in original.read_text().splitlines():
        query, document, grade = line.split()
        # 1 is best, 4 of least interest; anything else (the file has -1) is kept as not relevant.
        facts.setdefault(query, {})[document] = 5 - int(grade) if 1 <= int(grade) <= 4 else -1
    write_qrels(tmp_path / "q.txt", facts)
    back = read_qrels(tmp_path / "q.txt")
    assert back == facts
    assert len(back) == 225
    best = {q: sorted(d, key=lambda e: -d[e]) for q, d in back.items()}
    assert ndcg(best, back, k=10).value == pytest.approx(1.0)
