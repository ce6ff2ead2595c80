import pytest

from isthmus.core.registry import ROOMS, methods


def test_all_of_them(cli, narrow):
    answer = cli("methods")
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    for one in methods():
        assert f"  {one.name}\n" in answer.out


def test_json(cli):
    found = cli("methods", "--json").json
    assert {(m["room"], m["name"]) for m in found} == {(m.room, m.name) for m in methods()}
    assert all(m["summary"] for m in found)


@pytest.mark.parametrize("room", ROOMS)
def test_one_room(cli, room):
    assert {m["room"] for m in cli("methods", "--room", room, "--json").json} == {room}


def test_an_unknown_room(cli):
    answer = cli("methods", "--room", "kitchen")
    assert (answer.code, answer.out) == (3, "")
    said = " ".join(answer.err.split())
    assert "'kitchen'; expected one of anchors, measures, bridges, retrieval." in said
