"""`docs/configuration.md`, made from the configuration's model. Run as a module, it prints the page."""

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from shared.config_errors import dotted
from shared.config_keys import KEYS, block_of, variable_of

HEAD = """# Configuration

One YAML file: `config/config.yaml`, or what `--config` or `ACKSTREAM_CONFIG` names. `ackstream check-config FILE` prints `SUCCESS`, or all that is wrong
with it, each problem with file, line, key and mend.

- `${NAME}` and `${NAME:-default}` in a value are taken from the environment. Where `NAME` is empty and `NAME_FILE` names a file, the file's content is
  taken: that is how container secrets come in. No other `$` means anything, so a password may contain it.
- A value that stays empty counts as not given: the default holds. What is needed and not given is an error that names the variable.
- An environment variable in the last column wins over the file, when it is set and not empty.
- Unknown keys are errors. Blocks of a Versus configuration for things that Ackstream does not do (telegram, email, pagerduty, agent, …) are ignored, with a
  warning each.
- A change takes effect when the services are started again.

| Key | Default | Meaning | Variable |
|---|---|---|---|
"""


def page() -> str:
    """The whole page. docs/configuration.md must be equal to it; a test sees to that."""
    return HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for path, field in KEYS.items():
        if not block_of(field):
            meaning = (field.description or "").replace("|", "\\|")
            variable = f"`{name}`" if (name := variable_of(field)) else ""
            yield f"| `{dotted(path)}` | {_default(field)} | {meaning} | {variable} |\n"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=False)
    if field.is_required() or value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
