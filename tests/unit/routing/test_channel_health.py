"""What is found about the token, its scopes and the channels, and how to mend it. Slack's side is told in its own words."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from services.notifier import channel_health
from services.notifier.channel_health import ChannelHealth, Finding, Grade, inspect
from services.notifier.slack import Conversation, Failure, Identity, SlackCallError
from tests.waiting import wait_until

ALL = frozenset(
    {"chat:write", "channels:history", "channels:read", "groups:history", "groups:read", "commands"}
)
OPS = Conversation("ops", is_member=True, is_private=False, is_archived=False)


class FakeSlack:
    """Says what it was made to say."""

    def __init__(
        self,
        channels: dict[str, Conversation | SlackCallError] | None = None,
        scopes: frozenset[str] | None = ALL,
        refusal: SlackCallError | None = None,
    ) -> None:
        self.channels = channels or {}
        self.scopes = scopes
        self.refusal = refusal
        self.looks = 0

    async def identity(self) -> Identity:
        self.looks += 1
        if self.refusal:
            raise self.refusal
        return Identity("ackstream", "Example", self.scopes)

    async def conversation(self, channel: str) -> Conversation:
        found = self.channels[channel]
        if isinstance(found, SlackCallError):
            raise found
        return found


def person(word: str, needed: str = "") -> SlackCallError:
    return SlackCallError(Failure.NEEDS_PERSON, word, needed=needed)


async def look(channel: Conversation | SlackCallError, scopes: frozenset[str] | None = ALL) -> Finding:
    return (await inspect(FakeSlack({"C1": channel}, scopes), ["C1"]))[-1]


async def test_all_is_well() -> None:
    assert await inspect(FakeSlack({"C1": OPS}), ["C1"]) == [
        Finding("token", Grade.OK, "is @ackstream's, of Example"),
        Finding(
            "scopes",
            Grade.OK,
            "channels:history, channels:read, chat:write, commands, groups:history, groups:read",
        ),
        Finding("C1", Grade.OK, "#ops"),
    ]


@pytest.mark.parametrize(
    ("channel", "grade", "told"),
    [
        (
            Conversation("ops", is_member=False, is_private=False, is_archived=False),
            Grade.WRONG,
            "the bot is not in #ops: invite the bot: /invite @ackstream in #ops",
        ),
        (
            Conversation("ops", is_member=True, is_private=False, is_archived=True),
            Grade.WRONG,
            "#ops is archived: unarchive the channel, or configure another one",
        ),
        (
            Conversation("", is_member=True, is_private=True, is_archived=False),
            Grade.OK,
            "direct messages",
        ),
        (
            person("channel_not_found"),
            Grade.WRONG,
            "channel_not_found: check the id; if the channel is private, invite the bot there: /invite @ackstream",
        ),
        (
            person("missing_scope", "channels:read"),
            Grade.UNKNOWN,
            "whether the bot is in it cannot be seen; the scope channels:read would show it",
        ),
        (SlackCallError(Failure.TRANSIENT, "ratelimited"), Grade.UNKNOWN, "ratelimited"),
    ],
)
async def test_a_channel(channel: Conversation | SlackCallError, grade: Grade, told: str) -> None:
    assert await look(channel) == Finding("C1", grade, told)


async def test_a_bot_that_may_post_everywhere_needs_no_invitation_to_a_public_channel() -> None:
    stranger = Conversation("ops", is_member=False, is_private=False, is_archived=False)
    assert (await look(stranger, ALL | {"chat:write.public"})).grade is Grade.OK
    hidden = Conversation("ops", is_member=False, is_private=True, is_archived=False)
    assert (await look(hidden, ALL | {"chat:write.public"})).grade is Grade.WRONG


async def test_what_may_be_a_private_channel_is_not_called_wrong() -> None:
    found = await look(person("channel_not_found"), frozenset({"chat:write", "channels:read"}))
    assert found.grade is Grade.UNKNOWN
    assert "the scope groups:read would show" in found.told


@pytest.mark.parametrize("channel", ["#ops", "ops", "U012AB3CD"])
async def test_what_is_no_id_cannot_be_looked_up(channel: str) -> None:
    found = (await inspect(FakeSlack(), [channel]))[-1]
    assert (found.about, found.grade) == (channel, Grade.UNKNOWN)


@pytest.mark.parametrize(
    ("scopes", "is_private", "grades", "told"),
    [
        ({"channels:read"}, False, [Grade.WRONG], "chat:write is missing"),
        ({"chat:write"}, False, [Grade.ADVICE], "channels:history is missing: a post whose answer was lost"),
        ({"chat:write", "channels:history"}, True, [Grade.ADVICE], "groups:history is missing"),
        ({"chat:write", "channels:history"}, False, [Grade.OK], "channels:history, chat:write"),
        (None, False, [], ""),
    ],
)
async def test_scopes(scopes: set[str] | None, is_private: bool, grades: list[Grade], told: str) -> None:
    channel = Conversation("ops", is_member=True, is_private=is_private, is_archived=False)
    slack = FakeSlack({"C1": channel}, None if scopes is None else frozenset(scopes))
    found = [finding for finding in await inspect(slack, ["C1"]) if finding.about == "scopes"]
    assert [finding.grade for finding in found] == grades
    assert told in "".join(finding.told for finding in found)


@pytest.mark.parametrize(
    ("refusal", "grade", "told"),
    [
        (person("invalid_auth"), Grade.WRONG, "invalid_auth: the token is not valid: put the bot token"),
        (
            SlackCallError(Failure.TRANSIENT, "cannot connect to Slack"),
            Grade.UNKNOWN,
            "cannot connect to Slack",
        ),
    ],
)
async def test_without_a_good_token_nothing_is_known(
    refusal: SlackCallError, grade: Grade, told: str
) -> None:
    token, channel = await inspect(FakeSlack(refusal=refusal), ["C1"])
    assert (token.about, token.grade) == ("token", grade)
    assert token.told.startswith(told)
    assert channel == Finding("C1", Grade.UNKNOWN, "not asked, because of the token")


def measured(channel: str) -> float | None:
    return REGISTRY.get_sample_value("ackstream_slack_channel_ok", {"channel": channel})


def test_what_is_known_is_measured_and_what_is_not_is_absent() -> None:
    health = ChannelHealth(FakeSlack(), ["CA", "CB"], asyncio.Event())
    health.tell([Finding("token", Grade.OK, ""), Finding("CA", Grade.OK, ""), Finding("CB", Grade.WRONG, "")])
    assert (measured("CA"), measured("CB"), measured("token")) == (1, 0, None)
    health.tell([Finding("CA", Grade.UNKNOWN, ""), Finding("CB", Grade.UNKNOWN, "")])
    health.tell([Finding("CA", Grade.UNKNOWN, ""), Finding("CB", Grade.OK, "")])
    assert (measured("CA"), measured("CB")) == (None, 1)


async def test_it_looks_at_the_start_and_soon_after_trouble_and_ends_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel_health, "AFTER_TROUBLE", timedelta(seconds=0.01))
    stopping, slack = asyncio.Event(), FakeSlack({"C1": OPS})
    health = ChannelHealth(slack, ["C1"], stopping)
    running = asyncio.create_task(health.run())
    await wait_until(lambda: slack.looks == 1, "the first look")
    health.look_soon()
    await wait_until(lambda: slack.looks == 2, "the look after trouble")
    stopping.set()
    await asyncio.wait_for(running, 5)
    assert slack.looks == 2


async def test_it_looks_again_soon_while_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_health, "AFTER_TROUBLE", timedelta(seconds=0.01))
    monkeypatch.setattr(channel_health, "WHILE_WRONG", timedelta(seconds=0.01))
    stopping, slack = asyncio.Event(), FakeSlack({"CW": person("not_in_channel")})
    health = ChannelHealth(slack, ["CW"], stopping)
    running = asyncio.create_task(health.run())
    await wait_until(lambda: measured("CW") == 0, "what is wrong")
    slack.channels["CW"] = OPS
    await wait_until(lambda: measured("CW") == 1, "that it is mended")
    stopping.set()
    await asyncio.wait_for(running, 5)


async def test_no_mistake_of_ours_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_health, "AFTER_TROUBLE", timedelta(seconds=0.01))
    stopping, slack = asyncio.Event(), FakeSlack()  # knows no C1: KeyError
    health = ChannelHealth(slack, ["C1"], stopping)
    running = asyncio.create_task(health.run())
    await wait_until(lambda: slack.looks == 1, "the first look")
    health.look_soon()
    await wait_until(lambda: slack.looks == 2, "the second look")
    stopping.set()
    await asyncio.wait_for(running, 5)
