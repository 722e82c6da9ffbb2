"""A webhook's receiver of few words: it answers every request with the bytes that it was given, and hangs up."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Came:
    """A request. `headers`: by their names in lower case."""

    head: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answers`: one after the other, the last one again and again. None: it keeps silent."""

    answers: list[bytes | None] = field(default_factory=lambda: [answer(200)])
    came: list[Came] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=s3cret-in-the-url"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            self.came.append(Came(head, headers, body))
            given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if given is None:
                await reader.read()
            else:
                writer.write(given)
                await writer.drain()
        writer.close()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
