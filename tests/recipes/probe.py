"""`python -m tests.recipes.probe N`: asks what it is told on standard input, from where it runs.

It takes a JSON list of probes, sends N at once, and prints a list of the answers in their order.
"""

import json
import re
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

# What is dropped answers never: so long is waited for it, and so long for what has to answer.
DROPPED, EXPECTED = 1.0, 10.0


def ask(probe: dict[str, Any]) -> dict[str, Any]:
    """Send the bytes of one request, and read the answer: its status, headers and body."""
    try:
        source = (probe["source"], 0) if probe["source"] else None
        seconds = EXPECTED if probe["expected"] else DROPPED
        with socket.create_connection((probe["host"], probe["port"]), seconds, source) as bare:
            if probe["tls"] is None:
                return _exchange(bare, probe)
            with _context(probe["ca"]).wrap_socket(
                bare, server_hostname=probe["tls"] or None
            ) as secure:
                return _exchange(secure, probe)
    except OSError as error:
        return {"status": 0, "error": type(error).__name__}


@cache
def _context(ca: str | None) -> ssl.SSLContext:
    """Return how TLS is spoken; a certificate is judged where a probe names who signed it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(ca)
    return made


def _exchange(connection: socket.socket, probe: dict[str, Any]) -> dict[str, Any]:
    connection.settimeout(EXPECTED)
    connection.sendall(probe["raw"].encode("latin-1"))
    held = b""
    while not _is_whole(held) and (part := connection.recv(65536)):
        held += part
    top, _, body = held.partition(b"\r\n\r\n")
    first, *rest = top.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in rest}
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return {"status": status, "headers": headers, "body": body.decode("latin-1"), "error": ""}


def _is_whole(held: bytes) -> bool:
    """Answer whether an answer is there as long as it says: a server may keep its end open."""
    top, end, body = held.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", top)
    return bool(end) and length is not None and len(body) >= int(length[1])


def main() -> None:
    probes = json.load(sys.stdin)
    with ThreadPoolExecutor(int(sys.argv[1])) as pool:
        json.dump(list(pool.map(ask, probes)), sys.stdout)


if __name__ == "__main__":
    main()
