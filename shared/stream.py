"""The event stream as one consumer of one group sees it. The only module that knows Redis' stream commands and replies."""

import json
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, ResponseError

from shared.redis_client import BLOCK_SECONDS, Script, Scripts, find_master_again
from shared.store import SCHEMA

_LEAVE = Script.named("leave")
GONE_AT_ONCE = 1000
_PENDING = "return redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)"


@dataclass(frozen=True)
class Entry:
    """An event as it lies in the stream. `fields` are raw: what a stranger put there must not stop the reader."""

    id: str
    fields: dict[bytes, bytes]

    def text(self, field: str) -> str:
        """A field's text. Raises UndecodableError."""
        try:
            return self.fields[field.encode()].decode()
        except (KeyError, UnicodeDecodeError) as error:
            raise UndecodableError(f"entry {self.id}: field {field!r} is missing or not UTF-8") from error

    @property
    def incident_id(self) -> str:
        return self.text("incident")

    @property
    def type(self) -> str:
        return self.text("type")

    def check_schema(self) -> None:
        """Raises UndecodableError for an entry that no version of ours wrote, NewerSchemaError for one of a newer version."""
        text = self.text("schema")
        if not text.isascii() or not text.isdigit():
            raise UndecodableError(f"entry {self.id}: schema {text!r} is not a number")
        if int(text) > SCHEMA:
            raise NewerSchemaError(f"entry {self.id} has schema {text}; this version reads up to {SCHEMA}")

    def as_json(self) -> str:
        fields = {
            key.decode(errors="replace"): value.decode(errors="replace") for key, value in self.fields.items()
        }
        return json.dumps(fields, ensure_ascii=False)


class UndecodableError(Exception):
    """An entry that no retry will ever make sense of: a dead letter."""


class NewerSchemaError(Exception):
    """An entry for a newer sibling: left pending, for it to reclaim."""


class StreamReader:
    """One consumer of `group` on `stream`. `blocking` is a client whose sockets outlast a block (see redis_client)."""

    def __init__(self, blocking: Redis, scripts: Scripts, stream: str, group: str, consumer: str) -> None:
        self._blocking = blocking
        self._scripts = scripts
        self._stream = stream
        self._group = group
        self._consumer = consumer

    async def ensure_group(self) -> None:
        """Create the group at the very beginning: what was accepted before the first consumer came counts too."""
        try:
            await self._scripts.execute("XGROUP", "CREATE", self._stream, self._group, "0", "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def own_history(self, after: str, count: int) -> list[Entry]:
        """Entries that were handed to this consumer and not acknowledged, also those whose reply was lost on the way."""
        reader = ("GROUP", self._group, self._consumer, "COUNT", count, "STREAMS", self._stream, after)
        return _entries_of_read(await self._scripts.execute("XREADGROUP", *reader))

    async def read_new(self, count: int) -> list[Entry]:
        """Wait up to BLOCK_SECONDS for entries that no consumer of the group has seen."""
        block = round(BLOCK_SECONDS * 1000)
        try:
            reply = await self._blocking.xreadgroup(
                self._group, self._consumer, {self._stream: ">"}, count=count, block=block
            )
        except ReadOnlyError:
            await find_master_again(self._blocking)
            raise
        return _entries_of_read(reply)

    async def reclaim(self, idle_milliseconds: int, count: int) -> list[Entry]:
        """Take over what another consumer has left pending for too long. Walks the whole list, however long it is."""
        cursor, taken = "0-0", list[Entry]()
        while len(taken) < count:
            claim = (self._stream, self._group, self._consumer, idle_milliseconds, cursor, "COUNT", count)
            reply = await self._scripts.execute("XAUTOCLAIM", *claim)
            cursor = reply[0].decode()
            taken += _entries(reply[1])
            taken += await self._gone(reply)
            if cursor == "0-0":
                break
        return taken

    async def _gone(self, reply: Any) -> list[Entry]:
        """Entries that the XAUTOCLAIM of `reply` found gone from the stream. 7.0 and newer name them, and have dropped them; 6.2 hands
        them over without saying which, and keeps them pending."""
        named = [Entry(id_.decode(), {}) for id_ in (reply[2] if len(reply) > 2 else ())]  # noqa: PLR2004
        if all(id_ is not None for id_, _ in reply[1]):
            return named
        return [entry for entry in await self.own_history("0", GONE_AT_ONCE) if not entry.fields]

    async def deliveries(self, entry: Entry) -> int:
        """How often a pending entry was handed out so far."""
        # As a script, because redis-py takes the reply for XPENDING's other form.
        reply = await self._scripts.execute("EVAL", _PENDING, 1, self._stream, self._group, entry.id)
        return int(reply[0][3]) if reply else 0

    async def done(self, entry: Entry) -> None:
        await self._scripts.execute("XACK", self._stream, self._group, entry.id)

    async def leave(self, idle_milliseconds: int) -> int:
        """Hand back what is unfinished, to whoever reclaims what is idle for so long; how much that was. Then, when it is
        nothing, this consumer is taken out of its group."""
        try:
            return int(
                await self._scripts.run(
                    _LEAVE, [self._stream], [self._group, self._consumer, idle_milliseconds]
                )
            )
        except ResponseError:  # the group is gone, and all that was pending in it
            return 0


def _entries_of_read(reply: Any) -> list[Entry]:
    """XREADGROUP answers a list of (stream, entries) pairs, or a mapping under RESP3."""
    pairs = reply.items() if isinstance(reply, dict) else reply or []
    return [entry for _, entries in pairs for entry in _entries(entries)]


def _entries(raw: Any) -> list[Entry]:
    """Entries of a reply. One that is no longer in the stream comes without fields, or (6.2, when reclaimed) without an id either."""
    return [Entry(id_.decode(), fields or {}) for id_, fields in raw if id_ is not None]
