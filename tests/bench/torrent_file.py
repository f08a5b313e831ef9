"""Makes a torrent, under the Python that .ci/bench-software made:  torrent_file.py FILE TORRENT [WEB-SEED]"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

lt: Any = import_module("libtorrent")
"""Not among the packages that the tests need."""

PIECE = 1 << 20


def main() -> None:
    content, torrent, *web_seeds = sys.argv[1:]
    files = lt.file_storage()
    lt.add_files(files, content)
    made = lt.create_torrent(files, PIECE)
    for url in web_seeds:
        made.add_url_seed(url)
    lt.set_piece_hashes(made, str(Path(content).parent))
    Path(torrent).write_bytes(lt.bencode(made.generate()))


if __name__ == "__main__":
    main()
