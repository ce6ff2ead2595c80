"""Traits: what each store is and can do, as data, so that asking costs no import of its client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a kind of store is and can do.

    ``module`` and ``cls`` are where its class lives; ``extra`` is the extra of isthmus that brings
    ``packages``, its client. ``ids`` are the kinds of id it takes (``"int"``, ``"string"``, or
    ``"uuid"``: of all texts UUIDs only), ``metrics`` those it can search by, and ``normalises``
    those of them under which it stores vectors scaled to unit length, so that their norms are lost.
    ``shadow`` says where translated vectors lie until the cutover (``"column"``, ``"collection"``
    or ``"file"``) and ``cutover`` how they take the place of the old. ``payload`` says whether
    other columns are carried along, and ``filters`` in what language ``?filter=`` is written (""
    where there is none). ``form`` is an example of an address.
    """

    name: str
    module: str
    cls: str
    extra: str
    packages: tuple[str, ...]
    form: str
    ids: tuple[str, ...]
    metrics: tuple[str, ...]
    normalises: tuple[str, ...] = ()
    shadow: str
    cutover: str
    payload: bool = True
    filters: str = ""


#: Every store by the scheme of its addresses.
STORES: dict[str, Traits] = {
    "chroma": Traits(
        name="Chroma",
        module="chroma",
        cls="Chroma",
        extra="chroma",
        packages=("chromadb",),
        form="chroma:///data/chroma/collection",
        ids=("string",),
        metrics=("euclidean", "cosine", "inner"),
        shadow="collection",
        cutover="renames two collections, one after the other",
        filters="Chroma's where, as JSON",
    ),
    "faiss": Traits(
        name="FAISS",
        module="faiss",
        cls="Faiss",
        extra="",
        packages=("faiss",),
        form="faiss:///data/corpus.faiss",
        ids=("int",),
        metrics=("euclidean", "inner"),
        shadow="file",
        cutover="renames the files, the new one over the old in one step",
        payload=False,
    ),
    "lancedb": Traits(
        name="LanceDB",
        module="lance",
        cls="Lance",
        extra="lancedb",
        packages=("lancedb",),
        form="lancedb:///data/lance/table?vector=vector&id=id",
        ids=("int", "string"),
        metrics=("euclidean", "cosine", "inner"),
        shadow="collection",
        cutover="swaps the folders of two tables, on Linux in one step",
        filters="SQL as LanceDB's where takes it",
    ),
    "milvus": Traits(
        name="Milvus",
        module="milvus",
        cls="Milvus",
        extra="milvus",
        packages=("pymilvus", "milvus_lite"),
        form="milvus:///data/base.db/alias",
        ids=("int", "string"),
        metrics=("cosine", "euclidean", "inner"),
        shadow="collection",
        cutover="moves the alias that the address names, in one atomic call",
        filters="Milvus's boolean expressions",
    ),
    "pgvector": Traits(
        name="pgvector",
        module="pgvector",
        cls="PgVector",
        extra="pgvector",
        packages=("psycopg",),
        form="pgvector://user@host:5432/base/table?vector=embedding&id=doc_id",
        ids=("int", "string"),
        metrics=("cosine", "euclidean", "inner"),
        shadow="column",
        cutover="swaps the names of two columns and of their indexes, in one transaction",
        filters="SQL",
    ),
    "qdrant": Traits(
        name="Qdrant",
        module="qdrant",
        cls="Qdrant",
        extra="qdrant",
        packages=("qdrant_client",),
        form="qdrant://host:6333/alias",
        ids=("int", "uuid"),
        metrics=("euclidean", "cosine", "inner"),
        normalises=("cosine",),
        shadow="collection",
        cutover="moves the alias that the address names, in one atomic call",
        filters="Qdrant's JSON",
    ),
    "sqlite-vec": Traits(
        name="sqlite-vec",
        module="sqlite_vec_store",
        cls="SqliteVec",
        extra="sqlite-vec",
        packages=("sqlite_vec",),
        form="sqlite-vec:///folder/file.db/table?vector=embedding",
        ids=("int", "string"),
        metrics=("euclidean", "cosine"),
        shadow="column",
        cutover="puts the new vectors in place and keeps the old ones, in one transaction",
        filters="SQL",
    ),
    "usearch": Traits(
        name="usearch",
        module="usearch",
        cls="Usearch",
        extra="usearch",
        packages=("usearch",),
        form="usearch:///data/corpus.usearch",
        ids=("int",),
        metrics=("cosine", "euclidean", "inner"),
        shadow="file",
        cutover="renames the files, the new one over the old in one step",
        payload=False,
    ),
}
