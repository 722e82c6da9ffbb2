"""What each failure of Slack's Web API means. Through slack-sdk, against the sandbox over real sockets."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from sandbox.faults import Fault
from sandbox.server import Running, running
from services.notifier.slack import Failure, Slack, SlackCallError
from tests.servers import free_port

HELLO = {"text": "hello"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
async def slack(sandbox: Running) -> AsyncIterator[Slack]:
    sandbox.world.reset()
    sandbox.world.faults.clear()
    client = Slack("xoxb-secret-token", sandbox.slack_url, timedelta(seconds=1))
    yield client
    await client.close()


def misbehave(sandbox: Running, kind: str, **more: object) -> None:
    sandbox.world.faults.add(Fault(target="slack", kind=kind, **more))  # type: ignore[arg-type]


async def failure(slack: Slack) -> SlackCallError:
    with pytest.raises(SlackCallError) as caught:
        await slack.post("C1", HELLO)
    assert "secret" not in repr(caught.value)
    return caught.value


async def test_a_message_is_posted_and_edited_in_place(slack: Slack, sandbox: Running) -> None:
    posted = await slack.post("C1", HELLO)
    await slack.update(posted.channel, posted.ts, {"text": "bye"})
    assert [message["text"] for message in sandbox.world.slack.messages("C1")] == ["bye"]


async def test_slack_is_told_to_follow_no_links(slack: Slack, sandbox: Running) -> None:
    """It would fetch them, and make pictures of pages that are for one person."""
    posted = await slack.post("C1", HELLO)
    await slack.reply("C1", posted.ts, HELLO)
    for call in sandbox.world.slack.calls.named("chat.postMessage"):
        assert (call.arguments["unfurl_links"], call.arguments["unfurl_media"]) == (False, False)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("invalid_auth", Failure.NEEDS_PERSON),
        ("is_archived", Failure.NEEDS_PERSON),
        ("is_inactive", Failure.NEEDS_PERSON),
        ("edit_window_closed", Failure.NEEDS_PERSON),
        ("missing_scope", Failure.NEEDS_PERSON),
        ("service_unavailable", Failure.TRANSIENT),
        ("something_new", Failure.TRANSIENT),
        ("fatal_error", Failure.AMBIGUOUS),
        ("invalid_blocks", Failure.CONTENT),
        ("invalid_attachments", Failure.CONTENT),
    ],
)
async def test_slacks_words_are_understood(
    slack: Slack, sandbox: Running, word: str, expected: Failure
) -> None:
    misbehave(sandbox, "slack_error", error=word)
    error = await failure(slack)
    assert (error.failure, str(error)) == (expected, word)


async def test_429_is_transient_and_brings_its_retry_after(slack: Slack, sandbox: Running) -> None:
    misbehave(sandbox, "status", status=429, retry_after=12)
    error = await failure(slack)
    assert (error.failure, error.retry_after) == (Failure.TRANSIENT, timedelta(seconds=12))
    assert len(sandbox.world.slack.calls.named("chat.postMessage")) == 1


async def test_503_is_transient(slack: Slack, sandbox: Running) -> None:
    misbehave(sandbox, "status", status=503)
    assert (await failure(slack)).failure is Failure.TRANSIENT


async def test_plain_text_where_json_belongs_is_ambiguous(slack: Slack, sandbox: Running) -> None:
    misbehave(sandbox, "garbage", media_type="text/plain")
    assert (await failure(slack)).failure is Failure.AMBIGUOUS


@pytest.mark.parametrize("kind", ["drop", "drop_after", "html", "garbage"])
async def test_a_lost_or_unreadable_answer_is_ambiguous_and_not_repeated(
    slack: Slack, sandbox: Running, kind: str
) -> None:
    misbehave(sandbox, kind)
    assert (await failure(slack)).failure is Failure.AMBIGUOUS
    assert len(sandbox.world.slack.calls.named("chat.postMessage")) == 1


async def test_silence_is_ambiguous(slack: Slack, sandbox: Running) -> None:
    misbehave(sandbox, "hang_after", seconds=5)
    assert (await failure(slack)).failure is Failure.AMBIGUOUS


async def test_a_server_that_is_not_there_is_transient() -> None:
    slack = Slack("xoxb-secret-token", f"http://127.0.0.1:{free_port()}/", timedelta(seconds=1))
    assert (await failure(slack)).failure is Failure.TRANSIENT
    await slack.close()


async def test_a_message_that_somebody_deleted_is_known_as_gone(slack: Slack) -> None:
    with pytest.raises(SlackCallError) as caught:
        await slack.update("C1", "1.000000", HELLO)
    assert caught.value.failure is Failure.MESSAGE_GONE
