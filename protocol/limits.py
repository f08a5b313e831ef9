"""Every limit of the wire, with its reason.

A peer may be hostile. Nothing is allocated for a length that a peer names before that length was
compared with one of these constants; each is enforced in exactly one place, named beside it.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

PROTOCOL_VERSION: Final = 1
"""Raised when a peer of the version before could not understand us; part of the Noise prologue."""

DEFAULT_PORT: Final = 7677
"""TCP port of peers, control and bulk alike, where nothing else is configured or announced."""

MAX_HANDSHAKE_MESSAGE: Final = 4 * KIB
"""A Noise message with our payload is under 1 KiB; room for a site certificate. (`handshake`)"""

MAX_FRAME: Final = 4 * MIB + 64 * KIB
"""Ciphertext of one frame: 4 MiB of chunk data, its header and the tag. (`frames`)"""

MAX_CONTROL_MESSAGE: Final = 128 * KIB
"""Plaintext of one control message: a have-map segment of half a million chunks. (`connection`)"""

MAX_DATA_HEADER: Final = 48 * KIB
"""The msgpack header of a bulk frame: MAX_RANGES ranges of nine bytes are the longest. (`connection`)"""

MAX_DATA_PAYLOAD: Final = 4 * MIB
"""Chunk bytes in one data frame, the largest chunk: a frame costs time, and a fast link takes many a second.
(`fields`)"""

MAX_PIECES: Final = 512
"""Pieces in one data frame and items in one request: small files travel many at a time. (`messages`)"""

MAX_RANGES: Final = 4096
"""Ranges in one have, cancel or announcement: what fits a control message. (`messages`)"""

MAX_CLAIMED_DIGESTS: Final = 2048
"""Digests under one signature: 64 KiB, half a control message. (`messages`)"""

MAX_MAP_BYTES: Final = 64 * KIB
"""Bytes of one have-map segment: half a million chunks. (`messages`)"""

MAX_PEERS_PASSED_ON: Final = 64
"""Entries in one peer exchange message: twice the links a node holds. (`messages`)"""

MAX_COMPANY: Final = 64
"""Nodes that share one uplink, as it tells them: twice the links a node holds. (`messages`)"""

MAX_SEEK_HOPS: Final = 3
"""Times a Seek may be passed on: with 24 links a node, four links reach ten thousand. (`messages`)"""

MAX_ADDRESSES: Final = 8
"""Addresses of one peer: a few interfaces, both families. (`messages`, `announce`)"""

MAX_NAME: Final = 512
"""Bytes of a hub, repository, revision or address as text: hub names end at 96 characters. (`messages`)"""

MAX_PATH: Final = 4096
"""Bytes of a file's path in a snapshot: PATH_MAX of Linux. (`paths`)"""

MAX_PATH_SEGMENT: Final = 255
"""Bytes of one segment of such a path: NAME_MAX of every common file system. (`paths`)"""

MAX_PATH_SEGMENTS: Final = 64
"""Folders a file of a snapshot lies in, and itself: four times the deepest seen on hubs. (`paths`)"""

MAX_FILES: Final = 1_000_000
"""Files in a snapshot: ten times the largest data sets seen on hubs. (`manifest`)"""

MAX_CHUNKS: Final = 4_000_000
"""Chunks in a snapshot: a have-map of 500 KB; 16 TB at 4 MiB. (`manifest`)"""

MAX_MANIFEST: Final = 256 * MIB
"""Encoded snapshot: a million files with long names. (`manifest`)"""

MAX_NESTING: Final = 6
"""Depth of any msgpack value: no message nests deeper than a list of pairs in a map. (`codec`)"""

MAX_ITEMS: Final = 16 * KIB
"""Values in all lists of one message: three for each of MAX_RANGES, and the frame around them. (`codec`)"""

MAX_ADDRESS: Final = 128
"""Bytes of one address as text: an IPv6 address with its scope and port takes 70. (`fields`)"""

MAX_MEMBERSHIP: Final = 2 * KIB
"""Bytes of a badge in a handshake, half of the message: one of MAX_CHAIN takes 400. (`handshake`)"""

MAX_CHAIN: Final = 3
"""Certificates from a site's root to a member: founder, issuer, member. (`membership`)"""

MAX_TIME: Final = 253_402_300_799
"""Seconds since 1970 in anything signed: the last of the year 9999, where calendars end. (`membership`)"""

MAX_REVOKED: Final = 2048
"""Nodes on one revocation list: 68 KiB, half a control message. (`revocation`)"""

MAX_AUTHORITIES: Final = 64
"""Signers of revocation lists a node keeps lists of: issuers are few. (`revocation`)"""

MAX_REVOCATION: Final = 80 * KIB
"""Bytes of a revocation list: MAX_REVOKED ids of 34 bytes, and the chain of who signed. (`messages`)"""

MAX_ARMOR: Final = 16 * KIB
"""Characters of a token, a request or an answer as text: the longest there can be has 9000. (`armor`)"""

REKEY_AFTER_FRAMES: Final = 1 << 24
"""Frames under one key before both sides derive the next: far below the 2^32 of AES-GCM. (`frames`)"""
