"""What a record in ServiceNow is told of its incident's life after it was written."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.config_section import Section, distinct, lower

How = Annotated[Literal["none", "work_note", "state"], BeforeValidator(lower)]

NEEDED_STATES = {"on_acknowledge": "acknowledged", "on_update": "updated", "on_resolve": "resolved"}
"""The state that a record gets where the key is `state`."""

CLOSE_NOTES = (
    "{{ title }}: {{ ended }}{% if acknowledged_by %}; acknowledged by {{ acknowledged_by }}{% endif %}"
)


class StatesConfig(Section):
    acknowledged: str = Field("2", description="Value of `state` once somebody has acknowledged.")
    unacknowledged: str | None = Field(
        None, description="Once an acknowledgement was taken back. Empty: only a work note says so."
    )
    updated: str | None = Field(
        None, description="Once alerts have joined or left. Required where `on_update` is `state`."
    )
    resolved: str = Field("6", description="Once it is over.")

    def over(self, shared: "StatesConfig") -> "StatesConfig":
        return shared.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class LifeConfig(Section):
    on_acknowledge: How = Field(
        "none",
        description="What a record is told when its incident is acknowledged, or is no longer: `none`, `work_note`, or `state` (and a "
        "work note). Needs rights to read and write; see [ServiceNow](servicenow.md#a-record-lives-with-its-incident).",
    )
    on_update: How = Field("none", description="The same when alerts join the incident or leave it.")
    on_resolve: How = Field("none", description="The same when the incident is over.")
    states: StatesConfig = StatesConfig()
    closed_states: tuple[str, ...] = Field(
        ("6", "7", "8"),
        description="Values of `state` by which a person has closed a record. Such a record, and one that is not active, is left alone.",
    )
    close_code: str | None = Field(
        None,
        max_length=255,
        description="Value of `close_code` that goes with `states.resolved`, as your instance has it: `Solution provided`, "
        "`Solved (Permanently)`, … Empty: none is sent.",
    )
    close_notes: str = Field(
        CLOSE_NOTES, description="Jinja2 template of the `close_notes` that go with it, as of a field."
    )

    def completed_by(self, shared: "LifeConfig") -> "LifeConfig":
        """An instance's own, with what it leaves to the shared one."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        inherited = {name: getattr(shared, name) for name in LifeConfig.model_fields}
        return LifeConfig(**inherited | given | {"states": self.states.over(shared.states)})


class LivesConfig(LifeConfig):
    life_by_instance: Annotated[dict[str, LifeConfig], AfterValidator(distinct)] = Field(
        {}, description="By the name of a further instance: what is different there."
    )

    def life_for(self, instance: str | None) -> LifeConfig:
        """What holds for the instance of that name; None: the default one."""
        wanted = (instance or "").lower()
        own = next((own for name, own in self.life_by_instance.items() if name.lower() == wanted), None)
        return (own or LifeConfig()).completed_by(self)
