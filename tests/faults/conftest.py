"""What fault tests counted, in the summary of the run."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def pytest_terminal_summary(terminalreporter):
    """One line a kind of fault: what was killed, and how hostile files ended."""
    fuzzed = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, value in report.user_properties:
                if name == "faults":
                    terminalreporter.write_line(f"faults: {value}")
                elif name == "fuzz":
                    fuzzed.setdefault(value[0], Counter()).update(value[1])
    for what, outcomes in fuzzed.items():
        told = ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
        terminalreporter.write_line(f"fuzzed {what}: {told}")
