"""The node's secrets on disk, each a file readable by its owner alone and refused when it is not.

`$SWARM_HOME/identity` holds two lines of hex, the Ed25519 seed and the Noise private key: whoever copied it
can pass for this node. `$SWARM_HOME/local-token` is what a program of the owner shows to the local listeners
to change something (`swarm.guard`).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from protocol.signing import Identity
from swarm.errors import StoreError
from swarm.sites.files import read_or_make_secret

KEY_BYTES: Final = 32


def load(home: Path) -> Identity:
    """The identity of this home, made on first use. StoreError when it cannot be read or made."""
    path = home / "identity"
    try:
        text = read_or_make_secret(path, f"{secrets.token_hex(KEY_BYTES)}\n{secrets.token_hex(KEY_BYTES)}\n")
        seed, noise = (bytes.fromhex(line) for line in text.split())
        return Identity(seed, noise)
    except ValueError as error:
        raise StoreError(f"{path} is damaged.", "Remove it; the node then makes a new identity.") from error


def load_token(home: Path) -> str:
    """The token of this home's local listeners, made on first use. StoreError as above."""
    path = home / "local-token"
    try:
        token = read_or_make_secret(path, f"{secrets.token_hex(KEY_BYTES)}\n").strip()
        if len(bytes.fromhex(token)) == KEY_BYTES:
            return token
    except ValueError:
        pass
    raise StoreError(f"{path} is damaged.", "Remove it; the node then makes a new one.")
