"""Nothing that Ackstream writes holds a secret of ServiceNow's: logs, metrics, Redis, Slack, what its commands print."""

import httpx
import pytest
from redis.asyncio import Redis

from sandbox.faults import Fault
from tests.e2e.conftest import StackFactory
from tests.faults.traffic import parked, pour
from tests.stack import Stack
from tests.waiting import wait_until

SECRETS = ("main-s3cret", "sandbox-client-secret", "app-s3cret", "wrong-client-s3cret", "proxy-s3cret")


@pytest.fixture
async def stack(new_stack: StackFactory) -> Stack:
    """The default instance and `app` refuse us, `infra` takes our OAuth; `away` is behind a proxy that is not there."""
    stack = new_stack(wait_minutes=0)
    text = stack.config_path.read_text()
    main, infra, app = (stack.sandbox.servicenow_url(name) for name in ("main", "infra", "app"))
    access = (
        "    access_by_instance:\n"
        "      infra: {auth: oauth_client_credentials, client_id: sandbox-client, client_secret: sandbox-client-secret}\n"
        "      app: {auth: oauth_password, username: u, password: app-s3cret, client_id: c, client_secret: wrong-client-s3cret}\n"
        "      away: {proxy: 'http://pat:proxy-s3cret@127.0.0.1:9'}\n"
    )
    text = text.replace("    password: sandbox\n", f"    password: main-s3cret\n{access}")
    text = text.replace(
        f"      infra: {infra}\n", f"      infra: {infra}\n      app: {app}\n      away: {main}\n"
    )
    stack.config_path.write_text(text)
    await stack.start_all()
    return stack


async def everything(stack: Stack, client: Redis) -> str:
    written = [stack.log(name) for name in ("ingest", "notifier", "escalator")]
    async with httpx.AsyncClient(trust_env=False) as http:
        written += [
            (await http.get(f"{stack.address(name)}/metrics")).text
            for name in ("ingest", "notifier", "escalator")
        ]
    written.append(str(await parked(stack)))
    written.append(str(stack.messages()) + str(stack.replies()))
    async for key in client.scan_iter(count=1000):
        reads = {b"string": client.get, b"hash": client.hgetall, b"stream": client.xrange}
        kind = await client.type(key)
        written.append(str(key) + (str(await reads[kind](key)) if kind in reads else ""))
    return "\n".join(written)


async def test_secrets_are_nowhere_whatever_fails(stack: Stack, client: Redis) -> None:
    for instance in ("infra", "app", "away"):
        await pour(stack, [f"for {instance}"], f"?servicenow_other_instance={instance}")
    await pour(stack, ["for main"])
    await wait_until(lambda: len(stack.records("infra")) == 1, "the record at infra")
    stack.sandbox.world.servicenow.tokens.revoke()
    stack.sandbox.world.faults.add(
        Fault(target="servicenow", kind="garbage", match="POST infra incident", count=1)
    )
    await pour(stack, ["infra once more"], "?servicenow_other_instance=infra")
    told = (
        "answered 401: User Not Authenticated",
        "cannot sign in: /oauth_token.do answered 401",
        "nobody listens there",
    )
    await wait_until(lambda: all(words in stack.log("escalator") for words in told), "all failures")
    await stack.send(b"{not json", "")
    text = await everything(stack, client)
    tokens = list(stack.sandbox.world.servicenow.tokens._tokens)  # noqa: SLF001
    assert tokens
    assert [secret for secret in (*SECRETS, *tokens) if secret in text] == []
    assert 'ackstream_servicenow_requests_total{instance="infra",result="201",verb="POST"}' in text
    assert "main-s3cret" not in str(stack.sandbox.world.servicenow.as_json())
