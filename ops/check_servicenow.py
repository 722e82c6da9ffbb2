"""`ackstream check-config --online`: what only a ServiceNow instance itself can say: signing in, rights, and whether records arrive as sent.

Looking changes nothing. The rest takes a record: one that says that it is a test, and is closed where that is allowed.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

from ops.trial_record import TrialRecord, losses
from services.escalator.instances import Instance, Instances
from services.escalator.mapping import Mappings
from services.escalator.servicenow import Row, Seen, ServiceNow
from services.escalator.target import EscalationError
from services.notifier.channel_health import Finding, Grade
from shared.config import Config

OF_STATUS = {
    400: "is there a table {table} (oncall.servicenow.table, table_by_instance)?",
    401: "check how we sign in (oncall.servicenow.auth and what it needs, access_by_instance), and whether the user is locked out",
    403: "the user may not {verb} {table}: give it a role that may (itil, or sn_incident_read and sn_incident_write for incident), or an "
    "ACL of the table; where REST has roles of its own, snc_platform_rest_api_access, too",
    404: "check the instance URL, and the table (oncall.servicenow.table, table_by_instance)",
    429: "the instance limits how often we may call: System Web Services > REST > Rate Limit Rules",
}
CREATE_ALONE = (
    "is there, and is not found again by correlation_id: the user must be able to read {table} and its correlation_id (role itil or "
    "sn_incident_read, or ACLs), or an attempt whose answer is lost stays in doubt for ever"
)


async def ask_servicenow(config: Config, *, writes: bool) -> list[Finding]:
    """Of every instance that is configured. `writes`: also by a test record. Raises CertificateError."""
    instances = Instances.of(config.oncall.servicenow)
    try:
        return [
            finding
            for instance in instances.all
            async for finding in Trial(config, instance).findings(writes=writes)
        ]
    finally:
        await instances.close()


class Trial:
    """Of one instance, by the calls that the escalator makes, with a record of its own."""

    def __init__(self, config: Config, instance: Instance) -> None:
        settings = config.oncall.servicenow
        self._config = config
        self._instance = instance
        self._servicenow = ServiceNow.of(settings)
        self._table = settings.table_for(instance.name)
        self._auth = settings.access(instance.name).auth
        mappings = Mappings(settings, lambda incident: f"{config.ack_base_url}/api/ack/{incident.id}")
        self._record = TrialRecord(config.name, mappings, instance.name, datetime.now(UTC))
        self._life = settings.life_for(instance.name)

    async def findings(self, *, writes: bool) -> AsyncIterator[Finding]:
        """Never raises EscalationError: what the instance does not say is a finding, too."""
        reading = await self._reading()
        yield reading
        if reading.grade is not Grade.OK:
            return
        if not writes:
            yield self._told(
                "writing", Grade.ADVICE, "not tried: that takes a test record (--create-test-record)"
            )
            return
        async for finding in self._writing():
            yield finding

    def _told(self, what: str, grade: Grade, told: str) -> Finding:
        return Finding(f"{self._instance.gate.label}: {what}", grade, told)

    def _failed(self, what: str, error: EscalationError, verb: str) -> Finding:
        mend = OF_STATUS.get(error.status, "").format(table=self._table, verb=verb)
        grade = Grade.WRONG if error.needs_person else Grade.UNKNOWN
        return self._told(what, grade, f"{error}{f': {mend}' if mend else ''}")

    async def _reading(self) -> Finding:
        fields = ("sys_id", "correlation_id")
        search = self._servicenow.search(self._instance, f"correlation_id={self._record.id}", fields)
        try:
            async with aclosing(search) as rows:
                stranger = await anext(rows, None)
        except EscalationError as error:
            return self._failed("reading", error, "read")
        if stranger:
            told = f"a search by correlation_id brings other records: has {self._table} that column, and may the user search by it?"
            return self._told("reading", Grade.WRONG, told)
        told = f"{self._table} at {self._instance.url}, signed in by {self._auth}"
        return self._told("reading", Grade.OK, told)

    async def _writing(self) -> AsyncIterator[Finding]:
        fields, row = self._record.fields, None
        try:
            row = await self._servicenow.create(self._instance, self._record.id, fields)
        except EscalationError as error:
            if not error.refused or fields == self._record.default:
                yield self._not_created(error)
                return
            yield self._told(
                "fields", Grade.WRONG, f"refused, so that records would go without them: {error}"
            )
            fields = self._record.default
        try:
            row = row or await self._servicenow.find(self._instance, self._record.id)
            row = row or await self._servicenow.create(self._instance, self._record.id, fields)
        except EscalationError as error:
            yield self._not_created(error)
            return
        yield self._told("creating", Grade.OK, f"{row.number}  {self._servicenow.link(self._instance, row)}")
        async for finding in self._of(row, fields):
            yield finding

    def _not_created(self, error: EscalationError) -> Finding:
        found = self._failed("creating", error, "create records in")
        if not (error.in_doubt or error.unseen):
            return found
        left = f"; a test record may be there all the same: look for correlation_id {self._record.id}"
        return Finding(found.about, found.grade, found.told + left)

    async def _of(self, row: Row, fields: dict[str, str]) -> AsyncIterator[Finding]:
        """What becomes of the record that was made."""
        try:
            shown = await self._shown(row, fields)
        except EscalationError as error:
            yield self._failed("finding again", error, "read")
        else:
            if shown is None:
                told = f"{row.number} {CREATE_ALONE.format(table=self._table)}"
                yield self._told("finding again", Grade.WRONG, told)
            else:
                yield self._found(shown)
                for grade, loss in losses(fields, shown) or [(Grade.OK, "arrive as they are sent")]:
                    yield self._told("fields", grade, loss)
        yield await self._changing(row)

    async def _shown(self, row: Row, fields: dict[str, str]) -> dict[str, str] | None:
        names = {"sys_id": "", "number": "", "correlation_id": ""} | fields
        query = f"correlation_id={self._record.id}"
        async with aclosing(self._servicenow.search(self._instance, query, tuple(names))) as rows:
            async for shown in rows:
                if shown.get("sys_id") == row.sys_id and shown.get("correlation_id") == self._record.id:
                    return shown
        return None

    def _found(self, shown: dict[str, str]) -> Finding:
        if not shown.get("number"):
            told = f"without its number, so that people are told the sys_id: let the user read {self._table}.number"
            return self._told("finding again", Grade.ADVICE, told)
        return self._told("finding again", Grade.OK, "by correlation_id; sys_id and number are readable")

    @property
    def _must_change(self) -> bool:
        """Whether records are to be told of their incidents' lives."""
        life = self._life
        return {life.on_acknowledge, life.on_update, life.on_resolve} != {"none"}

    async def _changing(self, row: Row) -> Finding:
        """Writes a work note, and closes the test record where that is known to be done how."""
        left = f"{row.number} stays open: close or delete it by hand"
        values = self._record.closing(self._table, self._life)
        try:
            await self._servicenow.update(self._instance, row.sys_id, values)
            seen = await self._servicenow.look(self._instance, row.sys_id)
        except EscalationError as error:
            if not self._must_change:
                told = f"may not, and need not as configured ({error}); {left}"
                return self._told("changing", Grade.ADVICE, told)
            found = self._failed("changing", error, "write to records of")
            return Finding(found.about, found.grade, f"{found.told}; {left}")
        return self._told("changing", *self._changed(values, seen, row.number, left))

    def _changed(
        self, values: dict[str, str], seen: Seen | None, number: str, left: str
    ) -> tuple[Grade, str]:
        if seen and "state" in values and seen.state != values["state"]:
            grade = Grade.WRONG if self._must_change else Grade.ADVICE
            return (
                grade,
                f"answered as if its state were changed, and it is not: may the user write state? {left}",
            )
        end = f"{number} is closed" if "state" in values else f"takes notes; {left}"
        if self._must_change and not (seen and values["work_notes"] in (seen.work_notes or "")):
            unseen = "work notes are not shown to the user: one whose answer is lost is rather left out than written twice"
            return Grade.ADVICE, f"{end}; {unseen}"
        return Grade.OK, end


def failure(findings: list[Finding]) -> str:
    """What is wrong, taken together. Empty: nothing is known to be, and all instances answered."""
    wrong = [finding.about.partition(":")[0] for finding in findings if finding.grade is Grade.WRONG]
    if wrong:
        return f"ServiceNow would not take records as configured ({', '.join(dict.fromkeys(wrong))})"
    silent = [finding.about.partition(":")[0] for finding in findings if finding.grade is Grade.UNKNOWN]
    return f"ServiceNow could not be asked ({', '.join(dict.fromkeys(silent))})" if silent else ""
