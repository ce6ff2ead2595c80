"""The commands of docs/upgrade.md, run as they stand there on a PostgreSQL of our own, and timed.

    python benchmarks/walkthrough.py [--rows 61486] [--page]

The table holds Debian's package descriptions under LSA (61,486 rows of 256 dimensions, ids and one
other column) with an HNSW index; the sample is 5,000 of them under MiniLM. After ``isthmus
upgrade`` a row is added, so that the first cutover must refuse. Checked are the exit codes and
that, after the rollback, the md5 of all ids and old vectors is the one from before. Installing
Isthmus is not timed; starting the server and filling the table stand apart. ``--page`` also writes
the last column of the page's table: leave it out where other work runs on the machine.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import psycopg
from record import record

from isthmus.evidence.corpora import debian

PAGE = Path(__file__).parents[1] / "docs" / "upgrade.md"
#: The job's name on the page; the real one is a hash of the table's address.
JOB = "isthmus-jobs/packages-cbafcb9b"
CUTOVER = f"isthmus upgrade --cutover {JOB}"
SAMPLE = 5000
#: As the page says, which index builds need.
SETTINGS = "-c maintenance_work_mem=2GB"
MD5 = (
    "SELECT md5(string_agg(md5(id || embedding::text), '' ORDER BY id)) "
    "FROM packages WHERE id <> 'new'"
)


def table(link, rows):
    """The table of the page, filled and indexed; its sample of new vectors; seconds of the two."""
    ids, old = debian("en-lsa256")
    new = dict(zip(*debian("en-minilm384"), strict=True))
    link.execute("CREATE EXTENSION vector")
    link.execute("CREATE TABLE packages (id text PRIMARY KEY, body text, embedding vector(256))")
    start = time.perf_counter()
    with link.cursor().copy("COPY packages FROM STDIN") as copy:
        for key, vector in zip(ids[:rows].tolist(), old[:rows].astype(np.float32), strict=True):
            copy.write_row((key, f"about {key}", str(vector.tolist())))
    filled = time.perf_counter() - start
    link.execute("CREATE INDEX ON packages USING hnsw (embedding vector_cosine_ops)")
    link.execute("VACUUM ANALYZE packages")
    picked = np.random.default_rng(0).permutation(min(rows, len(ids)))[:SAMPLE]
    vectors = np.stack([new[key] for key in ids[picked].tolist()]).astype(np.float32)
    np.savez("new-sample.npz", ids=ids[picked], vectors=vectors)
    return filled, time.perf_counter() - start - filled


def printed(command):
    """Whether the page has that command, broken into lines or with JOB for the job's name."""
    page = " ".join(PAGE.read_text().split())
    return command in page or command.replace(JOB, "JOB") in page


def walk(link, environment):
    """Seconds of every command, in the page's order, and the lines that each said."""
    took, said, job = {}, {}, JOB

    def run(command, *, ends=0, name=""):
        assert printed(command), command
        start = time.perf_counter()
        done = subprocess.run(
            ["bash", "-c", command.replace(JOB, job)], env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        key = name or command.replace(JOB, "JOB")
        took[key] = round(time.perf_counter() - start, 1)
        sys.stderr.write(f"{key}: {took[key]} s\n")
        words = (done.stdout or done.stderr).replace(job, JOB)
        said[key] = words.replace(str(Path.cwd()), "FOLDER").splitlines()
        assert done.returncode == ends, done.stdout + done.stderr
        return done.stdout

    run('isthmus plan "$DOCS" new-sample.npz')
    run('isthmus fit "$DOCS" new-sample.npz -o old-to-new.isthmus --budget 60s')
    run('isthmus upgrade "$DOCS" old-to-new.isthmus --dry-run')
    ((before,),) = link.execute(MD5).fetchall()
    job = run('isthmus upgrade "$DOCS" old-to-new.isthmus').partition(":")[0]
    link.execute("INSERT INTO packages SELECT 'new', body, embedding FROM packages LIMIT 1")
    run(CUTOVER, ends=6, name="a cutover that refuses")
    run(f"isthmus jobs --resume {JOB}")
    run(CUTOVER)
    run('isthmus doctor "$DOCS" -b old-to-new.isthmus')
    run(f"isthmus upgrade --rollback {JOB}")
    assert link.execute(MD5).fetchall() == [(before,)]
    run(f"isthmus upgrade --drop {JOB}")
    return took, said


def write_page(took):
    """The seconds into the last column of the page's table."""
    lines = []
    for line in PAGE.read_text().splitlines():
        row = re.fullmatch(r"(\| .* \| `(isthmus .*)` \| )[\d.,]+ s \|", line)
        if row:
            words = row[2].split()
            met = [s for c, s in took.items() if all(word in c.split() for word in words)]
            # A plain `isthmus upgrade` is the one without another word for it.
            plain = took['isthmus upgrade "$DOCS" old-to-new.isthmus']
            line = f"{row[1]}{plain if len(words) == 2 and len(met) > 1 else met[0]:.0f} s |"
        lines.append(line)
    PAGE.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=61_486)
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import pgserver

    folder = Path(tempfile.mkdtemp(prefix="bench-walkthrough-"))
    folder.chmod(0o755)
    load, server = os.getloadavg()[0], None
    try:
        start = time.perf_counter()
        server = pgserver.get_server(folder / "pg", cleanup_mode="stop")
        started = time.perf_counter() - start
        server.psql("CREATE ROLE me SUPERUSER LOGIN;")
        server.psql("CREATE DATABASE shop;")
        host = server.get_uri().partition("host=")[2]
        os.chdir(folder)
        environment = {
            **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PGOPTIONS": SETTINGS,
            "DOCS": f"pgvector://me@/shop/packages?host={host}&vector=embedding&id=id",
        }  # fmt: skip
        with psycopg.connect(
            f"host={host} user=me dbname=shop", autocommit=True, options=SETTINGS
        ) as link:
            filled, indexed = table(link, options.rows)
            took, said = walk(link, environment)
            ((version,),) = link.execute("SHOW server_version").fetchall()
        record("upgrade", {
            "rows": options.rows, "sample": min(SAMPLE, options.rows), "postgresql": version,
            "load_before": round(load, 1), "start_server_s": round(started, 1),
            "fill_table_s": round(filled, 1), "build_its_index_s": round(indexed, 1),
            "commands_s": took, "sum_s": round(sum(took.values()), 1),
            "said": said,
        })  # fmt: skip
        if options.page:
            write_page(took)
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
