"""Tests here run whole nodes, by the real command, on a LAN of namespaces."""

from tests.lan.fixtures import make_lan

__all__ = ["make_lan"]
