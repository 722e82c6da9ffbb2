"""What somebody typed after `ackstream replay`: exactly one way of replaying, and options that go with it."""

from dataclasses import dataclass
from pathlib import Path


class WishError(Exception):
    """The options contradict each other, or say too little; the message says what to change."""


@dataclass(frozen=True)
class Wish:
    start: str | None
    end: str | None
    incidents: tuple[str, ...]
    group: str | None
    force: bool
    dry_run: bool
    channel: str | None
    speed: float | None
    into: str | None
    redact: bool
    what_if: Path | None
    as_new: bool
    until_delivered: bool

    def check(self) -> str:
        """The way that is meant. Raises WishError."""
        ways = {
            "--group": self.group,
            "--dry-run": self.dry_run,
            "--channel": self.channel is not None,
            "--into": self.into is not None,
            "--what-if": self.what_if,
            "--as-new": self.as_new,
        }
        meant = [name for name, given in ways.items() if given]
        if not meant:
            raise WishError(f"say what to do with the past: one of {', '.join(ways)}")
        if len(meant) > 1:
            raise WishError(f"{' and '.join(meant)} do not go together; run one after the other")
        self._check_companions(meant[0])
        return meant[0]

    def _check_companions(self, way: str) -> None:
        companions = {
            "--force": (self.force, ("--group",), "--group notifier"),
            "--speed": (self.speed is not None, ("--channel", "--as-new"), "--channel or --as-new"),
            "--redact": (self.redact, ("--into",), "--into"),
            "--exit": (self.until_delivered, ("--as-new",), "--as-new"),
        }
        for option, (given, ways, words) in companions.items():
            if given and way not in ways:
                raise WishError(f"{option} goes with {words}, not with {way}; leave it out")
        if self.force and self.group != "notifier":
            raise WishError("--force goes with --group notifier; records are never written again")
