"""What two lanswarm nodes say to each other, and nothing else.

Everything here is sans-I/O: bytes go in, values come out. No clock, no socket, no file, no log, and
no randomness that was not handed in, so that every rule can be tested by calling a function.
`docs/protocol.md` is the normative text; module docstrings name the section they carry out.
"""
