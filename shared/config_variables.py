"""`${NAME}` and `${NAME:-default}` in the configuration, from the environment or from the file that NAME_FILE names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
"""Nothing else that has a `$`: passwords have it too."""


@dataclass(frozen=True)
class Lookup:
    """A variable's value, empty when it has none, and why it could not be had. `name`: the variable that was used."""

    name: str
    value: str = ""
    mistake: str | None = None


@dataclass(frozen=True)
class Expanded:
    """`unset`: the variables that were wanted, not there, and without a default."""

    text: str
    variables: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()


class Variables:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def look_up(self, name: str) -> Lookup:
        """NAME if it is not empty, else what stands in the file that NAME_FILE names, without line breaks at its end."""
        if value := self._environ.get(name):
            return Lookup(name, value)
        if path := self._environ.get(f"{name}_FILE"):
            return _from_file(f"{name}_FILE", path)
        return Lookup(name)

    def expand(self, text: str) -> Expanded:
        """A value that came from a variable is not expanded again."""
        names: list[str] = []
        unset: list[str] = []
        mistakes: list[str] = []

        def replace(match: re.Match[str]) -> str:
            name, default = match.group(1), match.group(2)
            names.append(name)
            found = self.look_up(name)
            if found.mistake:
                mistakes.append(found.mistake)
            elif not found.value and default is None:
                unset.append(name)
            elif not found.value and "${" in default:
                mistakes.append(f"has a ${{…}} inside the default of ${{{name}:-…}}, which is not possible")
            return found.value or default or ""

        result = _REFERENCE.sub(replace, text)
        return Expanded(result, *(tuple(dict.fromkeys(found)) for found in (names, unset, mistakes)))

    def absence(self, name: str) -> str:
        """Why a variable that has no value has none."""
        state = "is empty" if name in self._environ else "is not set"
        return f"{name} {state} (nor {name}_FILE)"


def _from_file(name: str, path: str) -> Lookup:
    try:
        return Lookup(name, Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except ValueError:
        reason = "that is not a path"
    return Lookup(name, mistake=f"{name} names {path}, which cannot be read: {reason}")
