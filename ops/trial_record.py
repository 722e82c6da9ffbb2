"""A record that says of itself that it is a test: what it is sent with, and what has become of that. Pure, but for its id."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from ops.check_config import sample_incident, samples
from services.escalator.mapping import Mappings
from services.notifier.channel_health import Grade
from shared.config_life import LifeConfig
from shared.identity import new_incident_id

TEST = "TEST of Ackstream"
"""What its short description begins with; by it one that was left is known."""

CLOSED = {"incident": "7"}
CLOSE_CODE = {"incident": "Solution provided"}

JOURNALS = ("comments", "work_notes")
"""Which no search shows."""


class TrialRecord:
    """`installation`: its configured name. `id` is a new one as incidents have them, and no incident's."""

    def __init__(self, installation: str, mappings: Mappings, instance: str | None, now: datetime) -> None:
        incident, _ = sample_incident(samples()["alertmanager"], now)
        self.id = new_incident_id(now, 0, secrets.token_bytes(9))
        said = f"{TEST} ({installation[:60]}): nothing is broken, this may be closed and deleted"
        self.default = {"short_description": said}
        mapped = mappings.render(incident.model_copy(update={"id": self.id}), now, instance).values
        if "description" in mapped:
            mapped["description"] = f"{said}\n\n{mapped['description']}"
        self.fields = mapped | self.default

    def closing(self, table: str, life: LifeConfig) -> dict[str, str]:
        """A work note, and what closes it: as configured, or as the table incident has it everywhere. Other tables' states are
        nobody's to guess."""
        said = self.default["short_description"]
        state = life.states.resolved if life.on_resolve == "state" else CLOSED.get(table)
        if state is None:
            return {"work_notes": said}
        code = life.close_code or CLOSE_CODE.get(table)
        values = {"state": state, "close_notes": said, "work_notes": said}
        return values | ({"close_code": code} if code else {})


def losses(sent: Mapping[str, str], shown: Mapping[str, str]) -> list[tuple[Grade, str]]:
    """What has not arrived as it was sent: names of fields, and no values."""
    checked = {name: _plain(text) for name, text in sent.items() if name not in JOURNALS}
    there = {name: _plain(shown.get(name, "")) for name in checked}
    lost = [name for name, text in checked.items() if text and not there[name]]
    cut = [
        name
        for name, text in checked.items()
        if there[name] and text != there[name] and text.startswith(there[name])
    ]
    changed = [name for name in checked if checked[name] != there[name] and name not in (*lost, *cut)]
    told = [
        (
            Grade.WRONG,
            lost,
            "not taken, or not shown to us: is there such a column, choice or sys_id, and may the user write and read it?",
        ),
        (Grade.ADVICE, cut, "cut by ServiceNow: oncall.servicenow.field_lengths makes a better cut"),
        (
            Grade.ADVICE,
            changed,
            "changed on arrival: by a rule, or a name became the sys_id of what it names",
        ),
    ]
    return [(grade, f"{', '.join(sorted(names))}: {words}") for grade, names, words in told if names]


def _plain(text: str) -> str:
    """ServiceNow ends lines as it likes, and takes blanks from both ends."""
    return "\n".join(text.split("\r\n")).replace("\r", "\n").strip()
