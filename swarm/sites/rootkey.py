"""The root key of a site as a file: the owner's alone, and encrypted where a passphrase was given.

The word in it (`protocol.armor`) holds the public key and the seed, or the seed encrypted with AES-256-GCM
under a key that scrypt (RFC 7914) makes of the passphrase. It is needed to found, to renew founders and to
revoke them, and for nothing a member does day by day: encrypted, or on a disk in a drawer, it is safest.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from protocol import armor
from protocol.ids import short, site_id
from protocol.signing import SigningKey
from swarm.errors import NotAllowed, StoreError, UsageError
from swarm.sites import files

PREFIX: Final = "swarmroot1"

SCRYPT_LOG2_N: Final = 17
"""Cost of one guess at a passphrase: 128 MiB and a third of a second, as OWASP recommends for scrypt."""

MAX_SCRYPT_LOG2_N: Final = 20
"""Most that a file may ask for: a gigabyte."""

SCRYPT_R: Final = 8
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


class RootFile:
    """The file of one root key, which may not be there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, passphrase: str | None, seed: bytes | None = None) -> SigningKey:
        """A new root key, or that of `seed`, in a new file. StoreError when there is a file already."""
        seed = seed or secrets.token_bytes(KEY_BYTES)
        key = SigningKey(seed)
        secret = [seed] if passphrase is None else _encrypted(seed, key.public_key, passphrase)
        files.make_folder(self.path.parent)
        if not files.create_once(self.path, armor.wrap(PREFIX, [key.public_key, *secret]) + "\n"):
            raise StoreError(f"There is a root key in {self.path} already.", "Move it away first.")
        return key

    def put_aside(self) -> Path:
        """Have the file under a name that tells the site, beside where it was: its new path.

        StoreError when there is another file of that name: it may have another passphrase.
        """
        aside = self.path.with_name(f"root-{short(site_id(self.public_key))}.key")
        with files.usable(aside):
            try:
                os.link(self.path, aside)
            except FileExistsError:
                if files.read_secret(aside) != files.read_secret(self.path):
                    raise StoreError(f"Another root key lies in {aside}.", "Move it away first.") from None
            self.path.unlink()
        return aside

    @property
    def exists(self) -> bool:
        return self.path.exists()

    @property
    def encrypted(self) -> bool:
        """Does it take a passphrase? StoreError when the file is damaged or can be read by others."""
        return len(self._content()) > 2

    @property
    def public_key(self) -> bytes:
        public_key = self._content()[0]
        assert isinstance(public_key, bytes)
        return public_key

    def open(self, passphrase: str | None) -> SigningKey:
        """The key. NotAllowed when the passphrase is wrong, UsageError when one is needed."""
        key = SigningKey(self.seed(passphrase))
        if key.public_key != self.public_key:
            raise self._damaged()
        return key

    def seed(self, passphrase: str | None) -> bytes:
        """The 32 bytes the key is made of, with the same errors."""
        match self._content():
            case [bytes(), bytes(seed)] if len(seed) == KEY_BYTES:
                return seed
            case [bytes(public), int(cost), bytes(salt), bytes(nonce), bytes(sealed)] if (
                1 <= cost <= MAX_SCRYPT_LOG2_N and len(nonce) == NONCE_BYTES
            ):
                if passphrase is None:
                    raise UsageError(
                        f"The root key in {self.path} needs its passphrase.",
                        "Answer the question, or set SWARM_SITE_PASSPHRASE.",
                    )
                try:
                    return AESGCM(_stretched(passphrase, salt, cost)).decrypt(nonce, sealed, public)
                except InvalidTag:
                    raise NotAllowed(
                        f"This is not the passphrase of {self.path}.", "Without it the key cannot be had."
                    ) from None
        raise self._damaged()

    def _content(self) -> list[object]:
        text = files.read_secret(self.path)
        if text is None:
            raise StoreError(f"There is no root key in {self.path}.", "It lies where the site was created.")
        try:
            match armor.unwrap(PREFIX, text):
                case [bytes(public_key), *secret] if len(public_key) == KEY_BYTES and secret:
                    return [public_key, *secret]
        except armor.BadArmor:
            pass
        raise self._damaged()

    def _damaged(self) -> StoreError:
        return StoreError(f"{self.path} holds no root key, or a damaged one.", "Restore it from a copy.")


def _encrypted(seed: bytes, public_key: bytes, passphrase: str) -> list[object]:
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(_stretched(passphrase, salt, SCRYPT_LOG2_N)).encrypt(nonce, seed, public_key)
    return [SCRYPT_LOG2_N, salt, nonce, sealed]


def _stretched(passphrase: str, salt: bytes, log2_n: int) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=1 << log2_n, r=SCRYPT_R, p=1).derive(passphrase.encode())
