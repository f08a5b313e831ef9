"""lanswarm: large models on every machine of a LAN, paying the internet once.

`docs/architecture.md` tells what each package is for and which may import which.
"""

__version__ = "0.1.0"
