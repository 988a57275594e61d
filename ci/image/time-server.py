"""A network's servers for names (RFC 1035: every name is 10.0.2.2, the machine around QEMU's guest) and for time (SNTP, RFC 4330).

time-server.py SECONDS: how far ahead it is. Says a line for each question.
"""

import selectors
import socket
import struct
import sys
import time

SINCE_1900 = 2208988800


def names(question):
    """The answer to a question of one name."""
    end = question.index(b"\0", 12) + 5
    kind = struct.unpack("!H", question[end - 4 : end - 2])[0]
    answers = 1 if kind == 1 else 0
    head = question[:2] + struct.pack("!HHHHH", 0x8580, 1, answers, 0, 0) + question[12:end]
    return head + (b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + socket.inet_aton("10.0.2.2") if answers else b"")


def stamp(seconds):
    """A time as NTP writes it."""
    return struct.pack("!II", int(seconds) + SINCE_1900 & 0xFFFFFFFF, int(seconds % 1 * 2**32))


def clock(question, ahead):
    """The answer of a server of stratum 1."""
    now = time.time() + ahead
    head = struct.pack("!BBbbII4s", 0x24, 1, 6, -20, 0, 1, b"TEST")
    return head + stamp(now) + question[40:48] + stamp(now) + stamp(now)


def main():
    """Answers until it is killed."""
    ahead = int(sys.argv[1])
    poll = selectors.DefaultSelector()
    for port, what in ((53, "name"), (123, "time")):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", port))
        poll.register(server, selectors.EVENT_READ, what)
    while True:
        for key, _ in poll.select():
            question, sender = key.fileobj.recvfrom(2048)
            print(key.data, "for", sender, flush=True)
            answer = names(question) if key.data == "name" else clock(question, ahead)
            key.fileobj.sendto(answer, sender)


main()
