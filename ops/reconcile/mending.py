"""`--fix`: what is surely right, each looked at once more before it is touched."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.reconcile.comparison import Difference, Mend
from services.escalator.escalator import record_of
from services.escalator.servicenow_target import ServiceNowTarget
from services.escalator.target import Attempt, EscalationError
from shared.commands import Reason, RecordWritten
from shared.incident import Incident, News, NewsKind, Record
from shared.store import Store


@dataclass(frozen=True)
class Mended:
    """`done`: False when a person must look. `told`: what has become of it."""

    difference: Difference
    done: bool
    told: str


class Mending:
    """`targets`: of ServiceNow, all that are configured."""

    def __init__(self, store: Store, targets: Sequence[ServiceNowTarget]) -> None:
        self._store = store
        self._targets = {target.instance: target for target in targets}

    async def mend(self, difference: Difference) -> Mended:
        """Raises StoreUnavailableError."""
        loaded = await self._store.load(difference.incident)
        if loaded.incident is None or difference.mend is None:
            return Mended(difference, done=False, told="the incident is gone")
        act = self._book if difference.mend is Mend.BOOK else self._close
        try:
            done, told = await act(difference, loaded.incident)
        except EscalationError as error:
            done, told = False, str(error)
        return Mended(difference, done, told)

    async def _book(self, difference: Difference, incident: Incident) -> tuple[bool, str]:
        """Our books learn of the record that there is. Who was about to make one finds it there, as ever."""
        target = self._targets[difference.instance]
        found = await target.find(incident, difference.step)
        if found is None or found.sys_id != difference.sys_id:
            return False, "the record is gone"
        at = difference.created_at or (await self._store.load(incident.id)).now
        written = RecordWritten("", record_of(found, target, at), difference.step)
        reason = (await self._store.apply(incident.id, written)).reason
        return reason in (Reason.ESCALATED, Reason.ALREADY_ESCALATED), f"{found.number}: {reason}"

    async def _close(self, difference: Difference, incident: Incident) -> tuple[bool, str]:
        """Only what our books know, and only while it is as it was found. In the words in which the escalator would have told it."""
        target, step = self._targets[difference.instance], difference.step
        record = _to_be_told(incident, step)
        found = await target.find(incident, step, record) if record else None
        if record is None or found is None or found.is_closed:
            return False, "it is no longer as it was"
        if found.told >= record.news[-1].seq:
            return False, "it was told of the end before: who opened it again may have meant it"
        now = (await self._store.load(incident.id)).now
        attempt = Attempt(incident, step, now, "", record.update, is_late=lambda: False)
        return True, f"{record.number}: {await target.update(attempt, record, record.news)}"


def _to_be_told(incident: Incident, step: int) -> Record | None:
    """The record as if it had wanted to hear of the end; None: it is not the end, or our books have no record."""
    record, closure = incident.record_of(step), incident.closure
    if record is None or closure is None:
        return None
    end = News(seq=incident.version, at=closure.at, kind=NewsKind.CLOSED)
    return record.model_copy(update={"news": record.news or (end,)})
