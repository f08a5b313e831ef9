"""The command `swarm` where the clock is wrong: `python -m tests.command.wrong_clock SECONDS daemon …`."""

from __future__ import annotations

import sys
import time
from unittest.mock import patch

from swarm.cli import main

if __name__ == "__main__":
    ahead, right = float(sys.argv.pop(1)), time.time
    with patch("time.time", lambda: right() + ahead):
        sys.exit(main())
