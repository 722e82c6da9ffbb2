"""What Redis remembers of the record of a storm: who is about to write it, which one it is, and which of its incidents live."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.keys import OPEN_LIFETIME, STORM_LIFETIME, ParentKeys
from shared.redis_client import Script, Scripts

OPENING = "opening"
UNSEEN = "unseen "

_JOIN = Script.named("family_join")
_LEAVE = Script.named("family_leave")


@dataclass(frozen=True)
class Remembered:
    """`sys_id`: of the record. `is_opening`: somebody writes it, or may have. `unseen`: it was written, and is not shown to us: why."""

    sys_id: str = ""
    is_opening: bool = False
    unseen: str = ""


class Family:
    """`instance`: the name of the one that has the record; None for the default one."""

    def __init__(self, scripts: Scripts, storm: str, instance: str | None) -> None:
        keys = ParentKeys(storm, instance or "")
        self._scripts = scripts
        self._record, self._children, self._last = keys.record, keys.children, keys.last

    async def remembered(self) -> Remembered:
        value = await self._scripts.execute("GET", self._record)
        text = value.decode() if value else ""
        if text.startswith(UNSEEN):
            return Remembered(unseen=text.removeprefix(UNSEEN))
        return Remembered(is_opening=True) if text == OPENING else Remembered(text)

    async def open(self, lease: timedelta) -> bool:
        """Whether we may write the record now, and nobody else for so long."""
        return bool(
            await self._scripts.execute("SET", self._record, OPENING, "NX", "PX", _milliseconds(lease))
        )

    async def opened(self, sys_id: str) -> None:
        await self._scripts.execute("SET", self._record, sys_id, "PX", _milliseconds(STORM_LIFETIME))

    async def not_shown(self, why: str) -> None:
        await self._scripts.execute(
            "SET", self._record, f"{UNSEEN}{why}", "PX", _milliseconds(STORM_LIFETIME)
        )

    async def not_opened(self) -> None:
        """Surely: somebody else may. Only for who holds the lease, and well before it is over."""
        await self._scripts.execute("DEL", self._record)

    async def add(self, ids: Sequence[str]) -> None:
        await self._scripts.run(_JOIN, [self._children], [_milliseconds(OPEN_LIFETIME), *ids])

    async def leave(self, incident_id: str) -> bool:
        """It is over. Whether all are, and it is this one with which the record is told so: always the same one."""
        keys, lifetime = [self._children, self._last], _milliseconds(OPEN_LIFETIME)
        return bool(await self._scripts.run(_LEAVE, keys, [incident_id, lifetime]))


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
