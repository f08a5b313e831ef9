"""How nodes find each other: multicast DNS on the chosen interfaces, and peers that a person named.

Both send `Sighting` and `Vanished` into a channel. These are hints where to dial; the handshake proves
who is there.
"""
