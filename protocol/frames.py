"""What travels after the handshake: frames of a length and AES-256-GCM ciphertext.

    u32 big-endian: bytes that follow | ciphertext | tag (16 bytes)

The length is associated data. The nonce counts frames, one counter for each direction, as in Noise
(section 12.4). After REKEY_AFTER_FRAMES frames both sides go on with the next key, derived as Noise's
REKEY does (section 4.2); the counter goes on counting, so no nonce ever repeats under any key.

Speed comes from touching a payload once: sealing writes header and payload encrypted into one buffer, or
encrypts both where they lie; opening decrypts a large frame where it was received and any other into one new
buffer. What is in one piece is sealed by one call; for several a cipher of their own is made, which costs
more than a small message.
"""

from __future__ import annotations

import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from protocol.chunks import Bytes
from protocol.limits import REKEY_AFTER_FRAMES
from protocol.noise import KEY, TAG, nonce

LENGTH: Final = struct.Struct("!I")

REKEY_NONCE: Final = (1 << 64) - 1
"""The counter value Noise keeps for deriving the next key; no frame is ever counted so far."""


class BadFrame(ValueError):
    """A frame that is too long, too short, or not what the peer sealed."""


class CountedKey:
    """One direction's key and the counter of its frames."""

    def __init__(self, key: bytes, rekey_after: int = REKEY_AFTER_FRAMES) -> None:
        self.key = key
        self._rekey_after = rekey_after
        self._counter = 0

    def next_nonce(self) -> bytes:
        """The nonce of the next frame, under `key`, which this changes when its time has come."""
        counter = self._counter
        if counter and counter % self._rekey_after == 0:
            self.key = AESGCM(self.key).encrypt(nonce(REKEY_NONCE), bytes(KEY), None)[:KEY]
        self._counter = counter + 1
        return nonce(counter)


class Sealer:
    """Makes the frames of one direction. One caller at a time, in whichever thread."""

    def __init__(self, key: bytes, rekey_after: int = REKEY_AFTER_FRAMES) -> None:
        self._key = CountedKey(key, rekey_after)
        self._used = key
        self._cipher = AESGCM(key)

    def seal(self, *parts: Bytes, into: memoryview | None = None) -> memoryview:
        """A whole frame, ready to send, whose plaintext is the parts one after another.

        It lies in `into`, which has room for it, or in a buffer of its own.
        """
        size = sum(memoryview(part).nbytes for part in parts)
        length = LENGTH.size + size + TAG
        frame = memoryview(bytearray(length)) if into is None else into[:length]
        if len(parts) == 1:
            self._seal(parts[0], frame)
            return frame
        LENGTH.pack_into(frame, 0, size + TAG)
        iv = self._key.next_nonce()
        encryptor = Cipher(AES(self._key.key), GCM(iv)).encryptor()
        encryptor.authenticate_additional_data(frame[: LENGTH.size])
        end = LENGTH.size
        for part in parts:
            end += encryptor.update_into(part, frame[end:])
        encryptor.finalize()
        frame[end:] = encryptor.tag
        return frame

    def seal_in_place(self, frame: memoryview) -> None:
        """Make a frame of this memory, whose plaintext lies in it where it belongs."""
        self._seal(frame[LENGTH.size : -TAG], frame)

    def _seal(self, plaintext: Bytes, frame: memoryview) -> None:
        LENGTH.pack_into(frame, 0, len(frame) - LENGTH.size)
        iv = self._key.next_nonce()
        if self._key.key is not self._used:
            self._used, self._cipher = self._key.key, AESGCM(self._key.key)
        self._cipher.encrypt_into(iv, plaintext, frame[: LENGTH.size], frame[LENGTH.size :])


class Opener:
    """Opens the frames of one direction, in the order they were sealed."""

    def __init__(self, key: bytes, rekey_after: int = REKEY_AFTER_FRAMES) -> None:
        self._key = CountedKey(key, rekey_after)
        self._used = key
        self._cipher = AESGCM(key)

    def open(self, frame: Bytes, *, in_place: bool = False) -> memoryview:
        """The plaintext of a whole frame, in a buffer of its own, or where the frame lies.

        BadFrame when it does not decrypt.
        """
        view = memoryview(frame)
        size = view.nbytes - LENGTH.size - TAG
        if size < 0:
            raise BadFrame("a frame shorter than its tag")
        iv = self._key.next_nonce()
        if self._key.key is not self._used:
            self._used, self._cipher = self._key.key, AESGCM(self._key.key)
        body = view[LENGTH.size :]
        plaintext = body[:size] if in_place else memoryview(bytearray(size))
        try:
            self._cipher.decrypt_into(iv, body, view[: LENGTH.size], plaintext)
        except InvalidTag as error:
            raise BadFrame("a frame that does not decrypt") from error
        return plaintext
