"""Asking a node: the daemon of this home over its control socket, or an embedded one when none runs."""
