"""What the form of an incident's page says: which deed, by whom. However odd it is, it raises nothing of its own."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request

from services.ingest.body import read_body
from shared.offers import Offer
from shared.wording import clean_name

MAX_FORM_BYTES = 4096
MAX_FIELDS = 16
FORM_TIMEOUT = 5.0
"""Seconds that a browser may take to send those few bytes."""

_TOKEN = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Form:
    """`offer`: None, where what it asks for is nothing that we know. `name`: empty, where it says none. `token`: the same each time
    that this form is sent, empty where the sender does not mind to count twice."""

    offer: Offer | None = Offer.ACKNOWLEDGE
    name: str = ""
    token: str = ""


async def read_form(request: Request) -> Form:
    """Raises what `read_body` raises."""
    body = await read_body(request, MAX_FORM_BYTES, FORM_TIMEOUT)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return Form()
    given = {name: values[0] for name, values in fields.items()}
    token = given.get("token", "")
    return Form(
        offer_of(given, Offer.ACKNOWLEDGE),
        clean_name(given.get("name", "")),
        token * bool(_TOKEN.fullmatch(token)),
    )


def offer_of(given: Mapping[str, str], default: Offer | None = None) -> Offer | None:
    """What `do` stands for; None for something else."""
    named = given.get("do", "")
    return next((offer for offer in Offer if offer == named), None) if named else default


def new_token() -> str:
    return secrets.token_hex(8)
