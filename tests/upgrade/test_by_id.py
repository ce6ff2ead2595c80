import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.upgrade.by_id import labels_of, read_by_id, traffic_of

IDS = np.array(["a", "b c", "d"])


def test_a_file_and_a_mapping_say_the_same(tmp_path):
    file = tmp_path / "by"
    file.write_bytes(b"a\t3\r\n\nb c\t0.5\nelsewhere\t9")
    for given in (file, str(file), {"a": 3, "b c": 0.5, "elsewhere": 9}):
        assert traffic_of(given, IDS).tolist() == [3.0, 0.5, 0.0]
        assert labels_of(given, IDS).tolist() == ["3", "0.5", ""]
    assert traffic_of({"7": 3, 9: 1}, np.array([7, 8, 9])).tolist() == [3.0, 0.0, 1.0]
    assert traffic_of(None, IDS) is labels_of(None, IDS) is None


def test_a_class_may_hold_tabs_and_an_id_blanks(tmp_path):
    (tmp_path / "by").write_text("b c\tone\ttwo\n")
    assert read_by_id(tmp_path / "by") == {"b c": "one\ttwo"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a\t1\nb 2\n", "'b 2', which has no TAB, in line 2"),
        (b"a\t1\n\na\t1\n", "id 'a' again in line 3"),
        (b"a\t\xff\n", "UTF-8"),
    ],
)
def test_a_line_that_does_not_fit(tmp_path, data, says):
    (tmp_path / "by").write_bytes(data)
    with pytest.raises(FormatError, match=says):
        read_by_id(tmp_path / "by")


@pytest.mark.parametrize("value", ["often", None, "nan", -1, float("inf")])
def test_traffic_that_is_no_number_of_hits(value):
    with pytest.raises(InputError, match="document 'd'"):
        traffic_of({"d": value}, IDS)


def test_what_names_nothing_or_cannot_be_read(tmp_path):
    (tmp_path / "by").write_text("")
    with pytest.raises(InputError, match="none of the 3 documents"):
        labels_of(tmp_path / "by", IDS)
    with pytest.raises(StorageError, match="readable"):
        read_by_id(tmp_path)
