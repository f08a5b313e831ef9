"""Where chunks come from, as one small interface, and wrappers that add behaviour to it.

A peer, the upstreams of a hub, and a seed on a USB disk are all a `ChunkSource`. What is the same for
all of them (limits of rate, counting) wraps the interface instead of being written into each.
"""

from swarm.sources.interface import Arrived, ChunkSource, Deliver, Source, SourceFailed, SourceKind

__all__ = ["Arrived", "ChunkSource", "Deliver", "Source", "SourceFailed", "SourceKind"]
