#!/usr/bin/env python3
"""search FILE SECRETS [FROM TO]: where the secrets are in a file, byte by byte, also between these offsets only.

SECRETS has a line for each: its name, a tab, the secret, or "base64:" and bytes in base64. Texts are searched for as they are, without hyphens, in UTF-16 (either order of
bytes), in base64 (wherever it begins, both alphabets) and in hexadecimal digits. A line for each that was found: name, form, offset
of the first, how many.
"""

import base64
import os
import sys

CHUNK = 8 << 20


def forms(secret):
    """All texts that the secret may be hidden in."""
    if secret.startswith("base64:"):
        yield "bytes", base64.b64decode(secret.removeprefix("base64:"))
        return
    text = secret.encode()
    yield "plain", text
    if b"-" in text:
        yield "without hyphens", text.replace(b"-", b"")
    yield "utf-16le", secret.encode("utf-16-le")
    yield "utf-16be", secret.encode("utf-16-be")
    yield "hexadecimal", text.hex().encode()
    yield "HEXADECIMAL", text.hex().upper().encode()
    for before in range(3):
        # Letters that are of the secret alone, whatever stands before and behind it.
        first, last = -(-8 * before // 6), 8 * (before + len(text)) // 6
        letters = base64.b64encode(bytes(before) + text)[first:last]
        yield "base64", letters
        if letters.translate(bytes.maketrans(b"+/", b"-_")) != letters:
            yield "base64url", letters.translate(bytes.maketrans(b"+/", b"-_"))


def main():
    path, secrets, *borders = sys.argv[1:]
    start, end = (int(border) for border in borders) if borders else (0, os.path.getsize(path))
    patterns = []
    for line in open(secrets, encoding="utf-8"):
        name, _, secret = line.rstrip("\n").partition("\t")
        if len(secret) < 8:
            sys.exit(f"error: {name} is too short to be searched for: it would be found anywhere")
        patterns += [(name, form, text) for form, text in forms(secret)]
    overlap = max(len(text) for _, _, text in patterns) - 1
    found = {}
    with open(path, "rb") as file:
        place, tail = start, b""
        while place < end:
            file.seek(place)
            data = tail + file.read(min(CHUNK, end - place))
            origin, place = place - len(tail), min(place + CHUNK, end)
            # What is all zeroes, as most of a card, hides nothing.
            if data.count(0) == len(data):
                tail = b""
                continue
            for name, form, text in patterns:
                at = data.find(text)
                while at >= 0:
                    # In the overlap it was counted before.
                    if at + len(text) > len(tail):
                        first, count = found.get((name, form), (origin + at, 0))
                        found[name, form] = first, count + 1
                    at = data.find(text, at + 1)
            tail = data[-overlap:]
    for (name, form), (first, count) in found.items():
        print(f"{name}\t{form}\t{first}\t{count}")


main()
