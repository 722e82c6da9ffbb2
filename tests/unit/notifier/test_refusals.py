"""What who pressed in vain is told."""

from typing import Any

import pytest

from services.notifier.refusals import explanation
from shared.commands import Reason
from shared.incident import Acknowledgement, Closure, State
from shared.notification import Facts
from tests.episodes import MINUTE, NOON
from tests.unit.notifier.sources import incident
from tests.unit.notifier.test_message import clock, record

FACTS = Facts(source="alertmanager", title="<!channel> HighLatency", severity="critical")
TAKEN = {"acknowledgement": Acknowledgement(at=NOON + MINUTE, by="kim <&>", door="button", user="U1")}


def closed(state: State, by: str = "") -> dict[str, Any]:
    return {"closure": Closure(at=NOON + MINUTE, state=state, by=by)}


@pytest.mark.parametrize(
    ("update", "reason", "said"),
    [
        (TAKEN, Reason.ALREADY_ACKNOWLEDGED, f"kim &lt;&amp;&gt; acknowledged it, {clock('12:01')}."),
        (
            {"record": record()},
            Reason.ALREADY_ESCALATED,
            "It was escalated as <https://snow.example/x?a=1&amp;b=2|INC0010001>",
        ),
        (
            {"record": record().model_copy(update={"number": "", "target": "webhook"})},
            Reason.ALREADY_ESCALATED,
            "It was escalated to the webhook, ",
        ),
        (closed(State.RESOLVED), Reason.ALREADY_CLOSED, f"It was resolved, {clock('12:01')}."),
        (closed(State.RESOLVED, "Bo"), Reason.ALREADY_CLOSED, f"Bo resolved it, {clock('12:01')}."),
        (closed(State.SUPERSEDED), Reason.ALREADY_CLOSED, "A newer incident of its group took its place"),
        (closed(State.EXPIRED), Reason.ALREADY_CLOSED, "nothing was heard of it any more"),
        ({}, Reason.ESCALATION_IN_PROGRESS, "The escalation is under way."),
        ({}, Reason.NOT_ACKNOWLEDGED, "Nobody has acknowledged it."),
        ({"deadline": None}, Reason.NOT_ON_CALL, "On-call is off".lower()),
        ({}, Reason.LATER_ALREADY, f"later than that anyway, {clock('12:03')}."),
        # what was so when they pressed, and is not any more
        ({}, Reason.ALREADY_ACKNOWLEDGED, "It had changed meanwhile."),
        ({}, Reason.ALREADY_CLOSED, "It had changed meanwhile."),
        ({}, "a reason of a newer version", "It had changed meanwhile."),
    ],
)
def test_each_reason_has_its_words(update: dict[str, Any], reason: str, said: str) -> None:
    told = explanation(incident(FACTS, **update), reason, "U2")
    assert told.startswith("*&lt;!channel&gt; HighLatency*: nothing was changed. ")
    assert said.lower() in told.lower()


def test_who_has_it_already_is_told_so() -> None:
    assert "You acknowledged it" in explanation(incident(FACTS, **TAKEN), Reason.ALREADY_ACKNOWLEDGED, "U1")
