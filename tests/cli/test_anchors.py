import pytest

CURVE = ("anchors", "old.npz", "new.npz", "--curve")


def test_a_curve(cli, here, narrow):
    answer = cli(
        *CURVE, "--samplers", "uniform,farthest-point", "--sizes", "5,20", "--repeats", "2"
    )
    assert answer.code == 0, answer.err
    assert answer.err == "400 pairs; left over: 0 and 0\n"
    narrow(answer.out)
    assert "recommended:" in answer.out
    assert "uniform" in answer.out
    assert "farthest_point" in answer.out


def test_labels_bring_the_sampler_that_needs_them(cli, here, refused):
    (here / "labels.tsv").write_text("".join(f"d{i}\t{'abc'[i % 3]}\n" for i in range(400)))
    given = (*CURVE, "--sizes", "5", "--repeats", "2", "--json")
    names = [
        set(cli(*given, *more).json["recommended"]) for more in ((), ("--labels", "labels.tsv"))
    ]
    assert names[1] - names[0] == {"label_covering"}
    assert names[0] < names[1]
    few = refused(3, "InputError", *CURVE, "--sizes", "2", "--labels", "labels.tsv")
    assert "count=2 for 3 classes" in few
    refused(6, "StorageError", *CURVE, "--labels", "nowhere.tsv")


def test_json_and_the_seed(cli, here):
    said = [
        cli(*CURVE, "--samplers", "uniform", "--sizes", "3", "--seed", seed, "--json").json
        for seed in (0, 0, 1)
    ]
    assert said[0]["kind"] == "anchor curve"
    assert said[0] == said[1] != said[2]
    assert said[0]["best"] == {"sampler": "uniform", "anchors": 3}


def test_wrong_usage(cli, here):
    for arguments in (CURVE[:3], (*CURVE, "--sizes", "many")):
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (2, "")
        assert "Usage: isthmus" in answer.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samplers", "magic"], "'magic'; expected one of"),
        (["--samplers", "label_covering"], "without labels"),
        (["--sizes", "5,4000"], "numbers from 1 to 320"),
        (["--repeats", "1"], "at least 2"),
    ],
)
def test_refusals(refused, options, message):
    assert message in refused(3, "InputError", *CURVE, *options)
