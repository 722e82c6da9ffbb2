"""From an incident to the fields of its record, whatever happens on the way: a field that fails must not cost the record. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.escalator.field_template import FieldError, FieldTemplate
from services.escalator.vocabulary import Escalation, vocabulary
from shared.config import ServiceNowConfig
from shared.incident import Incident
from shared.template_environment import UnusableTemplateError
from shared.wording import lateness


@dataclass(frozen=True)
class Flaw:
    """Why a field is not as its template was meant."""

    field: str
    why: str
    left_out: bool = True


@dataclass(frozen=True)
class RecordFields:
    """What a record says beside its correlation_id."""

    values: dict[str, str]
    flaws: tuple[Flaw, ...] = ()


class FieldMapping:
    """The templates of one instance. `unusable`: those that do not compile, and why; their fields are left out of each record."""

    def __init__(self, sources: Mapping[str, str], longest: Callable[[str], int]) -> None:
        self.unusable: dict[str, UnusableTemplateError] = {}
        self.templates: dict[str, FieldTemplate] = {}
        for field, source in sources.items():
            try:
                self.templates[field] = FieldTemplate(source, longest(field))
            except UnusableTemplateError as error:
                self.unusable[field] = error

    def render(self, names: Mapping[str, Any]) -> RecordFields:
        """Never raises. Only what is not empty is among the values."""
        values, flaws = dict[str, str](), list[Flaw]()
        flaws += (Flaw(field, f"the template cannot be used: {why}") for field, why in self.unusable.items())
        for field, template in self.templates.items():
            try:
                text, is_cut = template.render(names)
            except FieldError as error:
                flaws.append(Flaw(field, str(error)))
                continue
            if text:
                values[field] = text
            flaws += _flaws(field, text, is_cut=is_cut)
        return RecordFields(values, tuple(flaws))


def _flaws(field: str, text: str, *, is_cut: bool) -> Iterator[Flaw]:
    if not text:
        yield Flaw(field, "is empty")
    if is_cut:
        yield Flaw(field, f"was cut to the {len(text)} characters that the field takes", left_out=False)


class Mappings:
    """Of all instances. `page_url`: where an incident can be acted upon."""

    def __init__(
        self, settings: ServiceNowConfig, page_url: Callable[[Incident], str], console_url: str = ""
    ) -> None:
        names = (None, *settings.other_instance_urls)
        self._by_instance = {
            name: FieldMapping(settings.fields_for(name), settings.longest) for name in names
        }
        self._closing = {
            name: FieldMapping({"close_notes": settings.life_for(name).close_notes}, settings.longest)
            for name in names
        }
        self._page_url = page_url
        self._console_url = console_url

    def render(self, incident: Incident, at: datetime, instance: str | None, step: int = 0) -> RecordFields:
        """The fields of a record that is written at `at`, by that step of on-call, to the instance of that name. Never raises."""
        mapped = self._by_instance[instance].render(self._names(incident, at, instance, step))
        return RecordFields(default_fields(incident, at, step) | mapped.values, mapped.flaws)

    def render_closing(self, incident: Incident, at: datetime, instance: str | None) -> RecordFields:
        """What a record that was written at `at` says of the end of its incident. Never raises."""
        return self._closing[instance].render(self._names(incident, at, instance))

    def _names(
        self, incident: Incident, at: datetime, instance: str | None, step: int = 0
    ) -> Mapping[str, Any]:
        escalation = Escalation(at, instance, self._page_url(incident), self._console_url, step)
        return vocabulary(incident, escalation)


def default_fields(incident: Incident, at: datetime, step: int = 0) -> dict[str, str]:
    """What a record says of which nothing is configured. After an outage its reader must know that it is no news."""
    late = lateness(incident.lateness(at, step))
    return {"short_description": f"Incident {incident.id}" + (f" (escalated {late})" if late else "")}
