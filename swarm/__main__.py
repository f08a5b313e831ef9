"""`python -m swarm`: the same as the command `swarm`."""

import sys

from swarm.cli import main

if __name__ == "__main__":
    sys.exit(main())
