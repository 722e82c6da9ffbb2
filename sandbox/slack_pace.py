import math
from collections import Counter

from sandbox.slack_content import SlackRefusal
from sandbox.slack_settings import SlackSettings


class Pace:
    """A token bucket per channel: what an app may post and edit. Slack says one a second, and allows short bursts."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}
        self.refused: Counter[str] = Counter()

    def take(self, channel: str, settings: SlackSettings, now: float) -> None:
        """Raises the 429 with the whole seconds after which one would pass. `now` in seconds."""
        rate = settings.posts_per_second
        if rate is None:
            return
        left, since = self._left.get(channel, (float(settings.burst), now))
        left = min(settings.burst, left + max(0.0, now - since) * rate)
        if left < 1:
            self._left[channel] = left, now
            self.refused[channel] += 1
            wait = str(math.ceil((1 - left) / rate))
            raise SlackRefusal("ratelimited", status=429, headers={"Retry-After": wait})
        self._left[channel] = left - 1, now
