"""What every block of the configuration has in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def lower(value: Any) -> Any:
    """Before validation: people write words as they like."""
    return value.lower() if isinstance(value, str) else value
