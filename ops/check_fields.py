"""What can be known about the fields of records without asking ServiceNow: each template alone, then all with sample alerts."""

import difflib
from collections.abc import Iterator, Mapping
from datetime import timedelta

from services.escalator.field_template import FieldError, FieldTemplate
from services.escalator.mapping import Mappings
from services.escalator.vocabulary import NAMES, Escalation, vocabulary
from shared.config import ServiceNowConfig
from shared.config_errors import Path, Problem, dotted
from shared.config_file import LoadedConfig
from shared.config_life import LifeConfig
from shared.incident import Incident, Message
from shared.template_environment import UnusableTemplateError

SERVICENOW = ("oncall", "servicenow")
REQUIRED = (*SERVICENOW, "required_fields")
CONSOLE = "https://console.example.com"
MESSAGE = Message(channel="C0123456789", ts="1772334000.000100", shown=1)


def field_problems(loaded: LoadedConfig, file: str, samples: Mapping[str, Incident]) -> list[Problem]:
    """`samples`: incidents as they are opened, by a name for the person who reads the problems."""
    settings, names = loaded.config.oncall.servicenow, dict[str, Incident]()
    names |= {name: incident.model_copy(update={"message": MESSAGE}) for name, incident in samples.items()}
    told = dict.fromkeys([*_of_templates(settings, names), *_of_required(settings, names)])
    return [Problem(file, loaded.lines.get(path), dotted(path), message) for path, message in told]


def _of_templates(settings: ServiceNowConfig, samples: Mapping[str, Incident]) -> Iterator[tuple[Path, str]]:
    for path, sources in (_blocks(settings) | _endings(settings)).items():
        for field, source in sources.items():
            for message in _of_template(source, settings.longest(field), samples):
                yield (*path, field), message


def _blocks(settings: ServiceNowConfig) -> dict[Path, dict[str, str]]:
    """Every template as it is written, once."""
    blocks: dict[Path, dict[str, str]] = {(*SERVICENOW, "fields"): settings.fields}
    for name, fields in settings.fields_by_instance.items():
        blocks[*SERVICENOW, "fields_by_instance", name] = fields
    return blocks


def _endings(settings: ServiceNowConfig) -> dict[Path, dict[str, str]]:
    """What records say of the end of their incidents."""
    lives: dict[Path, LifeConfig] = {SERVICENOW: settings}
    for name, life in settings.life_by_instance.items():
        lives[*SERVICENOW, "life_by_instance", name] = life
    return {path: {"close_notes": life.close_notes} for path, life in lives.items()}


def _of_template(source: str, longest: int, samples: Mapping[str, Incident]) -> Iterator[str]:
    try:
        template = FieldTemplate(source, longest)
    except UnusableTemplateError as error:
        where = f" in line {error.line} of the template" if error.line and "\n" in source else ""
        yield f"{error}{where}"
        return
    for name in template.unknown:
        near = difflib.get_close_matches(name, NAMES, n=1)
        told = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(NAMES))}"
        yield f"{name} is no name that a template can speak of; {told}"
    for sample, incident in samples.items():
        try:
            text, is_cut = template.render(vocabulary(incident, _escalation(incident)))
        except FieldError as error:
            yield f"{error} (with the sample alert of {sample})"
            return
        if is_cut and template.is_literal:
            yield f"is longer than the {len(text)} characters that the field takes; oncall.servicenow.field_lengths allows more"
            return


def _of_required(settings: ServiceNowConfig, samples: Mapping[str, Incident]) -> Iterator[tuple[Path, str]]:
    mappings = Mappings(settings, lambda incident: _escalation(incident).page_url, CONSOLE)
    found: dict[tuple[Path, str], str] = {}
    for instance in (None, *settings.other_instance_urls):
        records = {
            sample: mappings.render(incident, _escalation(incident).at, instance).values
            for sample, incident in samples.items()
        }
        for field in settings.required_fields:
            if without := [sample for sample, values in records.items() if not values.get(field)]:
                path, message = _missing(settings, field, instance, ", ".join(without))
                # What is empty everywhere need not be told of each instance.
                found.setdefault((path, field), message)
    yield from ((path, message) for (path, _), message in found.items())


def _missing(settings: ServiceNowConfig, field: str, instance: str | None, samples: str) -> tuple[Path, str]:
    where = f" for the instance {instance}" if instance else ""
    wanted = ("fields", (instance or "fields").lower())
    blocks = [path for path, fields in _blocks(settings).items() if field in fields]
    paths = [(*path, field) for path in blocks if path[-1].lower() in wanted]
    if not paths:
        return REQUIRED, f"{field} is required{where}, and no template fills it"
    mend = 'give it a default: {{ … or "default" }}'
    return paths[-1], f"is required, and empty{where} with the sample alerts of {samples}; {mend}"


def _escalation(incident: Incident) -> Escalation:
    at = (incident.deadline or incident.opened_at) + timedelta(seconds=1)
    return Escalation(at, None, f"https://ack.example.com/api/ack/{incident.id}", CONSOLE)
