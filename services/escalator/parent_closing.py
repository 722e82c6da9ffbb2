"""The end of a storm's record: told once, when the last of the incidents that it lists is over, and the storm is."""

from datetime import timedelta

from services.escalator.family import Family
from services.escalator.instances import Instance
from services.escalator.parent_text import over_note, tells_over
from services.escalator.servicenow import Seen, ServiceNow
from services.escalator.target import EscalationError, Found
from shared.config_life import LifeConfig
from shared.incident import Incident, NewsKind, Record, State
from shared.storms import Storms

LATER = timedelta(minutes=1)


class Closing:
    def __init__(
        self, settings: LifeConfig, servicenow: ServiceNow, instance: Instance, storms: Storms
    ) -> None:
        self._settings = settings
        self._servicenow = servicenow
        self._instance = instance
        self._storms = storms

    @property
    def wants(self) -> tuple[NewsKind, ...]:
        """Single incidents' other news would be too much for a record that stands for many."""
        return () if self._settings.on_resolve == "none" else (NewsKind.CLOSED,)

    async def look(self, family: Family, incident: Incident, record: Record) -> Found | None:
        """What the record knows, and need not be told: all of it, while other incidents in it live. None: it was deleted."""
        news = record.news[-1].seq
        known = Found(record.sys_id, record.number, record.url, news, parent=record.parent)
        if incident.state is State.EXPIRED:  # nobody knows whether it is over: the record is left to people
            return known
        if not await family.leave(incident.id):
            return known
        storm = await self._storms.load(record.parent)
        if storm and (storm.over is None or storm.open):
            words = "more incidents of the storm may yet be listed"
            raise EscalationError(words, put_off=True, retry_after=LATER)
        seen = await self._servicenow.look(self._instance, record.sys_id)
        if seen is None:
            return None
        in_doubt = record.update.doubt_until is not None
        told = self._is_told(seen, record.parent, in_doubt=in_doubt)
        return Found(
            record.sys_id,
            record.number,
            record.url,
            news if told else 0,
            is_closed=not told and (seen.active is False or seen.state in self._settings.closed_states),
            parent=record.parent,
        )

    async def close(self, record: Record) -> str:
        values = {"work_notes": over_note(record.parent)}
        if self._settings.on_resolve == "state":
            values |= {"state": self._settings.states.resolved, "close_notes": "All its incidents are over."}
            values |= {"close_code": self._settings.close_code} if self._settings.close_code else {}
        await self._servicenow.update(self._instance, record.sys_id, values)
        return "all its incidents are over"

    def _is_told(self, seen: Seen, storm: str, *, in_doubt: bool) -> bool:
        """Where its notes are not shown to us, we rather leave one out than write it twice."""
        return in_doubt if seen.work_notes is None else tells_over(seen.work_notes, storm)
