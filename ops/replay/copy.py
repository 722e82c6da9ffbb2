"""`--into`: copies a part of the past, and the incidents that it is about, into another Redis, to look at it there."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ops.replay.reading import Past
from ops.replay.redaction import Redactor
from ops.replay.rehearsal import gaps, shortcomings
from ops.replay.replay import Answer, Replay, ReplayError
from ops.timeline import happening
from shared.identity import partition_of_incident
from shared.incident import Acknowledgement, Incident
from shared.keys import CLOSED_LIFETIME, Keys
from shared.redis_client import Scripts, connect
from shared.retention import OUR_GROUPS
from shared.stream import Entry, UndecodableError

PAGE = 200
"""Entries or incidents that travel together."""

STATE, BODY = b"state", b"body"

Command = tuple[str | bytes | int, ...]


@dataclass
class Copied:
    """`keys`: what was written, to be taken away again should it not come to an end."""

    events: int = 0
    incidents: set[str] = field(default_factory=set)
    gone: int = 0
    """Incidents of which nothing is kept but their events, or nothing that this version can read."""
    keys: set[str] = field(default_factory=set)


async def copy_into(replay: Replay, url: str, *, redact: bool) -> Answer:
    """Raises ReplayError for a target that is the source, holds events already, or cannot be reached; StoppedError when
    stopped: then, as after any failure, the target is left as it was."""
    redactor = Redactor(secrets.token_bytes(32)) if redact else None
    async with _target(replay, url) as target:
        await _refuse_source(replay.scripts, target)
        past, copied = replay.past(), Copied()
        await _make_room(target, past)
        try:
            await _copy_events(past, target, redactor, copied)
            await _copy_incidents(replay, target, redactor, copied)
            await _create_groups(past, target, copied)
        except BaseException:
            await _take_back(target, copied)
            raise
    return _answer(copied, past, redact=redact)


@asynccontextmanager
async def _target(replay: Replay, url: str) -> AsyncIterator[Redis]:
    settings = replay.config.redis
    ca_cert = str(settings.ca_cert) if settings.ca_cert else None
    try:
        client = connect(url, verify_tls=not settings.insecure_skip_verify, ca_cert=ca_cert)
    except ValueError as error:
        raise ReplayError(f"--into: {error}; say redis://host:port/db") from error
    try:
        yield client
    except (RedisError, OSError) as error:
        raise ReplayError(f"the target cannot take it: {error}; nothing was left there") from error
    finally:
        await client.aclose()


async def _refuse_source(scripts: Scripts, target: Redis) -> None:
    """Whatever the addresses look like: a server knows who it is."""
    here = (await scripts.execute("INFO", "server"), await scripts.execute("CLIENT", "INFO"))
    there = (
        await target.execute_command("INFO", "server"),  # type: ignore[no-untyped-call]
        await target.execute_command("CLIENT", "INFO"),  # type: ignore[no-untyped-call]
    )
    if here[0]["run_id"] == there[0]["run_id"] and _database(here[1]) == _database(there[1]):
        raise ReplayError("--into names the Redis that is read from; name another one")


def _database(client_info: object) -> str:
    if isinstance(client_info, dict):
        return str(client_info["db"])
    text = client_info.decode() if isinstance(client_info, bytes) else str(client_info)
    return dict(pair.partition("=")[::2] for pair in text.split())["db"]


async def _make_room(target: Redis, past: Past) -> None:
    for keys in await past.partitions():
        if await target.xlen(keys.events):
            raise ReplayError(
                f"the target has events already ({keys.events}); name an empty database, such as redis://…/1"
            )
        await target.unlink(keys.events)


async def _copy_events(past: Past, target: Redis, redactor: Redactor | None, copied: Copied) -> None:
    batch: list[Command] = []
    async for keys, entry in past.wanted_entries():
        copied.keys.add(keys.events)
        copied.incidents.add(entry.incident_id)
        fields = _redacted(entry, redactor) if redactor else entry.fields
        if fields is None:
            past.unreadable += 1
            continue
        parts = [part for pair in fields.items() for part in pair]
        batch.append(("XADD", keys.events, entry.id, *parts))
        copied.events += 1
        if len(batch) == PAGE:
            await _send(target, batch)
            batch = []
    await _send(target, batch)


def _redacted(entry: Entry, redactor: Redactor) -> dict[bytes, bytes] | None:
    """None for what cannot be read: nobody knows what is in it."""
    try:
        event = happening(entry)
        data = redactor.event(event.type, event.data)
    except (UndecodableError, ValueError, TypeError, AttributeError):
        return None
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return {**entry.fields, b"data": text.encode("utf-8", "replace")}


async def _copy_incidents(replay: Replay, target: Redis, redactor: Redactor | None, copied: Copied) -> None:
    ids = sorted(copied.incidents)
    for start in range(0, len(ids), PAGE):
        replay.patience.step()
        some = ids[start : start + PAGE]
        found = await asyncio.gather(*(_incident_commands(replay.scripts, id_, redactor) for id_ in some))
        copied.gone += sum(not commands for commands in found)
        batch = [command for commands in found for command in commands]
        copied.keys.update(str(command[1]) for command in batch if command[0] in ("HSET", "SET"))
        await _send(target, batch)
        replay.progress.tell(f"{start:,} of {len(ids):,} incidents copied", start / len(ids))


async def _incident_commands(scripts: Scripts, incident_id: str, redactor: Redactor | None) -> list[Command]:
    """What makes the incident be there as it is here. Empty when it is no longer kept, or not readable."""
    keys = Keys(partition_of_incident(incident_id))
    key, ack_key = keys.incident(incident_id), keys.ack(incident_id)
    kept: dict[bytes, bytes] = await scripts.execute("HGETALL", key)
    try:
        incident = Incident.model_validate_json(kept.get(STATE, b""))
    except ValidationError:
        return []
    lifetime = await _lifetime(scripts, key)
    ack = await scripts.execute("GET", ack_key)
    if redactor:
        state = redactor.incident(incident).model_dump_json(exclude_defaults=True)
        body = redactor.body(kept.get(BODY, b"{}").decode())
        kept = {**kept, STATE: state.encode(), BODY: body.encode("utf-8", "replace")}
        ack = ack and redactor.acknowledgement(Acknowledgement.model_validate_json(ack)).model_dump_json()
    open_key = keys.open(incident.dedup_key)
    named = await scripts.execute("GET", open_key)
    commands: list[Command] = [
        ("HSET", key, *(part for pair in kept.items() for part in pair)),
        ("PEXPIRE", key, lifetime),
        ("ZADD", keys.recent, round(incident.opened_at.timestamp() * 1000), incident_id),
    ]
    if ack:
        commands.append(("SET", ack_key, ack, "PX", lifetime))
    if named:
        commands.append(("SET", open_key, named, "PX", await _lifetime(scripts, open_key)))
    return commands


async def _lifetime(scripts: Scripts, key: str) -> int:
    """Milliseconds that are left of it."""
    left = int(await scripts.execute("PTTL", key))
    return left if left > 0 else round(CLOSED_LIFETIME.total_seconds() * 1000)


async def _create_groups(past: Past, target: Redis, copied: Copied) -> None:
    """At the end of the copy: services that start there do nothing about it until somebody asks them to (`--group`)."""
    for keys in await past.partitions():
        copied.keys.update((keys.events, keys.recent))
        for group in OUR_GROUPS:
            await target.xgroup_create(keys.events, group, id="$", mkstream=True)


async def _send(target: Redis, commands: Iterable[Command]) -> None:
    pipeline = target.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    await pipeline.execute()


async def _take_back(target: Redis, copied: Copied) -> None:
    keys = sorted(copied.keys)
    try:
        for start in range(0, len(keys), PAGE):
            await target.unlink(*keys[start : start + PAGE])
    except (RedisError, OSError) as error:
        raise ReplayError(
            f"the target went away ({error}) and holds a part of the copy; empty it before it is used"
        ) from error


def _answer(copied: Copied, past: Past, *, redact: bool) -> Answer:
    masked = "What alerts and people said is masked. " if redact else ""
    lines = [
        f"{copied.events:,} events and {len(copied.incidents) - copied.gone:,} incidents copied.",
        f"{masked}Services that are started there call nobody: no deadline came along.",
        *(
            [f"Of {copied.gone:,} incidents only the events came along: no more is kept, or readable."]
            if copied.gone
            else []
        ),
        *gaps(past),
    ]
    data = {
        "events": copied.events,
        "incidents": len(copied.incidents) - copied.gone,
        "only_events": copied.gone,
        "redacted": redact,
        **shortcomings(past),
    }
    return Answer("\n".join(lines), data)
