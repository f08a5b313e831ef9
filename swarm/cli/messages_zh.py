"""What the command line says, in Chinese."""

from __future__ import annotations

from typing import Final

MESSAGES: Final[dict[str, str]] = {}
