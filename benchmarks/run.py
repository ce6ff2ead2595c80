"""Run every benchmark, one process each; figures go to benchmarks/results/.

python benchmarks/run.py

What takes an hour and more is run by name: calibration, study, stitching, crosslingual, abstention,
plan, and the published steps in bridges. Measures are held against the
public implementations that are installed: `make compare` builds an environment that has them.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    ("query.py",), ("debiased_cka.py",), ("fit.py",), ("translate.py",), ("measures.py",),
    ("measures.py", "--stream"), ("runtime.py",), ("pgvector.py",), ("scale.py",),
    ("mixed_search.py",), ("hub.py",),
    ("bridges.py", "--only", "fits", "transforms", "relative", "curve", "mini"),
)  # fmt: skip


def main() -> None:
    for script, *options in SCRIPTS:
        print(f"== {script}", *options, flush=True)
        subprocess.run([sys.executable, HERE / script, *options], check=True)


if __name__ == "__main__":
    main()
