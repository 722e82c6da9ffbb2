"""Who we are to which ServiceNow instance."""

import pytest

from tests.unit.config.conftest import Complaints, Load

SHARED = """\
oncall:
  servicenow:
    instance_url: https://main.example
    username: shared
    password: shared-secret
    other_instance_urls: {Infra: 'https://infra.example', app: 'https://app.example', db: '${DB_URL}'}
"""


def with_access(access: str) -> str:
    return f"{SHARED}    access_by_instance: {access}\n"


class TestAccess:
    def test_is_shared_where_an_instance_has_none_of_its_own(self, load: Load) -> None:
        servicenow = load(SHARED).config.oncall.servicenow
        for name in (None, "Infra", "app"):
            assert servicenow.access(name).username == "shared"

    def test_of_an_instance_is_found_ignoring_case_and_touches_no_other(self, load: Load) -> None:
        servicenow = load(
            with_access("{infra: {username: own, password: own-secret}}")
        ).config.oncall.servicenow
        own = servicenow.access("Infra")
        assert own.password is not None
        assert (own.username, own.password.get_secret_value()) == ("own", "own-secret")
        assert [servicenow.access(name).username for name in (None, "app")] == ["shared", "shared"]

    def test_an_empty_block_leaves_all_to_the_shared_one(self, load: Load) -> None:
        assert load(with_access("{app: {}}")).config.oncall.servicenow.access("app").username == "shared"


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (
            "{app: {username: own}}",
            "oncall.servicenow.access_by_instance.app.password: is required because the instance has credentials of its own",
        ),
        (
            "{app: {username: own, password: '${APP_PASSWORD}'}}",
            "in oncall.servicenow.access_by_instance.app, and APP_PASSWORD is not set",
        ),
        (
            "{ap: {username: own, password: p}}",
            "ap: is no instance of oncall.servicenow.other_instance_urls; there: Infra, app, db",
        ),
        ("{app: {usrname: own}}", "app.usrname: is not a known key; did you mean username?"),
        ("{app: {auth: kerberos}}", "app.auth: should be"),
        ("{app: x}", "access_by_instance.app: should be a block of keys"),
        ("{app: {}, APP: {}}", "has two names that differ only in upper and lower case"),
    ],
)
def test_what_is_wrong_with_it_is_told(complaints: Complaints, access: str, said: str) -> None:
    assert said in "\n".join(complaints(with_access(access)))


def test_an_instance_without_a_url_needs_no_credentials(load: Load) -> None:
    """Its URL comes from a variable that has no value here, and so may its credentials."""
    load(with_access("{db: {username: '${DB_USER}', password: '${DB_PASSWORD}'}}"))


def test_its_secrets_are_in_no_error_and_no_repr(load: Load, complaints: Complaints) -> None:
    secret = "hunter2-very-secret"
    assert secret not in repr(load(with_access(f"{{app: {{username: u, password: {secret}}}}}")).config)
    wrong = with_access(f"{{app: {{username: [a], password: {secret}, pasword: {secret}}}}}")
    assert secret not in "\n".join(complaints(wrong))


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ("oauth_client_credentials", ["client_id", "client_secret"]),
        ("oauth_password", ["client_id", "client_secret", "password", "username"]),
        ("basic", ["password", "username"]),
    ],
)
def test_each_way_of_signing_in_names_what_it_needs(
    complaints: Complaints, auth: str, missing: list[str]
) -> None:
    text = f"oncall: {{enable: true, servicenow: {{instance_url: 'https://x', auth: {auth}}}}}"
    assert sorted(line.split(": ")[1].rpartition(".")[2] for line in complaints(text)) == missing


class TestFilesAndProxies:
    def test_of_an_instance_replace_the_shared_ones_a_key_together_with_its_certificate(
        self, load: Load
    ) -> None:
        shared = "    ca_cert: ca.pem\n    client_cert: main.pem\n    client_key: main.key\n"
        servicenow = load(shared_with(shared, "{app: {client_cert: app.pem}}")).config.oncall.servicenow
        own = servicenow.access("app")
        assert (str(own.ca_cert), str(own.client_cert), own.client_key) == ("ca.pem", "app.pem", None)
        assert own.username == "shared"

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (
                "    client_key: k.pem\n",
                "client_cert: is required because oncall.servicenow.client_key is given",
            ),
            ("    proxy: socks5://p\n", "oncall.servicenow.proxy: should be a URL such as http://proxy"),
            (
                "    proxy: 'http://u:hunter2@'\n",
                "oncall.servicenow.proxy: should be a URL such as http://proxy",
            ),
        ],
    )
    def test_that_make_no_sense_are_told(self, complaints: Complaints, more: str, said: str) -> None:
        told = "\n".join(complaints(shared_with(more, "{}")))
        assert said in told
        assert "hunter2" not in told


def shared_with(more: str, access: str) -> str:
    return f"{SHARED}{more}    access_by_instance: {access}\n"


class TestNames:
    def test_one_that_the_instance_without_a_name_has_is_warned_of(self, load: Load) -> None:
        warned = load(SHARED.replace("app:", "Default:")).warnings
        assert [one for one in warned if "cannot be told apart" in one] == [
            "oncall.servicenow.other_instance_urls.Default: should have another name: so is instance_url's called in metrics, logs and "
            "commands, and they cannot be told apart"
        ]

    def test_an_instance_without_one_could_not_be_asked_for(self, complaints: Complaints) -> None:
        assert complaints(SHARED.replace("app:", "'':")) == [
            "config.yaml:6: oncall.servicenow.other_instance_urls.: should have a name, by which requests ask for it"
        ]
