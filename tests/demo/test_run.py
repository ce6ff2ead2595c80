"""The demo end to end, the transformer replaced by a quick second encoder."""

import json

import pytest

import isthmus
from isthmus.demo import run as demo


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    said = []
    with pytest.MonkeyPatch.context() as patch:
        texts = demo.corpora.docstrings().documents[:800]
        patch.setattr(demo, "minilm", lambda: demo.lsa(texts, dim=96, seed=1))
        few = [part[:400] for part in demo.corpora.digits()]
        patch.setattr(demo.corpora, "digits", lambda: few)
        return demo.run(out, documents=400, say=said.append), out, said


def test_the_table_names_every_strategy_and_fits_80_columns(small):
    result, out, _ = small
    text = str(result)
    # The folder of this test has a longer name than anyone's demo-out.
    assert max(map(len, text.replace(str(out), "demo-out").splitlines())) <= 80
    for part in result.parts:
        names = {row.strategy for row in part.evaluation.rows}
        assert {"status quo", "naive swap", "full re-embedding"} <= names
        for bridge in ("orthogonal", "low_rank", "affine", "relative"):
            assert {f"{bridge}, corpus side", f"{bridge}, query side"} <= names
            assert f"{bridge}, fused" in names
        assert part.evaluation.reason in " ".join(text.split())
        assert part.plan.reason in " ".join(text.split())
    assert result.parts[0].plan.relevance == "known item"
    assert result.parts[0].plan.n_queries == 400  # in folds, every document may be asked for
    assert not result.parts[1].plan.enough
    assert result.parts[0].evaluation.relevance == "known item"
    assert result.parts[1].evaluation.relevance == "provisional"


def test_every_file_can_be_used_again(small):
    result, out, said = small
    old = isthmus.open(out / "docstrings-old.npz")
    assert old.encoder == "tf-idf + svd"
    bridge = isthmus.load(out / "docstrings.isthmus")
    moved = isthmus.open(out / "docstrings-translated")
    assert len(moved) == len(old) == 400
    assert moved.dim == bridge.target.dim
    assert all(part.report.exists() for part in result.parts)
    assert len(said) >= 5
    json.dumps(result.as_dict(), default=str)
