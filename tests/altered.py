"""The command with some constants of its services altered: `python -m tests.altered MODULE.NAME=NUMBER … -- COMMAND …`.

For waits that are too long for a test, and for what a newer version would have. Durations are in seconds. A setting for
another service than COMMAND is skipped.
"""

import importlib
import sys
from datetime import timedelta

from ops.command import main

OURS = ("services", "shared")


def alter(setting: str) -> None:
    """In the module that has it, and where it was imported by name."""
    name, _, number = setting.partition("=")
    module_name, _, constant = name.rpartition(".")
    before = getattr(importlib.import_module(module_name), constant)
    value = float(number)
    after = timedelta(seconds=value) if isinstance(before, timedelta) else type(before)(value)
    for module in list(sys.modules.values()):
        if module.__name__.startswith(OURS) and vars(module).get(constant) is before:
            setattr(module, constant, after)


if __name__ == "__main__":
    end = sys.argv.index("--")
    settings, sys.argv[1:] = sys.argv[1:end], sys.argv[end + 1 :]
    command = sys.argv[1]
    importlib.import_module(f"services.{command}.__main__")
    for setting in settings:
        if not setting.startswith("services.") or setting.startswith(f"services.{command}."):
            alter(setting)
    main()
