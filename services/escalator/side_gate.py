"""A gate with a queue of its own: calls go to the same instance, under the same conditions."""

from typing import Any

from services.escalator.gate import Gate
from services.escalator.rate import Rate
from shared.keys import STORM_QUEUE


class SideGate(Gate):
    """For incidents of storms. All but its name is `gate`'s; attempts share their calls, so a turn's tokens let in as many as there
    is room for: what they spend beyond those, the next ones wait for."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.name = f"{STORM_QUEUE}{gate.name}"
        self.label = f"{gate.label}, storms"
        self.rate = _SharedRate(gate.rate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)


class _SharedRate(Rate):
    limits = False

    def __init__(self, rate: Rate) -> None:
        self.draw = rate.draw  # type: ignore[method-assign]
        self.attempt = rate.attempt  # type: ignore[method-assign]
        self.spend = rate.spend  # type: ignore[method-assign]
