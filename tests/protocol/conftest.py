"""The same examples in every run, and none judged by the clock."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("protocol", deadline=None, derandomize=True)
settings.load_profile("protocol")
