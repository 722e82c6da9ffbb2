"""The webhook as something that an escalation can lead to.

It cannot be asked what it knows. Instead it knows what it is told twice, by the id of each call; so an answer that was lost is
asked for again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from services.escalator.gate import Gate
from services.escalator.target import Attempt, Found
from services.escalator.vocabulary import Escalation
from services.escalator.webhook import Receipt, Webhook
from services.escalator.webhook_body import escalation, escalation_id, update
from shared.config_webhook import WebhookConfig
from shared.incident import Incident, News, NewsKind, Record
from shared.notification import WEBHOOK
from shared.redis_client import Scripts

NAME = "webhook"
"""Of its queue, and for people; the configuration lets no instance have it."""

UNCONFIRMED = "webhook (unconfirmed)"


class WebhookTarget:
    """`page_url`: where people can act upon an incident."""

    kind = WEBHOOK
    instance: str | None = None
    grace = timedelta(0)

    def __init__(
        self, webhook: Webhook, settings: WebhookConfig, page_url: Callable[[Incident], str], console_url: str
    ) -> None:
        self.timeout = settings.timeout
        self.concurrency = settings.concurrency
        self.wants = _wants(settings)
        self._webhook = webhook
        self._page_url = page_url
        self._console_url = console_url

    @property
    def gate(self) -> Gate:
        return self._webhook.gate

    async def find(self, incident: Incident, step: int, record: Record | None = None) -> Found | None:
        """Nobody knows. Only once an attempt in doubt is called off is it taken to have come through, so that whoever it reached
        hears that somebody has the incident, or that it is over. Who has only put it off wants it told at its time."""
        if record:
            return Found(record.sys_id, record.number, record.url)
        if incident.effort(step).doubt_until and not incident.awaits(step):
            return _found(incident, step, Receipt(UNCONFIRMED))
        return None

    async def create(self, attempt: Attempt) -> Found:
        incident, step = attempt.incident, attempt.step
        event = escalation(incident, step, self._told(incident, attempt.at, step))
        return _found(incident, step, await self._webhook.post(event))

    async def update(self, attempt: Attempt, record: Record, news: Sequence[News]) -> str:
        told = self._told(attempt.incident, record.at, attempt.step)
        event = update(attempt.incident, attempt.step, news, told)
        await self._webhook.post(event)
        return event.name

    async def close(self) -> None:
        await self._webhook.close()

    def _told(self, incident: Incident, at: datetime, step: int) -> Escalation:
        return Escalation(at, page_url=self._page_url(incident), console_url=self._console_url, step=step)


def webhook_targets(
    settings: WebhookConfig,
    scripts: Scripts | None,
    page_url: Callable[[Incident], str],
    console_url: str = "",
) -> list[WebhookTarget]:
    """The one that is configured, or none. `scripts`: of the Redis by which replicas tell each other to wait. Raises
    CertificateError."""
    if not settings.is_complete:
        return []
    gate = Gate(NAME, scripts)
    return [WebhookTarget(Webhook(settings, gate), settings, page_url, console_url)]


def _wants(settings: WebhookConfig) -> tuple[NewsKind, ...]:
    asked = {
        NewsKind.ACKNOWLEDGED: settings.on_acknowledge,
        NewsKind.UPDATED: settings.on_update,
        NewsKind.CLOSED: settings.on_resolve,
    }
    return tuple(kind for kind, is_asked in asked.items() if is_asked)


def _found(incident: Incident, step: int, receipt: Receipt) -> Found:
    """The id that it was told with stands for it: who tells it once more leaves no second record."""
    return Found(escalation_id(incident, step), receipt.number or NAME, receipt.url)
