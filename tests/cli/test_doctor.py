import numpy as np


def test_a_page_of_eighty_columns(cli, here, narrow, save, x):
    x[7] = x[3]
    x[9] = np.nan
    save("odd.npz", x)
    answer = cli("doctor", "odd.npz")
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    assert answer.out.startswith("odd.npz: 1 broken, 1 notable")
    said = " ".join(answer.out.split())
    assert "NaN or infinity in 1 row. at d9" in said
    assert "1 row repeating an earlier vector. at d7 like d3" in said


def test_json(cli, here):
    found = cli("doctor", "old.npz", "--json").json
    assert (found["kind"], found["rows"], found["sampled"]) == ("health", 400, 400)
    assert found["healthy"] is True
    assert found["findings"] == []


def test_rows_and_seed_choose_the_sample(cli, here):
    def hubness(*options):
        found = cli("doctor", "old.npz", "--json", "--rows", 200, *options).json
        assert found["sampled"] == 200
        return found["facts"]["hubness"]["value"]

    assert hubness() == hubness("--seed", 0)
    assert hubness() != hubness("--seed", 1)


def test_a_report_beside_it(cli, here, save, x):
    x[4] = 0
    save("odd.npz", x)
    answer = cli("doctor", "odd.npz", "--report", "r.html")
    assert (answer.code, answer.err) == (0, "report: r.html\n")
    assert "The health of the space" in (here / "r.html").read_text()


def test_int8_needs_its_scale(cli, here, refused, x):
    np.save(here / "q.npy", (x * 10).astype(np.int8))
    assert "the scale" in refused(3, "InputError", "doctor", "q.npy")
    assert cli("doctor", "q.npy", "--scale", "0.1", "--json").json["rows"] == 400


def test_what_is_refused(refused, here):
    assert "a sample of 100 rows" in refused(3, "InputError", "doctor", "old.npz", "--rows", 3)
    refused(6, "StorageError", "doctor", "nowhere.npy")
    refused(6, "StorageError", "doctor", "old.npz", "--report", "no/folder/r.html")
    (here / "x.bin").write_bytes(bytes(range(200)))
    refused(5, "FormatError", "doctor", "x.bin")
