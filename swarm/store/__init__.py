"""Verified bytes on disk: content-addressed blobs, what they belong to, and where they came from."""

from swarm.store.content import WholeBlob
from swarm.store.store import Store, open_store
from swarm.store.values import ChunkReader, Held, Incident, Mismatch, Stored, Summary, Unverified, Vouched

__all__ = [
    "ChunkReader",
    "Held",
    "Incident",
    "Mismatch",
    "Store",
    "Stored",
    "Summary",
    "Unverified",
    "Vouched",
    "WholeBlob",
    "open_store",
]
