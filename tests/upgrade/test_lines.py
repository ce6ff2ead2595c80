from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.lines import WIDTH, change, line, shortened, wrapped


def test_a_difference_is_shown_with_its_interval():
    found = Difference(mean=0.0281, ci=(-0.0042, 1.25), p=0.1, n=9)
    assert change(found) == "+.028 [-.004, +1.250]"


def test_cells_stand_at_the_right_of_their_columns():
    assert line("ab", ["1", "22"], [3, 2], 4) == "ab      1  22"


def test_a_long_name_keeps_what_it_is_used_for():
    assert shortened("short", 10) == "short"
    assert shortened("a very long bridge, query side", 20) == "a very ~, query side"
    assert len(shortened("x" * 50, 20)) == 20


def test_sentences_are_wrapped_with_names_left_whole():
    found = wrapped("- ", "word " * 40 + "re-embedding-without-a-break")
    assert max(map(len, found)) <= WIDTH
    assert all(text.startswith("  ") for text in found[1:])
    assert any("re-embedding-without-a-break" in text for text in found)
