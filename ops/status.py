"""`ackstream status`: the pipeline in numbers, as Redis knows them. What Redis does not know is absent, never 0."""

import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from ops.turns import Turn, earliest, turns_of, why
from shared.keys import Keys
from shared.redis_client import Scripts
from shared.wording import span


@dataclass(frozen=True)
class Group:
    """`lag`: entries not yet handed out; None where Redis does not know. `oldest_pending`: seconds, None when nothing is pending."""

    name: str
    consumers: int
    pending: int
    lag: int | None
    oldest_pending: float | None


@dataclass(frozen=True)
class Status:
    """`overdue`: seconds since the earliest deadline, None when none is due. `waiting`: how many of those that are due wait for their
    turn at a ServiceNow instance or the webhook."""

    redis_version: str
    memory: int
    memory_limit: int | None
    events: int
    dead_letters: int
    deadlines: int
    due: int
    waiting: int
    overdue: float | None
    deliveries: int
    groups: list[Group] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


_GROUPS = """
local found = {}
if redis.call('EXISTS', KEYS[1]) == 0 then return '[]' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, raw in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for index = 1, #raw, 2 do group[raw[index]] = raw[index + 1] end
  local one = {name = group['name'], consumers = group['consumers'], pending = group['pending']}
  if type(group['lag']) == 'number' then one.lag = group['lag'] end
  if one.pending > 0 then
    local id = redis.call('XPENDING', KEYS[1], one.name)[2]
    one.oldest_pending = (now - tonumber(string.match(id, '^%d+'))) / 1000
  end
  found[#found + 1] = one
end
return #found > 0 and cjson.encode(found) or '[]'
"""


async def status_of(scripts: Scripts, keys: Keys | None = None) -> Status:
    """Raises StoreUnavailableError."""
    keys = keys or Keys()
    info = await scripts.execute("INFO")
    seconds, microseconds = await scripts.execute("TIME")
    now = int(seconds) * 1000 + int(microseconds) // 1000
    turns = await turns_of(scripts, keys)
    first = [await earliest(scripts, keys.deadlines), *(turn.earliest for turn in turns)]
    overdue = max((now - moment) / 1000 for moment in (*first, float("inf")) if moment is not None)
    waiting = sum(turn.waiting for turn in turns)
    groups = json.loads(await scripts.execute("EVAL", _GROUPS, 1, keys.events))
    return Status(
        redis_version=str(info.get("valkey_version") or info["redis_version"]),
        memory=int(info["used_memory"]),
        memory_limit=int(info.get("maxmemory", 0)) or None,
        events=await scripts.execute("XLEN", keys.events),
        dead_letters=await scripts.execute("XLEN", keys.dead),
        deadlines=await scripts.execute("ZCARD", keys.deadlines),
        due=await scripts.execute("ZCOUNT", keys.deadlines, "-inf", now) + waiting,
        waiting=waiting,
        overdue=overdue if overdue >= 0 else None,
        deliveries=await scripts.execute("ZCARD", keys.deliveries),
        turns=turns,
        groups=[Group(**{"lag": None, "oldest_pending": None, **group}) for group in groups],
    )


def as_json(status: Status) -> str:
    return json.dumps(asdict(status), indent=2, default=str)


def as_text(status: Status) -> str:
    limit = f" of {status.memory_limit / 1e6:,.0f} MB" if status.memory_limit else ", no limit"
    overdue = f", the earliest {_ago(status.overdue)} ago" if status.overdue is not None else ""
    waiting = f", {status.waiting} wait for their turn" if status.waiting else ""
    lines = [
        f"Redis {status.redis_version}, {status.memory / 1e6:,.1f} MB{limit}",
        f"events        {status.events:>8}",
        f"deadlines     {status.deadlines:>8}  {status.due} due{overdue}{waiting}",
        f"deliveries    {status.deliveries:>8}  put off or under way",
        f"dead letters  {status.dead_letters:>8}",
    ]
    lines += [f"{turn.waiting} wait{'s' * (turn.waiting == 1)} for {why(turn)}" for turn in status.turns]
    for group in status.groups:
        lag = "?" if group.lag is None else group.lag
        oldest = f", oldest {_ago(group.oldest_pending)}" if group.oldest_pending is not None else ""
        lines.append(
            f"group {group.name:<12} lag {lag}, pending {group.pending}{oldest}, consumers {group.consumers}"
        )
    return "\n".join(lines)


def _ago(seconds: float) -> str:
    return span(timedelta(seconds=seconds))
