from typing import Literal

from pydantic import BaseModel, ConfigDict

Right = Literal["create", "read", "write"]
ALL_RIGHTS: frozenset[Right] = frozenset(("create", "read", "write"))


class ServiceNowSettings(BaseModel):
    """What the administrators of all instances decide.

    `rights`: by user name; who is not named may do everything. Who creates is shown what came to be, even without `read`.
    `hidden`: columns that nobody is shown. `mandatory`: columns that the data policy wants of an incident that is resolved or
    closed; none switches it off. `closed_is_final`: a closed record is read-only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rights: dict[str, frozenset[Right]] = {}
    hidden: frozenset[str] = frozenset()
    mandatory: tuple[str, ...] = ("close_code", "close_notes")
    closed_is_final: bool = False

    def may(self, user: str, right: Right) -> bool:
        return right in self.rights.get(user, ALL_RIGHTS)
