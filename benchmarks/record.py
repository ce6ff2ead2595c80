"""Where every benchmark puts its figures: benchmarks/results/<name>.json, with their command."""

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def record(name: str, figures: dict[str, Any], *, whole: bool = False) -> None:
    """Print the figures and keep them with the command and the kind of machine.

    ``whole``: the figures may come from several runs of the script; the command kept is the one
    without options, which makes all of them.
    """
    import numpy as np

    RESULTS.mkdir(exist_ok=True)
    summary = {
        key: {"median": statistics.median(value), "min": min(value), "max": max(value)}
        if isinstance(value, list)
        else value
        for key, value in figures.items()
    }
    options = [] if whole else sys.argv[1:]
    data = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *options]),
        "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__,
        "figures": summary,
    }  # fmt: skip
    text = json.dumps(data, indent=1) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    sys.stdout.write(text)


def memory_peak_mb(code: str, *arguments: object) -> float:
    """What ``code`` adds to the peak resident memory, run alone in a process of its own.

    The code says ``mark()`` once its inputs are in memory; the peak is counted from there.
    """
    prelude = (
        "import sys\n"
        "def _status(key):\n"
        "    for line in open('/proc/self/status'):\n"
        "        if line.startswith(key):\n"
        "            return int(line.split()[1]) / 1024\n"
        "_start = [0.0]\n"
        "def mark():\n"
        "    open('/proc/self/clear_refs', 'w').write('5')\n"
        "    _start[0] = _status('VmRSS')\n"
    )
    coda = "\nprint(_status('VmHWM') - _start[0])\n"
    command = [sys.executable, "-c", prelude + code + coda, *map(str, arguments)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(answer.stdout.split()[-1])
