"""`--group`: a stage looks at old incidents again. It acts on what an incident is now, so this mends and repeats nothing.

No event is appended for a mere second look: the stages follow the incident's state, and replay must not fill what it reads.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial

from pydantic import ValidationError

from ops.replay.progress import StoppedError
from ops.replay.reading import PAGE, partitions
from ops.replay.replay import Answer, Replay, ReplayError
from shared.commands import Reason, Repost
from shared.incident import Incident
from shared.store import Loaded, NewerStateError, Store
from shared.storms import Storms

AT_ONCE = 100
"""Incidents that are looked at together; a Ctrl-C waits for them."""


class Outcome(StrEnum):
    """What became of an incident, in the words that are printed."""

    ARMED = "deadlines set again"
    CLEARED = "stale entries cleared"
    AS_IT_WAS = "as they should be"
    HANDED = "handed to the notifier"
    ASKED = "messages asked for again"
    DIGEST = "told by a digest, which was asked for again"
    BUSY = "being delivered just now: ask again in a minute"
    GONE = "no longer kept"
    UNREADABLE = "not readable for this version"


Look = Callable[[Store, str], Awaitable[Outcome]]


async def repair_escalator(replay: Replay) -> Answer:
    """Set every deadline, and when it expires, again from what its incident is now. Leases stay as they are."""
    return await _each(replay, "escalator", _arm)


async def repair_notifier(replay: Replay, *, force: bool) -> Answer:
    """Have the notifier show what is not shown. `force`: also what is said to be shown already, for somebody may have deleted it.
    Raises ReplayError where nobody would do it."""
    if not replay.config.alert.slack.enable:
        raise ReplayError("alert.slack.enable is false, so no notifier would post; enable Slack first")
    again = partial(_repost, Storms(replay.scripts))
    return await _each(replay, "notifier", again if force else _show)


async def _arm(store: Store, incident_id: str) -> Outcome:
    incident = (await store.load(incident_id)).incident
    if incident is None:
        return Outcome.GONE
    await store.schedule_expiry(incident)
    changed = await store.schedule(incident)
    return _outcome(changed, Outcome.ARMED if incident.attention_due else Outcome.CLEARED)


async def _show(store: Store, incident_id: str) -> Outcome:
    return await _schedule(store, await store.load(incident_id))


async def _schedule(store: Store, loaded: Loaded) -> Outcome:
    incident = loaded.incident
    if incident is None:
        return Outcome.GONE
    changed = await store.schedule_delivery(incident, loaded.now)
    return _outcome(changed, Outcome.CLEARED if _is_done(incident) else Outcome.HANDED)


async def _repost(storms: Storms, store: Store, incident_id: str) -> Outcome:
    """The notifier edits the message, and posts it anew when Slack says that there is none: asking twice posts once."""
    loaded = await store.load(incident_id)
    digest = loaded.incident.digest if loaded.incident else None
    if digest and await storms.want(digest.storm):
        return Outcome.DIGEST
    if loaded.incident is None or loaded.incident.message is None:
        return await _schedule(store, loaded)
    step = await store.apply(incident_id, Repost(loaded.incident.message.ts))
    if step.changes:
        return Outcome.ASKED
    return Outcome.BUSY if step.reason is Reason.DELIVERY_BUSY else Outcome.AS_IT_WAS


def _is_done(incident: Incident) -> bool:
    return incident.is_shown and incident.delivery_due is None


def _outcome(changed: bool, outcome: Outcome) -> Outcome:  # noqa: FBT001  reads as a sentence
    return outcome if changed else Outcome.AS_IT_WAS


async def _each(replay: Replay, group: str, look: Look) -> Answer:
    ids = sorted(await _incidents(replay))
    store, found, stopped = Store(replay.scripts), Counter[Outcome](), False
    try:
        for start in range(0, len(ids), AT_ONCE):
            replay.patience.step()
            some = ids[start : start + AT_ONCE]
            found.update(await asyncio.gather(*(_looked_at(look, store, id_) for id_ in some)))
            replay.progress.tell(f"{start:,} of {len(ids):,} incidents", start / len(ids))
    except StoppedError:
        stopped = True
    return _answer(group, len(ids), found, stopped=stopped)


async def _looked_at(look: Look, store: Store, incident_id: str) -> Outcome:
    try:
        return await look(store, incident_id)
    except (
        ValidationError,
        NewerStateError,
    ):  # one that cannot be read must not keep the others from being mended
        return Outcome.UNREADABLE


async def _incidents(replay: Replay) -> frozenset[str]:
    """Those that the range mentions. Of the whole past, also those that live longer than their events."""
    mentioned = await replay.past().mentioned()
    if not replay.range.is_everything:
        return mentioned | replay.range.incidents
    known = set[str]()
    for keys in await partitions(replay.scripts):
        for index in (keys.recent, keys.mentions):
            start = 0
            while ids := await replay.scripts.execute("ZRANGE", index, start, start + PAGE - 1):
                known.update(id_.decode() for id_ in ids)
                start += PAGE
    return mentioned | known


def _answer(group: str, wanted: int, found: Counter[Outcome], *, stopped: bool) -> Answer:
    lines = [f"{group}: {found.total():,} of {wanted:,} incidents looked at"]
    lines += [f"  {found[outcome]:>8,} {outcome}" for outcome in Outcome if found[outcome]]
    if stopped:
        lines.append("Stopped. What is left can be done by the same command: it changes nothing twice.")
    numbers = {outcome.name.lower(): found[outcome] for outcome in Outcome if found[outcome]}
    data = {"group": group, "incidents": wanted, "looked_at": found.total(), **numbers}
    return Answer("\n".join(lines), data, stopped=stopped)
