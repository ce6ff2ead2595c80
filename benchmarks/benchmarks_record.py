"""Where every benchmark puts its figures: benchmarks/results/<name>.json, with what produced them."""

import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def record(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them with the command and the kind of machine."""
    import numpy as np

    RESULTS.mkdir(exist_ok=True)
    summary = {
        key: {"median": statistics.median(value), "min": min(value), "max": max(value)}
        if isinstance(value, list)
        else value
        for key, value in figures.items()
    }
    data = {
        "command": " ".join(["python", "benchmarks/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
        "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__,
        "figures": summary,
    }  # fmt: skip
    text = json.dumps(data, indent=1) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    sys.stdout.write(text)
