"""`unshare --net --map-root-user python -m tests.prometheus.alone ...`: Python with a loopback of its own.

The deployed files name fixed ports. In a network namespace nothing else can have taken them, and nothing that
is started there can be reached from outside.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

#: Linux: set the flags of an interface, and the flag that it is up.
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
