"""`ackstream dead-letters`: what could not be understood, to look at, to try again, or to drop."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import httpx

from ops.timeline import moment
from shared.keys import Keys
from shared.redis_client import Scripts

PAGE = 500
SHOWN = 100
"""Characters of an error in the list."""


class LetterError(Exception):
    """It cannot be done with this letter; the message says why."""


@dataclass(frozen=True)
class Letter:
    """`origin`: `ingest`, or `stream:GROUP`, then with the id of its `entry`. `size`: of the whole payload in bytes; more than is kept
    when it was cut. `attempts`: how often it was tried."""

    id: str
    at: datetime
    origin: str
    error: str
    payload: str
    size: int
    attempts: int = 1
    entry: str = ""


class Letters:
    """Raises StoreUnavailableError from every method."""

    def __init__(self, scripts: Scripts, keys: Keys | None = None) -> None:
        self._scripts = scripts
        self._keys = keys or Keys()

    async def all(self) -> list[Letter]:
        """Oldest first."""
        found, start = list[Letter](), "-"
        while page := await self._scripts.execute("XRANGE", self._keys.dead, start, "+", "COUNT", PAGE):
            found += [_letter(id_, fields) for id_, fields in page]
            start = f"({page[-1][0].decode()}"
        return found

    async def get(self, id_: str) -> Letter:
        """Raises LetterError when there is none."""
        page = await self._scripts.execute("XRANGE", self._keys.dead, id_, id_)
        if not page:
            raise LetterError(
                f"there is no dead letter {id_}; `ackstream dead-letters list` shows those there are"
            )
        return _letter(*page[0])

    async def retry(self, letter: Letter, ingest_url: str, headers: dict[str, str]) -> str:
        """Send it through its door again; it is dropped when it was taken. What came of it. Raises LetterError."""
        if letter.size > len(letter.payload.encode()):
            raise LetterError(f"{letter.id}: only a part of its {letter.size} bytes was kept")
        done = (
            await self._post(letter, ingest_url, headers)
            if letter.origin == "ingest"
            else await self._append(letter)
        )
        await self.drop(letter.id)
        return done

    async def drop(self, id_: str) -> None:
        await self._scripts.execute("XDEL", self._keys.dead, id_)

    async def _post(self, letter: Letter, ingest_url: str, headers: dict[str, str]) -> str:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            try:
                answer = await client.post(
                    f"{ingest_url}/api/incidents", content=letter.payload, headers=headers
                )
            except httpx.HTTPError as error:
                raise LetterError(f"nothing took it at {ingest_url} ({error}); is ingest running?") from error
        if answer.status_code != httpx.codes.CREATED:
            # Ingest has kept it anew; ours would be the second copy.
            if answer.status_code == httpx.codes.BAD_REQUEST:
                await self.drop(letter.id)
            raise LetterError(f"{letter.id}: refused again, {answer.status_code}: {answer.text.strip()}")
        return answer.text.strip()

    async def _append(self, letter: Letter) -> str:
        """Events say only "look at this incident", so that appending one again is harmless, also to the other group."""
        fields = json.loads(letter.payload)
        parts = [part for pair in fields.items() for part in pair]
        entry = await self._scripts.execute("XADD", self._keys.events, "*", *parts)
        return f"appended to the stream as {entry.decode()}"


def _letter(id_: bytes, fields: dict[bytes, bytes]) -> Letter:
    text = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    at = datetime.fromtimestamp(int(id_.split(b"-")[0]) / 1000, UTC)
    return Letter(
        id_.decode(),
        at,
        text.get("origin", ""),
        text.get("error", ""),
        text.get("payload", ""),
        int(text.get("size", 0)),
        int(text.get("attempts", 1)),
        text.get("entry", ""),
    )


def as_text(letters: list[Letter]) -> str:
    if not letters:
        return "There are no dead letters."
    return "\n".join(
        f"{one.id:<18} {moment(one.at)}  {one.origin:<18} {one.size:>8} B  {one.error[:SHOWN]}"
        for one in letters
    )


def as_json(letters: list[Letter]) -> str:
    return json.dumps([asdict(one) for one in letters], indent=2, ensure_ascii=False, default=str)
