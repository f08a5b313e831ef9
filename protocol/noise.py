"""Noise_XX_25519_AESGCM_SHA256, sans-I/O: messages in, messages out, two keys at the end.

The names are those of the Noise Protocol Framework (revision 34): section 5.2 `SymmetricState`, section
5.3 `HandshakeState`, section 7.5 the pattern XX. Primitives come from `cryptography`; the ephemeral key
is handed in, so that a handshake can be held against published vectors byte by byte.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.chunks import Bytes

PROTOCOL_NAME: Final = b"Noise_XX_25519_AESGCM_SHA256"
PATTERN: Final = (("e",), ("e", "ee", "s", "es"), ("s", "se"))
"""The tokens of each message, the initiator writing the first and third."""

KEY: Final = 32
TAG: Final = 16


class BadHandshake(ValueError):
    """The peer is not who it says, speaks another version, or someone touched the bytes."""


def nonce(counter: int) -> bytes:
    """The 12 bytes AES-GCM takes: 4 zero bytes and the counter, big-endian (Noise, section 12.4)."""
    return counter.to_bytes(12, "big")


class SymmetricState:
    """Chaining key, transcript hash and the current handshake key with its counter."""

    def __init__(self, prologue: bytes) -> None:
        self.hash = PROTOCOL_NAME.ljust(KEY, b"\0")
        self._chaining_key = self.hash
        self._cipher: AESGCM | None = None
        self._counter = 0
        self.mix_hash(prologue)

    @property
    def overhead(self) -> int:
        """Bytes encryption adds at this point: a tag once there is a key."""
        return TAG if self._cipher else 0

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, shared: bytes) -> None:
        self._chaining_key, key = self._derive(shared)
        self._cipher, self._counter = AESGCM(key), 0

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        sealed = self._cipher.encrypt(self._next(), plaintext, self.hash) if self._cipher else plaintext
        self.mix_hash(sealed)
        return sealed

    def decrypt_and_hash(self, sealed: bytes) -> bytes:
        plaintext = self._cipher.decrypt(self._next(), sealed, self.hash) if self._cipher else sealed
        self.mix_hash(sealed)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """The keys of the initiator's and of the responder's sending direction."""
        return self._derive(b"")

    def _next(self) -> bytes:
        self._counter += 1
        return nonce(self._counter - 1)

    def _derive(self, material: bytes) -> tuple[bytes, bytes]:
        output = HKDF(algorithm=SHA256(), length=2 * KEY, salt=self._chaining_key, info=b"").derive(material)
        return output[:KEY], output[KEY:]


class NoiseXX:
    """One handshake. `write` and `read` take turns, the initiator writing first.

    After the third message `split` gives (sending key, receiving key), `remote_static` is the peer's
    X25519 key and `hash` binds the whole exchange. ValueError when one of our keys is not 32 bytes.
    """

    def __init__(self, *, initiator: bool, static: bytes, ephemeral: bytes, prologue: bytes) -> None:
        self.initiator = initiator
        self._local = {
            "s": X25519PrivateKey.from_private_bytes(static),
            "e": X25519PrivateKey.from_private_bytes(ephemeral),
        }
        self._remote: dict[str, X25519PublicKey] = {}
        self._symmetric = SymmetricState(prologue)
        self._step = 0

    @property
    def finished(self) -> bool:
        return self._step == len(PATTERN)

    @property
    def hash(self) -> bytes:
        return self._symmetric.hash

    @property
    def remote_static(self) -> bytes:
        return self._remote["s"].public_bytes_raw()

    def write(self, payload: bytes) -> bytes:
        """Our next message, with `payload` inside; BadHandshake when the peer's keys are weak."""
        message = b""
        for token in self._tokens(writing=True):
            if len(token) == 1:
                message += self._write_key(token)
            else:
                self._mix_shared(token)
        return message + self._symmetric.encrypt_and_hash(payload)

    def read(self, message: Bytes) -> bytes:
        """The payload of the peer's next message; BadHandshake when it is not one."""
        rest = bytes(message)
        try:
            for token in self._tokens(writing=False):
                if len(token) == 1:
                    rest = self._read_key(token, rest)
                else:
                    self._mix_shared(token)
            return self._symmetric.decrypt_and_hash(rest)
        except InvalidTag as error:
            raise BadHandshake("a handshake message that does not decrypt") from error

    def split(self) -> tuple[bytes, bytes]:
        """(sending key, receiving key), 32 bytes each, once the handshake is finished."""
        assert self.finished
        first, second = self._symmetric.split()
        return (first, second) if self.initiator else (second, first)

    def _tokens(self, *, writing: bool) -> tuple[str, ...]:
        if self.finished or (self._step % 2 == 0) != (self.initiator == writing):
            raise RuntimeError("not our turn in the handshake")
        self._step += 1
        return PATTERN[self._step - 1]

    def _write_key(self, letter: str) -> bytes:
        """An ephemeral key ("e") as it is, a static key ("s") encrypted."""
        key = self._local[letter].public_key().public_bytes_raw()
        if letter == "s":
            return self._symmetric.encrypt_and_hash(key)
        self._symmetric.mix_hash(key)
        return key

    def _read_key(self, letter: str, message: bytes) -> bytes:
        """Take a key from the front of `message`; returns what follows it."""
        end = KEY + (self._symmetric.overhead if letter == "s" else 0)
        key = message[:end]
        if letter == "s":
            key = self._symmetric.decrypt_and_hash(key)
        else:
            self._symmetric.mix_hash(key)
        if len(key) != KEY:
            raise BadHandshake("a handshake message that is too short")
        self._remote[letter] = X25519PublicKey.from_public_bytes(key)
        return message[end:]

    def _mix_shared(self, token: str) -> None:
        """Mix in the Diffie-Hellman of two keys, the initiator's named first.

        An all-zero result, from a key of small order, is refused (RFC 7748, section 6.1).
        """
        local, remote = (token[0], token[1]) if self.initiator else (token[1], token[0])
        try:
            shared = self._local[local].exchange(self._remote[remote])
        except ValueError as error:
            raise BadHandshake("a key of small order") from error
        self._symmetric.mix_key(shared)
