from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode


@dataclass(frozen=True)
class Page:
    """A part of a list, as `sysparm_offset` and `sysparm_limit` say."""

    start: int
    limit: int

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Self:
        return cls(_number(options, "sysparm_offset", 0), _number(options, "sysparm_limit", 10_000) or 10_000)

    def links(self, place: str, options: Mapping[str, str], total: int) -> str:
        """The Link header: https://gist.github.com/bryanbarnard/ee1d952604a11e0f0342 shows a real one."""

        def link(relation: str, start: int) -> str:
            given = {**options, "sysparm_limit": str(self.limit), "sysparm_offset": str(start)}
            return f'<{place}?{urlencode(given)}>;rel="{relation}"'

        return ",".join(link(relation, start) for relation, start in self._others(total))

    def _others(self, total: int) -> Iterator[tuple[str, int]]:
        yield "first", 0
        if self.start > 0:
            yield "prev", self.start - self.limit
        if self.start + self.limit < total:
            yield "next", self.start + self.limit
        yield "last", (max(total - 1, 0) // self.limit) * self.limit


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default
