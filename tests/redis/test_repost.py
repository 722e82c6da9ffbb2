"""A message that somebody wants back, and a notifier that dies on the way."""

from datetime import timedelta

from redis.asyncio import Redis

from sandbox.server import Running
from services.notifier.notifier import Notifier
from shared.commands import BeginDelivery, MessageGone, Repost
from shared.keys import Keys
from shared.store import Store
from tests.redis.conftest import opened
from tests.redis.test_notifier import RED, notifier, posts, shown_color, slack, template, the_message


async def test_who_dies_between_finding_it_gone_and_posting_it_anew_loses_nothing(
    notifier: Notifier, store: Store, sandbox: Running, client: Redis
) -> None:
    incident = await opened(store)
    await notifier.show(incident)
    ts = the_message(sandbox)["ts"]
    del sandbox.world.slack.channel("C1").messages[ts]
    await store.apply(incident, Repost(ts))
    await store.apply(incident, BeginDelivery("killed", timedelta(minutes=1)))
    await store.apply(incident, MessageGone("killed", ts))
    assert await client.zscore(Keys().deliveries, incident) is not None
    await notifier.show_due(incident)
    assert shown_color(sandbox) == RED
    assert posts(sandbox) == 2
