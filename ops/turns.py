"""Who waits for their turn at which ServiceNow instance, or at the webhook, and what that has to do with it, as Redis knows it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.identity import partition_of_incident
from shared.keys import STORM_QUEUE, Keys, servicenow_hold, servicenow_silence
from shared.notification import WEBHOOK
from shared.redis_client import Scripts
from shared.wording import span


@dataclass(frozen=True)
class Turn:
    """`instance`: its name, `default` for the default one, `webhook` for the webhook. `waiting`: how many wait for it; of one incident, how many before it.
    `earliest`: Unix milliseconds since when the first of them is due. `silent_since`: it does not answer. `held`: seconds for which
    it asked us to wait."""

    instance: str
    waiting: int
    earliest: float | None
    silent_since: datetime | None
    held: float | None


async def turns_of(scripts: Scripts, keys: Keys) -> list[Turn]:
    """Of all instances that somebody waits for. Raises StoreUnavailableError."""
    return [await _turn(scripts, keys, name) for name in await _names(scripts, keys)]


async def turn_of(scripts: Scripts, incident_id: str) -> Turn | None:
    """That of one incident; None: it does not wait. Raises StoreUnavailableError."""
    keys = Keys(partition_of_incident(incident_id))
    for name in await _names(scripts, keys):
        before = await scripts.execute("ZRANK", keys.escalations(name), incident_id)
        if before is not None:
            return await _turn(scripts, keys, name, before)
    return None


def why(turn: Turn) -> str:
    """Why it is not called, as in `the instance infra, which does not answer since 03:12:05 UTC`."""
    whom = "the webhook" if turn.instance == WEBHOOK else f"the instance {turn.instance}"
    if turn.silent_since:
        return f"{whom}, which does not answer since {turn.silent_since:%Y-%m-%d %H:%M:%S} UTC"
    if turn.held:
        return f"{whom}, which asked to be left alone for another {span(timedelta(seconds=turn.held))}"
    return f"a turn at {whom}"


async def _turn(scripts: Scripts, keys: Keys, name: str, waiting: int | None = None) -> Turn:
    queue, whose = keys.escalations(name), name.removeprefix(STORM_QUEUE)
    silence = await scripts.execute("GET", servicenow_silence(whose))
    held = int(await scripts.execute("PTTL", servicenow_hold(whose)))
    return Turn(
        instance=(whose or "default") + (", storms" if whose != name else ""),
        waiting=await scripts.execute("ZCARD", queue) if waiting is None else waiting,
        earliest=await earliest(scripts, queue),
        silent_since=datetime.fromtimestamp(int(silence) / 1000, UTC) if silence else None,
        held=held / 1000 if held > 0 else None,
    )


async def _names(scripts: Scripts, keys: Keys) -> list[str]:
    """There are as many queues as instances, so the whole of Redis is looked through."""
    prefix, found, cursor = keys.escalations(""), set[str](), b"0"
    while True:
        cursor, names = await scripts.execute("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", 1000)
        found |= {name.decode().removeprefix(prefix) for name in names}
        if int(cursor) == 0:
            return sorted(found)


async def earliest(scripts: Scripts, key: str) -> float | None:
    """The first moment in a sorted set of them."""
    found = await scripts.execute("ZRANGE", key, 0, 0, "WITHSCORES")
    if not found:
        return None
    return float(found[0][1] if isinstance(found[0], tuple | list) else found[1])
