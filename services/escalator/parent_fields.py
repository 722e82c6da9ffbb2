"""The fields of a storm's record: the operator's templates where they say how bad it is and whose; what it is about is ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.escalator.flaws import tell_flaws
from services.escalator.mapping import Mappings
from services.escalator.parent_text import ABOUT_ONE, description, title
from shared.incident import Incident
from shared.plain_text import shortened
from shared.severities import rank
from shared.storms import Storms


@dataclass(frozen=True)
class Fields:
    """`plain`: those that a table surely takes."""

    mapped: dict[str, str]
    plain: dict[str, str]


class ParentFields:
    """`instance`: its name, None for the default one. `longest`: characters that a field takes."""

    def __init__(
        self, storms: Storms, mappings: Mappings, instance: str | None, longest: Callable[[str], int]
    ) -> None:
        self._storms = storms
        self._mappings = mappings
        self._instance = instance
        self._longest = longest

    async def of(self, storm_id: str, incidents: Sequence[Incident], at: datetime) -> Fields:
        """`incidents`: the first that it will list; it is as bad as the worst of them."""
        worst = min(incidents, key=lambda incident: (rank(incident.facts.severity), incident.opened_at))
        mapped = self._mappings.render(worst, at, self._instance)
        tell_flaws(worst.id, (flaw for flaw in mapped.flaws if flaw.field not in ABOUT_ONE))
        storm = await self._storms.load(storm_id)
        crowd = await self._storms.crowd(storm_id) if storm else None
        titles = dict.fromkeys(named.name for named in crowd.names) if crowd else {}
        names = list(titles or dict.fromkeys(incident.facts.title for incident in incidents))
        in_all = crowd.names_in_all - len(crowd.names) + len(names) if crowd else len(names)
        plain = {
            "short_description": shortened(title(storm, names, in_all), self._longest("short_description")),
            "description": shortened(description(storm, crowd), self._longest("description")),
        }
        kept = {field: value for field, value in mapped.values.items() if field not in ABOUT_ONE}
        return Fields(kept | plain, plain)
