"""An answer that does not end must not fill the memory."""

from collections.abc import AsyncIterator

import httpx

LONGEST = 32_000_000
"""Bytes. The journal of a large storm's record has some millions."""


async def bounded(response: httpx.Response) -> None:
    """For httpx's hook for responses, which is called before the body is read. Reading on raises ReadError."""
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for part in self._stream:
            if (length := length + len(part)) > LONGEST:
                raise httpx.ReadError("an answer without an end")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
