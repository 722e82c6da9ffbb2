"""A TCP proxy before a server, which loses replies, keeps them back, says nothing at all, or refuses."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.servers import free_port


class Proxy:
    """`url` leads through it to the Redis at `target`. It lives in a thread of its own: it goes on while a test waits.

    What the server sends in one piece counts as a reply: mostly it is one, or a pipeline's worth.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        """Port of the server; connections that are there stay with the one that they have."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.replies = self.disturbed = 0
        self._every = 0
        self._stall: float | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._stopped = asyncio.Event()
        self.listening = threading.Event()

    def disturb(self, every: int, *, stall: float | None = None) -> None:
        """Of every so many replies one comes `stall` seconds late, or is lost together with its connection."""
        self._every, self._stall = every, stall

    def calm(self) -> None:
        self._every = 0

    def hold(self) -> None:
        """Connections are taken, what comes through them waits: a server that says nothing."""
        self._do(self._flowing.clear)

    def release(self) -> None:
        self._do(self._flowing.set)

    def cut(self) -> None:
        """End all connections."""
        self._do(self._cut)

    def refuse(self) -> None:
        """End all connections, and take no new ones."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def accept(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def _do(self, action: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (action(), done.set()))
        assert done.wait(10)

    def run(self) -> None:
        """For the thread."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            self._flowing.set()
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._listen()
        self.listening.set()
        await self._stopped.wait()
        await self._close()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=5)

    def stop(self) -> None:
        self._do(self._stopped.set)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        self._cut()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(back)
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer, replies=True))
            self._writers.discard(back)
        except OSError:  # no server
            writer.transport.abort()
        finally:
            self._writers.discard(writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool = False
    ) -> None:
        try:
            while data := await reader.read(1 << 20):
                await self._flowing.wait()
                if replies and await self._lost():
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def _lost(self) -> bool:
        """Whether this reply is; one that is only late is late already."""
        self.replies += 1
        if not self._every or self.replies % self._every:
            return False
        self.disturbed += 1
        if self._stall is None:
            return True
        await asyncio.sleep(self._stall)
        return False


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.run, name="proxy", daemon=True)
    thread.start()
    assert proxy.listening.wait(10)
    try:
        yield proxy
    finally:
        proxy.release()
        proxy.stop()
        thread.join(10)
