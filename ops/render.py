"""`ackstream render`: the message that the notifier would send for a sample, made by the notifier's own code."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ops.check_config import lives, sample_incident, samples
from services.ingest.documents import RefusedBodyError
from services.notifier.look import Look
from services.notifier.rendering import Rendering, render
from services.notifier.template import MessageTemplate
from shared.incident import Incident
from shared.outlook import may_be_acknowledged_in_time


class SampleError(Exception):
    """Names the sample, and what is wrong with it."""


@dataclass(frozen=True)
class Page:
    """What goes around the template's text, and what acknowledge links begin with."""

    look: Look
    base_url: str


def render_sample(
    template: MessageTemplate, page: Page, sample: str, state: str | None, now: datetime
) -> Rendering:
    """The message of what `sample`, a name or a file, opens at `now`, once it is in `state`; None: as the sample leaves it.
    Its acknowledge link is not signed, and so leads to nothing. Raises SampleError."""
    incident, body = _read(sample, now)
    life = _in_state(incident, state, now)
    url = f"{page.base_url}/api/ack/{incident.id}" if may_be_acknowledged_in_time(life) else None
    return render(template, page.look, life, body, url)


def sample_names() -> list[str]:
    return sorted(samples())


def _read(sample: str, now: datetime) -> tuple[Incident, str]:
    try:
        return sample_incident(samples().get(sample) or Path(sample).read_bytes(), now)
    except OSError as error:
        names = ", ".join(sample_names())
        raise SampleError(
            f"{sample}: cannot be read ({error.strerror}); give a file, or one of {names}"
        ) from None
    except RefusedBodyError as error:
        raise SampleError(f"{sample}: {error.message}: {error.detail}") from None


def _in_state(incident: Incident, state: str | None, now: datetime) -> Incident:
    wanted = state or ("open" if incident.firing_count else "resolved")
    return next(life for life in lives(incident, now) if life.state == wanted)
