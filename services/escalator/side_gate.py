"""A gate with a queue of its own: calls go to the same instance, under the same conditions."""

from typing import Any

from services.escalator.gate import Gate


class SideGate(Gate):
    """All but its name is `gate`'s. `aside`: what waits there."""

    def __init__(self, gate: Gate, aside: str) -> None:
        self._gate = gate
        self.name = f"{aside}:{gate.name}"
        self.label = f"{gate.label}, {aside}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)
