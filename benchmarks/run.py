"""Run every benchmark, one process each; figures go to benchmarks/results/.

python benchmarks/run.py
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("query.py", "debiased_cka.py", "fit.py", "translate.py")


def main() -> None:
    for script in SCRIPTS:
        print(f"== {script}", flush=True)
        subprocess.run([sys.executable, HERE / script], check=True)


if __name__ == "__main__":
    main()
