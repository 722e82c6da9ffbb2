"""What is said to people about a call that came to nothing, with real sockets."""

import httpx
import pytest

from services.escalator.trouble import trouble_of
from tests.servers import free_port


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "https://no-such-instance.invalid",
            "the host name cannot be looked up: check the URL, or the proxy, and DNS",
        ),
        ("http://127.0.0.1:PORT", "nobody listens there: check the URL, or the proxy"),
    ],
)
async def test_an_address_that_leads_nowhere_is_told_with_its_mend(url: str, told: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError) as raised:
            await client.get(url.replace("PORT", str(free_port())))
    trouble = trouble_of(raised.value)
    assert (trouble.words, trouble.needs_person) == (told, False), "it may heal by itself"
