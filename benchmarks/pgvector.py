"""pgvector: read n x 384, map to 512 and write a shadow, against psql copying the same rows.

    python benchmarks/pgvector.py [--rows 200000] [--indexed 5000]

psql copies the table out to a file and in from it, in the binary format, which is the faster, and
in text, which is its default. Ratios are its seconds over ours, so above 1 is faster than psql. Our
512 dimensions are a third more bytes than the 384 that it reads, and beyond what PostgreSQL keeps
in a row; so a second ratio lets psql write the 512 too. Vectors are mapped as a job maps them, in
float64, and written to the table that gathers them by binary COPY; ``finish`` moves the vectors
into a column of the user's table; with an HNSW index on the old vectors it is held against building
that index and against the plain UPDATE of all rows.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import psycopg
from record import record

DIM, WIDER = 384, 512


def filled(link, name, rows):
    from isthmus.spaces.stores import Address, create
    from isthmus.spaces.stores.store import Rows

    link.execute(f"DROP TABLE IF EXISTS {name}")
    address = Address.parse(f"pgvector://postgres@/postgres/{name}?host={link.info.host}")
    store = create(address, dim=DIM, metric=None, id_kind="int")
    link.execute(f"ALTER TABLE {name} DROP COLUMN payload")
    rng = np.random.default_rng(0)
    for start in range(0, rows, 4096):
        ids = np.arange(start, min(start + 4096, rows))
        store.upsert(Rows(ids, rng.normal(size=(len(ids), DIM)).astype(np.float32)))
    link.execute(f"VACUUM ANALYZE {name}")
    return store


def psql(server, link, line):
    """Seconds of one copy by psql."""
    from pgserver._commands import POSTGRES_BIN_PATH

    link.execute("CHECKPOINT")
    start = time.perf_counter()
    command = [POSTGRES_BIN_PATH / "psql", "-q", server.get_uri(), "-c", line]
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def copied(server, link, file, what, dim, form="binary"):
    """Seconds of copying ``what`` out to a file and in from it."""
    link.execute("DROP TABLE IF EXISTS copied")
    link.execute(f"CREATE TABLE copied (id bigint PRIMARY KEY, embedding vector({dim}))")
    return (
        psql(server, link, f"\\copy {what} TO '{file}' (FORMAT {form})"),
        psql(server, link, f"\\copy copied FROM '{file}' (FORMAT {form})"),
    )


def carried(store, link, bridge):
    """Seconds of reading, mapping and writing, and of moving into the column."""
    from isthmus.spaces.stores.store import Rows
    from isthmus.upgrade.carry import mapped

    link.execute("CHECKPOINT")
    start = time.perf_counter()
    shadow = store.shadow("bench", dim=WIDER, metric=None)
    for rows in store.scan():
        shadow.upsert(Rows(rows.ids, mapped(bridge, rows.vectors)))
    carry = time.perf_counter() - start
    start = time.perf_counter()
    store.finish("bench")
    return carry, time.perf_counter() - start


def indexed(link, rows, bridge):
    """Seconds of building an HNSW index, of ``finish`` beside it, and of one UPDATE of all rows."""
    from isthmus.upgrade.carry import mapped

    found = {}
    for way in ("finish", "update"):
        store = filled(link, "small", rows)
        start = time.perf_counter()
        link.execute("CREATE INDEX ON small USING hnsw (embedding vector_cosine_ops)")
        found["build"] = time.perf_counter() - start
        shadow = store.shadow("bench", dim=WIDER, metric="cosine")
        for batch in store.scan():
            shadow.upsert(type(batch)(batch.ids, mapped(bridge, batch.vectors)))
        start = time.perf_counter()
        if way == "finish":
            # Without the new index, which either way needs.
            store._change("bench").gathered_into_column()
        else:
            link.execute(f"ALTER TABLE small ADD COLUMN plain vector({WIDER})")
            link.execute(
                "UPDATE small t SET plain = s.v FROM small_isthmus_bench s WHERE s.key = t.id"
            )
        found[way] = time.perf_counter() - start
        store.close()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--indexed", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import pgserver

    import isthmus

    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        link = psycopg.connect(server.get_uri(), autocommit=True)
        link.execute("CREATE EXTENSION vector")
        rng = np.random.default_rng(1)
        pairs = rng.normal(size=(4 * DIM, DIM)).astype(np.float32)
        wider = pairs @ rng.normal(size=(DIM, WIDER)).astype(np.float32)
        bridge = isthmus.fit(pairs, wider, method="affine")
        names = ("out", "in", "in_wider", "text", "carry", "finish")
        times = {name: [] for name in names}
        file = folder / "rows"
        for _ in range(options.repeats):
            store = filled(link, "docs", options.rows)
            took = dict(zip(("out", "in"), copied(server, link, file, "docs", DIM), strict=True))
            took["text"] = sum(copied(server, link, file, "docs", DIM, "text"))
            took["carry"], took["finish"] = carried(store, link, bridge)
            wide = "(SELECT id, embedding_isthmus_bench FROM docs)"
            took["in_wider"] = copied(server, link, file, wide, WIDER)[1]
            for name, seconds in took.items():
                times[name].append(seconds)
            store.drop("bench")
            store.close()
        beside = indexed(link, options.indexed, bridge)
        link.close()

        def ratios(over, under):
            return [
                sum(values[: len(over)]) / sum(values[len(over) :])
                for values in zip(*(times[name] for name in (*over, *under)), strict=True)
            ]

        record("pgvector", {
            "rows": options.rows, "dim": DIM, "wider": WIDER, "repeats": options.repeats,
            "carry_ratio_to_psql": ratios(["out", "in"], ["carry"]),
            "carry_ratio_to_psql_that_writes_512": ratios(["out", "in_wider"], ["carry"]),
            "carry_ratio_to_psql_text": ratios(["text"], ["carry"]),
            "carry_and_finish_ratio_to_psql": ratios(["out", "in"], ["carry", "finish"]),
            **{f"{name}_s": values for name, values in times.items()},
            "indexed_rows": options.indexed,
            "hnsw_build_s": beside["build"], "hnsw_finish_s": beside["finish"],
            "hnsw_plain_update_s": beside["update"],
            "hnsw_finish_over_plain_update": beside["finish"] / beside["update"],
        })  # fmt: skip
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
