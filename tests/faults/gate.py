"""A TCP gate before a server: open, until a test wants to hold what passes, or to end every connection."""

import asyncio
from types import TracebackType
from typing import Self


class Gate:
    """`url` leads to the Redis at `port`. What clients send while the gate holds waits; `cut` throws it away with them.

    `held`: what waits, in the order in which it came.
    """

    def __init__(self, port: int) -> None:
        self.held = b""
        self._texts: tuple[bytes, ...] | None = None
        self._port = port
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.close()
        self.cut()

    @property
    def url(self) -> str:
        assert self._server
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def hold(self, *texts: str) -> None:
        """From the next piece on in which all of `texts` stand; all connections."""
        self._texts = tuple(text.encode() for text in texts)

    def cut(self) -> None:
        """End all connections, without what was held; the gate is open again."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.held, self._texts = b"", None
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, back}
        await asyncio.gather(self._pass(reader, back, held=True), self._pass(there, writer, held=False))
        self._writers -= {writer, back}

    async def _wait(self, data: bytes) -> None:
        if self._texts is not None and all(text in data for text in self._texts):
            self._open.clear()
        if not self._open.is_set():
            self.held += data
            await self._open.wait()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool) -> None:
        try:
            while data := await reader.read(65536):
                if held:
                    await self._wait(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
