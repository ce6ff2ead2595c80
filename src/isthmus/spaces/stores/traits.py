"""Traits: what each store is and can do, as data, so that asking costs no import of its client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a kind of store is and can do.

    ``module`` and ``cls`` are where its class lives; ``extra`` is the extra of isthmus that brings
    ``packages``, its client. ``ids`` are the kinds of id it takes (``"int"``, ``"string"``),
    ``metrics`` those it can search by, and ``normalises`` those of them under which it stores
    vectors scaled to unit length, so that their norms are lost. ``shadow`` says where translated
    vectors lie until the cutover (``"column"``, ``"collection"`` or ``"file"``) and ``cutover`` how
    they take the place of the old. ``payload`` says whether other columns are carried along, and
    ``filters`` in what language ``?filter=`` is written ("" where there is none). ``form`` is an
    example of an address.
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
}
