"""As much of the protocol of Redis as is needed here."""

import os
import socket


def ask(*words):
    with socket.create_connection((os.environ["CACHE"], 6379), timeout=5) as connection:
        parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))
        connection.sendall(b"*%d\r\n%s" % (len(words), parts))
        answer = connection.makefile("rb")
        head = answer.readline().strip()
        if head.startswith(b"-"):
            raise OSError(head.decode())
        return answer.readline().strip().decode() if head.startswith(b"$") and head != b"$-1" else head.decode()
