"""Stores: one file per database, found by the scheme of its address.

``connect("pgvector://host/base/documents?vector=embedding")`` gives a ``Store``, the handle of one
collection. ``STORES`` is all of them, as records that name what each can do; the database's own
client is imported when its first address is opened.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from isthmus.core.errors import InputError
from isthmus.spaces.stores.address import Address, is_address
from isthmus.spaces.stores.traits import STORES, Traits

if TYPE_CHECKING:
    from isthmus.spaces.stores.store import Store

__all__ = ["STORES", "Address", "Traits", "connect", "create", "is_address", "shown"]
__all__ += ["store_class"]


def shown(source: str) -> str:
    """A path as it is, an address without its secrets."""
    return Address.parse(source).redacted if is_address(source) else source


def store_class(address: Address | str) -> "type[Store]":
    """The class that serves ``address``; raises InputError naming the schemes there are."""
    address = Address.parse(address) if isinstance(address, str) else address
    if address.scheme not in STORES:
        raise InputError(
            f"open {address.redacted}", f"the scheme {address.scheme!r}",
            f"one of {', '.join(f'{scheme}://' for scheme in STORES)}, or a path",
        )  # fmt: skip
    traits = STORES[address.scheme]
    found: type[Store] = getattr(
        import_module(f"isthmus.spaces.stores.{traits.module}"), traits.cls
    )
    return found


def connect(address: Address | str) -> "Store":
    """The collection at ``address``.

    Raises
    ------
    InputError
        On an address that cannot be read, or a collection, column or option that is not there.
    StorageError
        When the database cannot be reached or refuses.
    MissingExtra
        When its client is not installed.

    """
    address = Address.parse(address) if isinstance(address, str) else address
    return store_class(address).open(address)


def create(address: Address | str, *, dim: int, metric: str | None, id_kind: str) -> "Store":
    """A new, empty collection at ``address``; raises StorageError where one exists already."""
    address = Address.parse(address) if isinstance(address, str) else address
    return store_class(address).create(address, dim=dim, metric=metric, id_kind=id_kind)
