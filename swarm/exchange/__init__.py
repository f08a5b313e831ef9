"""Links with other nodes: secured connections, messages, and peers as sources of chunks."""
