"""Gives the first connection to a port to a program as its input:  pipe.py ADDRESS PORT PROGRAM…"""

import os
import socket
import sys


def main() -> None:
    address, port, *program = sys.argv[1:]
    with socket.create_server((address, int(port))) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
    os.dup2(connection.fileno(), sys.stdin.fileno())
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
