"""Tables of a PostgreSQL as a service has them, for the tests of pgvector."""

import numpy as np


def vectors(rows, dim=4, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def text(vector):
    return "[" + ",".join(repr(float(x)) for x in vector) + "]"


def filled(admin, name="docs", rows=20, columns="", index=True):
    """A table as a service has it: vectors NOT NULL, an HNSW index, and another column."""
    admin.execute(
        f'CREATE TABLE "{name}" (doc_id int PRIMARY KEY, embedding vector(4) NOT NULL, '
        f"body text DEFAULT 'x', seen timestamptz DEFAULT now(){columns})"
    )
    x = vectors(rows)
    admin.cursor().executemany(
        f'INSERT INTO "{name}" VALUES (%s, %s)', [(n, text(v)) for n, v in enumerate(x)]
    )
    if index:
        admin.execute(
            f'CREATE INDEX ON "{name}" USING hnsw (embedding vector_cosine_ops) WITH (m = 5)'
        )
    return x


def described(admin, name="docs"):
    """The columns and indexes of a table as its users see them."""
    columns = admin.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        f"WHERE attrelid = '\"{name}\"'::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attname NOT LIKE '%%\\_old' ORDER BY attname"
    ).fetchall()
    indexes = admin.execute(
        f"SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index "
        f"WHERE indrelid = '\"{name}\"'::regclass ORDER BY 1"
    ).fetchall()
    checks = admin.execute(
        f"SELECT conname FROM pg_constraint WHERE conrelid = '\"{name}\"'::regclass "
        "AND contype = 'c'"
    ).fetchall()
    return columns, indexes, checks
