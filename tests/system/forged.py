"""What it costs the upstream that a file was signed wrong, by real daemons: `among_forgers`, for a test.

Two nodes of five sign wrong digests of all of a file; one honest node holds it. Whoever gets it among them,
the second forger included, looks at a few chunks of the hub's.

    python -m tests.system.forged [MB]

does it by hand with a file of 1100 MB, or another: it takes a minute or two, and six times as much on disk.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from protocol.chunks import chunk_length
from swarm.transfer.examiner import CHECKS
from tests.lan.harness import Lan
from tests.system.site import MB, Site

HOSTS = 5


def among_forgers(site: Site) -> int:
    """Bytes of the upstream that its victims and the second forger paid, in files of the model."""
    honest, *forgers = site.members[:3]
    victims = site.members[3:]
    site.start([honest])
    site.check(honest.get().result())
    for forger in forgers:
        forger.begin(("-m", "tests.system.forger"))
        forger.ready()
    site.meet([honest, *forgers])
    for forger in forgers:
        site.check(forger.get().result())
    site.start(victims)
    for other in (honest, *forgers):
        site.meet([other, *victims])
    for get in [member.get() for member in victims]:
        site.check(get.result())
    ids = {forger.id for forger in forgers}
    for victim in victims:
        (why,) = victim.ask("why", "org/model")
        assert {row["name"] for row in why["incidents"]} <= ids
        assert not ids & {row["name"] for row in why["sources"] if row["bytes"] > 200_000}
    return site.sent_in_all() - site.size


def most(size: int) -> int:
    """The same, as docs/threat-model.md has it, for a file of so many bytes."""
    return (HOSTS - 2) * CHECKS * chunk_length(size)


def main(megabytes: int = 1100) -> None:
    size = megabytes * MB
    with (
        TemporaryDirectory() as folder,
        Lan(folder=Path(folder), hosts=HOSTS, mbit=None, wan_mbit=2000) as lan,
    ):
        paid = among_forgers(Site(lan, [size]))
    chunks = paid / chunk_length(size)
    print(f"{megabytes} MB signed wrong, {HOSTS - 2} nodes deceived:")
    print(f"{paid / MB:.1f} MB from upstream, {chunks:.1f} chunks; at most {most(size) / MB:.1f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
