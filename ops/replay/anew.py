"""`--as-new`: what came in comes in again, as new incidents, in a world of its own. Of the real one only Redis is read."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from ops.redis_access import redis_of
from ops.replay.history import has_notification
from ops.replay.replay import Answer, Replay, ReplayError
from ops.timeline import happening
from ops.up import say
from ops.world import CHANNEL, Manner, World, live
from shared.config import Config
from shared.redis_client import Scripts
from shared.store import Store
from shared.stream import UndecodableError

PATIENCE = 60.0
"""Seconds for the last message to be shown, when that is waited for."""

EVERY = 0.1


@dataclass(frozen=True)
class Request:
    """One notification as it came in."""

    at: datetime
    body: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Run:
    """What came of it so far."""

    requests: list[Request]
    outcomes: Counter[str] = field(default_factory=Counter)
    incidents: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    undelivered: int = 0
    messages: dict[str, list[str]] = field(default_factory=dict)
    """By channel, when all was delivered: their texts."""
    records: int = 0

    @property
    def sent(self) -> int:
        return self.outcomes.total() + len(self.refused)


async def requests_of(replay: Replay) -> list[Request]:
    """The range's notifications, less mere repeats, of which the stream keeps no body."""
    past, found = replay.past(), list[Request]()
    async for _, entry in past.wanted_entries():
        try:
            event = happening(entry)
        except UndecodableError:
            continue
        if has_notification(event):
            key = event.data.get("idempotency_key")
            headers = {"Idempotency-Key": key} if key else {}
            found.append(Request(event.at, event.data["body"], event.data.get("query", {}), headers))
    return sorted(found, key=lambda request: request.at)


async def as_new(
    config: Config, requests: list[Request], speed: float | None, *, until_delivered: bool
) -> Answer:
    """Raises ReplayError, and what `up` raises. `speed`: how many times as fast as it was; None: at once."""
    if not config.alert.slack.template_path.is_file():
        raise ReplayError(f"alert.slack.template_path: there is no {config.alert.slack.template_path}")
    run, stopping = Run(requests), asyncio.Event()

    async def when_ready(world: World) -> None:
        say(f"Slack and ServiceNow, as stand-ins: {world.sandbox}/")
        await _pour(world, run, speed)
        say(f"{run.sent:,} notifications sent. Ctrl-C ends everything and leaves nothing behind.")
        if until_delivered:
            await _wait(world, run)
            stopping.set()

    try:
        await live(_manner(config), when_ready, stopping)
    except httpx.HTTPError as error:
        raise ReplayError(f"the world's own ingest or stand-ins did not answer: {error}") from error
    if run.undelivered:
        raise ReplayError(f"{run.undelivered} incidents were not shown within {PATIENCE:g} s")
    return _answer(run)


def _manner(config: Config) -> Manner:
    """As the operator has it, where that does not lead outside. Of on-call's steps there is the escalation."""
    slack, oncall = config.alert.slack, config.oncall
    return Manner(
        "replay",
        slack.template_path,
        channel=slack.channel_id or CHANNEL,
        instances=tuple(oncall.servicenow.other_instance_urls),
        slack={"message_properties": slack.message_properties.model_dump()},
        oncall={
            **oncall.model_dump(include={"enable", "initialized_only"}),
            "wait_minutes": oncall.plan.wait / timedelta(minutes=1),
        },
        ingest=config.ingest.model_dump(include={"max_body_bytes"}),
    )


async def _pour(world: World, run: Run, speed: float | None) -> None:
    begun = time.monotonic()
    async with httpx.AsyncClient(base_url=world.ingest, timeout=10, trust_env=False) as client:
        for request in run.requests:
            if speed:
                due = begun + (request.at - run.requests[0].at).total_seconds() / speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await _send(client, request, run)


async def _send(client: httpx.AsyncClient, request: Request, run: Run) -> None:
    answer = await client.post(
        "/api/incidents", content=request.body.encode(), params=request.query, headers=request.headers
    )
    if answer.status_code != httpx.codes.CREATED:
        run.refused.append(f"{answer.status_code}: {answer.text.strip()[:200]}")
        return
    told = answer.json()
    run.outcomes[told["outcome"]] += 1
    run.incidents.add(told["incident_id"])


async def _wait(world: World, run: Run) -> None:
    """Until every message shows the present and nothing is due at ServiceNow, or patience is at its end."""
    limit = time.monotonic() + PATIENCE
    async with redis_of(world.config, world.data_dir) as scripts:
        waiting = set(run.incidents)
        while waiting and time.monotonic() < limit:
            waiting = {id_ for id_ in waiting if not await _is_settled(scripts, id_)}
            await asyncio.sleep(EVERY)
    run.undelivered = len(waiting)
    async with httpx.AsyncClient(base_url=world.sandbox, timeout=10, trust_env=False) as client:
        _note((await client.get("/_sandbox/state")).json(), run)


async def _is_settled(scripts: Scripts, incident_id: str) -> bool:
    loaded = await Store(scripts).load(incident_id)
    incident = loaded.incident
    if incident is None:
        return True
    effort, due = incident.escalation, incident.escalation_due
    return incident.is_shown and effort.lease is None and (due is None or due > loaded.now)


def _note(state: dict[str, Any], run: Run) -> None:
    channels = state["slack"]["channels"]
    run.messages = {name: [one["text"] for one in each["messages"]] for name, each in channels.items()}
    tables = state["servicenow"].get("instances", {})
    run.records = sum(len(rows) for instance in tables.values() for rows in instance.values())


def _answer(run: Run) -> Answer:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(run.outcomes.items()))
    lines = [
        f"{run.sent:,} of {len(run.requests):,} notifications sent again: {outcomes or 'none'}.",
        *(f"refused: {why}" for why in run.refused[:10]),
    ]
    data = {
        "notifications": len(run.requests),
        "sent": run.sent,
        "outcomes": dict(run.outcomes),
        "incidents": len(run.incidents),
        "refused": run.refused,
        "messages": run.messages,
        "records": run.records,
    }
    return Answer("\n".join(lines), data, stopped=run.sent < len(run.requests))
