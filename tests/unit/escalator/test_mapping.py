"""What templates make of incidents, however they are written, and whatever alerts bring."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.escalator.course import course
from services.escalator.field_template import FieldError, FieldTemplate
from services.escalator.mapping import Flaw, Mappings, RecordFields
from services.escalator.vocabulary import NAMES, Escalation, permalink, vocabulary
from shared.commands import Fire
from shared.config import Config, ServiceNowConfig
from shared.incident import Effort, FurtherStep, Haste, Incident, Message, Record, Snooze
from shared.notification import SERVICENOW, SLACK, Facts, Link, PlannedStep
from shared.transitions import advance
from tests.episodes import MINUTE, NOON, alert, incident_id, notification

PAGE = "https://ack.example.com/api/ack/1"
FACTS = Facts(
    source="alertmanager",
    title="HighLatency",
    severity="Critical",
    summary="p99 <above> & beyond *2 s*",
    resource="web-1",
    labels={"team": "shop", "app.kubernetes.io/name": "web", "items": "a label"},
    annotations={"runbook": "https://runbooks.example/1"},
    links=(
        Link(text="Source", url="https://prometheus.example"),
        Link(text="Bad", url="javascript:alert(1)"),
    ),
)


def opened(facts: Facts = FACTS, **update: Any) -> Incident:
    told = notification(alert("a"), alert("b", firing=False)).model_copy(update={"facts": facts})
    incident = advance(None, Fire(told, incident_id()), NOON).incident
    assert incident
    return incident.model_copy(update=update)


def settings(**fields: str) -> ServiceNowConfig:
    return ServiceNowConfig.model_validate({"fields": fields})


def rendered(
    settings: ServiceNowConfig, incident: Incident | None = None, late: timedelta = MINUTE
) -> RecordFields:
    mappings = Mappings(settings, lambda _: PAGE, "https://console.example.com")
    return mappings.render(incident or opened(), NOON + 3 * MINUTE + late, None)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("literal", "literal"),
        ("{{ title }} ({{ severity }})", "HighLatency (Critical)"),
        ("{{ summary }}", "p99 <above> & beyond *2 s*"),  # nothing is escaped: this is not Slack
        ("{{ summary | e }}", "p99 <above> & beyond *2 s*"),
        ("{{ id }}", incident_id()),
        ('{{ {"critical": 1, "warning": 2}[severity | lower] or 3 }}', "1"),
        ('{{ {"fatal": 1}.get(severity, 3) }}', "3"),
        ("{{ [1, 2, 2, 3, 3][severity_rank] }}", "1"),
        ("{{ labels.team }} {{ labels['app.kubernetes.io/name'] }} {{ labels.items }}", "shop web a label"),
        ("{{ labels.nobody.has.this or 'none' }}", "none"),
        ("{{ annotations.runbook }} of {{ resource }}, {{ source }}", "https://runbooks.example/1 of web-1, alertmanager"),
        ("{{ firing }} of {{ alerts | length }}, {{ truncated }} more", "1 of 2, 0 more"),
        ("{% for alert in alerts if alert.firing %}{{ alert.name }} {{ alert.started_at }}{% endfor %}", "a 2026-01-01 12:00:00"),
        ("{% for link in links %}{{ link.text }} {{ link.url }}{% endfor %}", "Source https://prometheus.example"),
        ("{{ opened_at }} {{ deadline }} {{ escalated_at }}", "2026-01-01 12:00:00 2026-01-01 12:03:00 2026-01-01 12:04:00"),
        ("{{ opened_at | time }} {{ opened_at | time('%H:%M') }} {{ 'x' | time }}", "2026-01-01 12:00:00 12:00 x"),
        ("{{ late }}", "1 min 0 s late"),
        ("{{ slack_url }}|{{ instance }}|{{ ack_url }}", f"||{PAGE}"),
        ("{{ console_url }}", f"https://console.example.com/incidents/{incident_id()}"),
        ("{{ title | upper | cut(5) }}", "HIGH…"),
        ("a\n\n\n{% if labels.nothing %}\nx\n{% endif %}\n\nb", "a\n\nb"),
        ("{{ labels }}", '{"team": "shop", "app.kubernetes.io/name": "web", "items": "a label"}'),
        ("{{ true }} {{ none }}", "true"),
    ],
)  # fmt: skip
def test_a_template_prints_plain_text(template: str, text: str) -> None:
    record = rendered(settings(u_x=template))
    assert record.values["u_x"] == text
    assert record.flaws == ()


def test_without_templates_there_is_the_default_field_alone() -> None:
    assert rendered(ServiceNowConfig()) == RecordFields(
        {"short_description": f"Incident {incident_id()} (escalated 1 min 0 s late)"}
    )


def test_a_template_takes_the_place_of_the_default() -> None:
    assert rendered(settings(short_description="{{ title }}")).values == {"short_description": "HighLatency"}


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{{ nothing }}", "{% if %}", "{{ title | nosuch }}", "{{ [].append(1) }}"]
)
def test_a_default_that_fails_is_the_old_default_and_the_others_stay(template: str) -> None:
    record = rendered(settings(short_description=template, category="software"), late=timedelta(0))
    assert record.values == {"short_description": f"Incident {incident_id()}", "category": "software"}
    assert [(flaw.field, flaw.left_out) for flaw in record.flaws] == [("short_description", True)]


@pytest.mark.parametrize(
    ("field", "length"),
    [("short_description", 160), ("description", 4000), ("u_long", 300), ("category", 255)],
)
def test_what_is_too_long_is_cut(field: str, length: int) -> None:
    config = ServiceNowConfig.model_validate(
        {"fields": {field: "{{ summary }}"}, "field_lengths": {"u_long": 300}}
    )
    long = opened(FACTS.model_copy(update={"summary": "x" * 5000}))
    record = rendered(config, long)
    assert record.values[field] == "x" * (length - 1) + "…"
    assert record.flaws == (
        Flaw(field, f"was cut to the {length} characters that the field takes", left_out=False),
    )


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ range(10000000) }}",
    ],
)
def test_what_would_not_end_is_ended(template: str) -> None:
    assert [flaw.field for flaw in rendered(settings(u_x=template)).flaws] == ["u_x"]


def test_what_is_endless_is_cut_off() -> None:
    record = rendered(settings(u_x="{% for a in range(90000) %}{{ summary }}{% endfor %}"))
    assert len(record.values["u_x"]) == 255


@pytest.mark.parametrize(
    "template", ["{{ ''.__class__ }}", "{{ title.__init__.__globals__ }}", "{{ alerts.__class__ }}"]
)
def test_a_template_sees_nothing_of_python(template: str) -> None:
    assert "u_x" not in rendered(settings(u_x=template)).values


def test_what_an_alert_brings_is_no_html_in_a_journal() -> None:
    hostile = opened(FACTS.model_copy(update={"summary": "[code]<script>[/CODE]"}))
    record = rendered(settings(work_notes="[code]<b>{{ summary }}</b>[/code]"), hostile)
    assert record.values["work_notes"] == "[code]<b>[\u2060code]<script>[\u2060/CODE]</b>[/code]"


def test_an_instance_s_own_fields_win_over_those_of_all() -> None:
    config = ServiceNowConfig.model_validate(
        {
            "other_instance_urls": {"Infra": "https://infra.example.com", "app": "https://app.example.com"},
            "fields": {"category": "software", "urgency": "2"},
            "fields_by_instance": {"INFRA": {"category": "{{ instance }}"}},
            "table_by_instance": {"infra": "u_event"},
        }
    )
    mappings = Mappings(config, lambda _: "")
    values = {name: mappings.render(opened(), NOON, name).values for name in (None, "Infra", "app")}
    assert {name: (made["category"], made["urgency"]) for name, made in values.items()} == {
        None: ("software", "2"),
        "Infra": ("Infra", "2"),
        "app": ("software", "2"),
    }
    assert [config.table_for(name) for name in (None, "Infra", "app")] == ["incident", "u_event", "incident"]


def test_the_timeline_tells_what_happened() -> None:
    incident = opened(
        notifications=4,
        seen_at=NOON + MINUTE,
        snooze=Snooze(at=NOON + MINUTE / 2, by="Ada", until=NOON + 2 * MINUTE),
        haste=Haste(at=NOON + 2 * MINUTE, by=""),
        escalation=Effort(attempts=2, error="answered 500\nsorry"),
    )
    assert rendered(settings(description="{{ timeline }}"), incident).values["description"].splitlines() == [
        "2026-01-01 12:00:00 UTC  opened: HighLatency",
        "2026-01-01 12:00:30 UTC  snoozed by Ada until 2026-01-01 12:02:00 UTC",
        "2026-01-01 12:01:00 UTC  notification 4, the latest: 1 firing",
        "2026-01-01 12:02:00 UTC  somebody asked to escalate at once",
        "2026-01-01 12:03:00 UTC  deadline: nobody has acknowledged",
        "2026-01-01 12:04:00 UTC  escalated after 4 min 0 s, 1 min 0 s late; 2 attempts failed, the last with: answered 500 sorry",
    ]


def test_the_timeline_names_the_steps_that_were_taken_before_this_one() -> None:
    record = Record(sys_id="a" * 32, number="INC1", url="", instance=None, at=NOON + 3 * MINUTE)
    steps = tuple(
        PlannedStep(offset=offset, target=target)
        for offset, target in ((-2 * MINUTE, SLACK), (5 * MINUTE, SERVICENOW))
    )
    called, second = FurtherStep(called_at=NOON + MINUTE), FurtherStep(effort=Effort(attempts=1, error="503"))
    incident = opened(record=record, further=(called, second))
    incident = incident.model_copy(update={"call": incident.call.model_copy(update={"steps": steps})})
    assert course(incident, NOON + 9 * MINUTE, step=2).splitlines() == [
        "2026-01-01 12:00:00 UTC  opened: HighLatency",
        "2026-01-01 12:01:00 UTC  people were called again",
        "2026-01-01 12:03:00 UTC  deadline: nobody has acknowledged",
        "2026-01-01 12:03:00 UTC  escalated to ServiceNow as INC1",
        "2026-01-01 12:09:00 UTC  escalated after 9 min 0 s, 1 min 0 s late; 1 attempt failed, the last with: 503",
    ]


def test_a_step_that_comes_when_it_should_is_not_late() -> None:
    incident = opened(further=(FurtherStep(),))
    steps = (PlannedStep(offset=8 * MINUTE, target=SERVICENOW),)
    incident = incident.model_copy(update={"call": incident.call.model_copy(update={"steps": steps})})
    mappings = Mappings(settings(description="{{ late }}"), lambda _: PAGE, "")
    at = NOON + 11 * MINUTE
    assert "late" not in mappings.render(incident, at, None, 1).values["short_description"]
    assert "8 min 0 s late" in mappings.render(incident, at, None).values["short_description"]


@pytest.mark.parametrize(
    ("message", "url"),
    [
        (Message(channel="C0ABC", ts="1772334002.000200", shown=1), "https://slack.com/archives/C0ABC/p1772334002000200"),
        (Message(channel="#general", ts="1.0", shown=1), ""),
        (Message(channel="C0ABC", ts="x", shown=1), ""),
        (None, ""),
    ],
)  # fmt: skip
def test_a_message_has_an_address_in_slack(message: Message | None, url: str) -> None:
    assert permalink(message) == url


def test_a_template_that_speaks_of_what_is_not_there_is_known() -> None:
    template = FieldTemplate(
        "{% set mine = 1 %}{{ mine }}{{ titel }}{{ range(2) }}{{ title }}{{ teem.x }}", 255
    )
    assert template.unknown == ["teem", "titel"]


def test_a_failure_names_the_template_s_line() -> None:
    template = FieldTemplate("fine\n{{ title }}\n{{ 1 / 0 }}", 255)
    with pytest.raises(FieldError, match="fails in line 3: ZeroDivisionError"):
        template.render(vocabulary(opened(), Escalation(NOON)))


def test_the_names_are_those_that_are_there() -> None:
    assert vocabulary(opened(), Escalation(NOON)).keys() == NAMES


TEXTS = st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(
    ["{{ 1 / 0 }}", "{% for %}", "[code]", "\ud800", "\0", "'\"\\", "${X}", "<!channel>", "x" * 6000]
)
EVERYTHING = Config.model_validate(
    {
        "oncall": {
            "servicenow": {
                "fields": {f"u_{name}": f"{{{{ {name} }}}}{{{{ {name} | tojson }}}}" for name in NAMES}
            }
        }
    }
).oncall.servicenow


@given(
    title=TEXTS,
    severity=TEXTS,
    labels=st.dictionaries(TEXTS, TEXTS, max_size=5),
    links=st.lists(st.builds(Link, text=TEXTS, url=TEXTS), max_size=3),
    truncated=st.integers(0, 10**9),
    message=st.none() | st.builds(Message, channel=TEXTS, ts=TEXTS, shown=st.just(1)),
    error=TEXTS,
)
def test_no_alert_makes_a_template_fail(
    title: str,
    severity: str,
    labels: dict[str, str],
    links: list[Link],
    truncated: int,
    message: Message | None,
    error: str,
) -> None:
    facts = Facts.model_construct(
        source="generic", title=title, severity=severity, summary=title, resource=title, labels=labels,
        annotations=labels, links=tuple(links), truncated=truncated,
    )  # fmt: skip
    incident = opened().model_copy(
        update={
            "facts": facts,
            "message": message,
            "escalation": Effort.model_construct(attempts=1, error=error),
        }
    )
    record = rendered(EVERYTHING, incident)
    assert [flaw for flaw in record.flaws if flaw.left_out and flaw.why != "is empty"] == []
    for value in record.values.values():
        assert len(value.encode()) > 0, "no lone surrogate is left in it"
        assert len(value) <= 255
