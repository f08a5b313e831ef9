"""Which mirrors to keep out when a blob came wrong, and which to let back in. Pure.

When all of a blob came from one mirror, that mirror is at fault. When several mirrors, or peers, had a
part in it, nobody knows yet: all its mirrors are kept out while others are left. When none is left, they
are let back in one at a time, so that the next failure tells. Once the blob matches, those that had sent
nothing wrong are used again.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable

from swarm.sources import Source


class Mirrors:
    """The mirrors of one transfer that are under suspicion."""

    def __init__(self) -> None:
        self._suspected: dict[Source, None] = {}
        self._guilty: set[Source] = set()

    def suspect(self, senders: Collection[Source], used: Container[Source]) -> list[Source]:
        """These sent, between them, something wrong: the mirrors among them that are to be kept out.

        `used`: who sent anything in this run. What an earlier run left on disk may have been mended since.
        """
        mirrors = sorted(sender for sender in senders if sender.kind == "upstream" and sender in used)
        self._suspected |= dict.fromkeys(mirrors)
        if len(senders) == 1:
            self._guilty.update(mirrors)
        return mirrors

    def second_chance(self) -> Source | None:
        """The mirror to let back in when no other is left; None when all are known to be at fault."""
        return next((mirror for mirror in self._suspected if mirror not in self._guilty), None)

    def clear(self, mirrors: Iterable[Source], guilty: Collection[Source]) -> list[Source]:
        """It is known now who of these was at fault: those that are to be used again."""
        self._guilty.update(guilty)
        innocent = [mirror for mirror in mirrors if mirror in self._suspected and mirror not in self._guilty]
        for mirror in innocent:
            del self._suspected[mirror]
        return innocent
