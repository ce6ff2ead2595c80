import numpy as np
import pytest

from isthmus.core.errors import FormatError
from isthmus.spaces.formats.contents import ID_KEYS, VECTOR_KEYS, Contents, choose, declared


@pytest.mark.parametrize(
    ("present", "found"),
    [
        (["x", "vectors", "emb"], "vectors"),
        (["arr_0", "x"], "x"),
        (["embedding", "embeddings"], "embeddings"),
        (["VECTORS", "vectors "], None),
        ([], None),
    ],
)
def test_the_first_usual_name_wins_wherever_it_stands(present, found):
    assert choose("open it", present, None, VECTOR_KEYS, "vector column") == found


def test_a_wanted_name_wins_over_usual_ones():
    assert choose("open it", ["id", "mine"], "mine", ID_KEYS, "id column") == "mine"


@pytest.mark.parametrize(
    ("present", "cure"),
    [
        (["id", "key"], r"one of \['id', 'key'\]\."),
        ([], "a file that has one"),
        ([f"c{i}" for i in range(1025)], r"one of .*'c18', 'c19'\] and 1,005 more\."),
    ],
)
@pytest.mark.parametrize("wanted", ["ids", ""])
def test_a_wanted_name_that_is_absent_is_no_cause_to_guess(wanted, present, cure):
    with pytest.raises(
        FormatError, match=rf"open it: got no id column '{wanted}'; expected {cure}"
    ):
        choose("open it", present, wanted, ID_KEYS, "id column")


def test_only_three_facts_are_taken_and_as_text():
    entries = {"encoder": 7, "metric": np.str_("cosine"), "author": "me", "fingerprint": "x"}
    assert declared("open it", entries) == {"encoder": "7", "metric": "cosine"}
    assert declared("open it", {}) == {}


@pytest.mark.parametrize("given", ["0.5", 0.5, np.float32(0.5), np.array(0.5), " 5e-1\n"])
def test_a_scale_is_a_number_however_it_is_written(given):
    assert declared("open it", {"scale": given}) == {"scale": 0.5}


@pytest.mark.parametrize("given", ["", "1/127", None, [0.5], b"0.5", "0,5", "9" * 10_000 + "x"])
def test_a_scale_that_is_no_number_is_named_in_few_words(given):
    with pytest.raises(FormatError, match=r"^open it: got scale .*a number\. Mend") as caught:
        declared("open it", {"scale": given})
    assert len(str(caught.value)) < 200


def test_contents_without_facts_share_nothing():
    first, second = Contents(vectors=None), Contents(vectors=None)
    first.facts["metric"] = "cosine"
    assert second.facts == {}
    assert second.ids is None
