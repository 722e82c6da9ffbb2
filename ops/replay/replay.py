"""What every way of replaying works with."""

from dataclasses import dataclass
from datetime import datetime

from ops.replay.progress import Patience, Progress
from ops.replay.reading import Past
from ops.replay.selection import Range
from shared.config import Config
from shared.redis_client import Scripts


class ReplayError(Exception):
    """It cannot be done; the message says why, and what to do."""


@dataclass(frozen=True)
class Replay:
    """`range`: the part of the past that was asked for. `now`: Redis' clock when it was asked for."""

    config: Config
    scripts: Scripts
    range: Range
    now: datetime
    patience: Patience
    progress: Progress

    def past(self) -> Past:
        return Past(self.scripts, self.range, self.patience, self.progress)


@dataclass(frozen=True)
class Answer:
    """What was found or done: for people, and for programs. `stopped`: somebody pressed Ctrl-C before it was all done."""

    text: str
    data: dict[str, object]
    stopped: bool = False
