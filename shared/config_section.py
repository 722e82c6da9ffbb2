"""What every block of the configuration has in common."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

Value = TypeVar("Value")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def lower(value: Any) -> Any:
    """Before validation: people write words as they like."""
    return value.lower() if isinstance(value, str) else value


def distinct(by_name: dict[str, Value]) -> dict[str, Value]:
    """After validation: names of instances are found ignoring case."""
    if len({name.lower() for name in by_name}) < len(by_name):
        raise ValueError("has two names that differ only in upper and lower case")
    return by_name
