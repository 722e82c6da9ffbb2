"""As much HTTP as the smallest servers need: requests with a length, answers with a body."""

from collections.abc import Iterator


class Requests:
    """What comes over one connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Head and body of each request that is complete by now."""
        self._buffer += data
        while request := self._next():
            yield request

    def _next(self) -> tuple[bytes, bytes] | None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return head, rest[:length]


def answer(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
