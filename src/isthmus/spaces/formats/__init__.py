"""Formats: one file each, found by what the bytes say and then by the suffix.

A format is a frozen record; ``FORMATS`` is all of them, in the order they are asked.
"""

from importlib import import_module
from pathlib import Path

from isthmus.core.errors import FormatError
from isthmus.spaces.formats.contents import Contents, Format, Keys

FORMATS = (
    Format("space directory", "space_directory", (), folder=("manifest-*.json",)),
    Format("folder of .npy shards", "npy_folder", (), folder=("*.npy", "*_emb/*.npy")),
    Format("folder of Parquet files", "parquet_folder", (), folder=("*.parquet",)),
    Format(".npy", "npy", (".npy",), magic=(b"\x93NUMPY",)),
    Format(".npz", "npz", (".npz",), magic=(b"PK\x03\x04", b"PK\x05\x06")),
    Format("Parquet", "parquet", (".parquet", ".pq"), magic=(b"PAR1",)),
    Format("Arrow IPC", "arrow", (".arrow", ".feather", ".ipc"), magic=(b"ARROW1",)),
    Format("safetensors", "safetensors", (".safetensors",)),
    Format(".fvecs", "fvecs", (".fvecs",)),
)


def recognise(path: Path) -> Format:
    """The format of ``path``; raises FormatError listing what is readable."""
    if path.is_dir():
        fitting = [f for f in FORMATS if any(any(path.glob(p)) for p in f.folder)]
    else:
        with path.open("rb") as file:
            head = file.read(16)
        fitting = [f for f in FORMATS if head.startswith(f.magic or (b"\0none",))]
        fitting += [f for f in FORMATS if path.name.lower().endswith(f.suffixes or ("\0",))]
    if not fitting and path.is_dir() and (path / "writing").is_dir():
        raise FormatError(
            f"open {path.name}",
            "a space directory that is still being written, or whose writer died",
            "a committed generation",
            "Run the same command again; it goes on where it ended.",
        )
    if not fitting:
        raise FormatError(
            f"open {path.name}",
            "a folder without vectors" if path.is_dir() else "a file of unknown format",
            f"one of: {', '.join(f.name for f in FORMATS)}",
            "Save the vectors with numpy.save, or pass the array itself.",
        )
    return fitting[0]


def read(path: Path, keys: Keys) -> Contents:
    """What ``path`` holds, read lazily."""
    found = recognise(path)
    module = import_module(f"isthmus.spaces.formats.{found.module}")
    contents: Contents = module.read(path, keys)
    return contents
