"""URLs that name Sentinels."""

import pytest

from shared.redis_client import connect
from shared.sentinels import SentinelUrl
from tests.unit.config.conftest import Complaints, Load


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis+sentinel://a/m", SentinelUrl((("a", 26379),), "m")),
        (
            "redis+sentinel://a:1,b,[::1]:3,[fe80::1]/m/7",
            SentinelUrl((("a", 1), ("b", 26379), ("::1", 3), ("fe80::1", 26379)), "m", 7),
        ),
        ("redis+sentinel://u:p%40%2F:x@a/m/", SentinelUrl((("a", 26379),), "m", 0, False, "u", "p@/:x")),
        ("redis+sentinel://:p@a/m", SentinelUrl((("a", 26379),), "m", password="p")),
        ("rediss+sentinel://a/m", SentinelUrl((("a", 26379),), "m", tls=True)),
    ],
)
def test_say_where_the_sentinels_are_and_what_the_master_is_called(url: str, expected: SentinelUrl) -> None:
    assert SentinelUrl.parse(url) == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "redis+sentinel://a:1,b:2",
            "should name the master after the hosts, as in redis+sentinel://host1:26379,",
        ),
        ("redis+sentinel:///m", "should name the Sentinels by host and port"),
        ("redis+sentinel://a:1,,b:2/m", "should name the Sentinels by host and port"),
        ("redis+sentinel://a:x/m", "should name the Sentinels by host and port"),
        ("redis+sentinel://a:0/m", "should name the Sentinels by host and port"),
        ("redis+sentinel://a:65536/m", "should name the Sentinels by host and port"),
        ("redis+sentinel://a/m/x", "nothing but the number of the database after the master's name"),
        ("redis+sentinel://a/m?db=1", "should be a URL without ? or # in it"),
        ("redis+sentinel://a/m m", "without spaces"),
        ("redis+sentinels://a/m", "redis+sentinel:// or rediss+sentinel://"),
    ],
)
def test_that_cannot_be_used_say_what_to_mend_and_no_secret(
    complaints: Complaints, url: str, said: str
) -> None:
    (told,) = complaints(f"redis: {{url: '{url.replace('://', '://user:hunter2@')}'}}\n")
    assert said in told
    assert "hunter2" not in told


def test_with_tls_warn_when_nobody_checks_who_answers(load: Load) -> None:
    loaded = load("redis: {url: 'rediss+sentinel://a/m', insecure_skip_verify: true}\n")
    assert any("nobody checks whether it is your Redis" in warning for warning in loaded.warnings)


def test_become_a_client_with_the_credentials_where_they_belong(load: Load) -> None:
    redis = load(
        "redis: {url: 'rediss+sentinel://u:p@a:1,b:2/m/3', sentinel_username: s, sentinel_password: t, ca_cert: /ca.pem}\n"
    ).config.redis
    pool = connect(redis.connection_url, **redis.connection_options).connection_pool
    master, sentinel = pool.connection_kwargs, pool.sentinel_manager.sentinels[1].connection_pool
    assert (master["username"], master["password"], master["db"]) == ("u", "p", 3)
    assert master["ssl_ca_certs"] == "/ca.pem"
    assert pool.connection_class.__name__ == "SentinelManagedSSLConnection"
    known = sentinel.connection_kwargs
    assert (known["host"], known["port"], known["username"], known["password"]) == ("b", 2, "s", "t")
