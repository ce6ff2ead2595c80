"""What fault tests share: where they import from, and a server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from ground import postgres, secret, small_disk  # noqa: F401
