"""What `ackstream reconcile` prints: a table for people, or JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ops.reconcile.comparison import Difference
from ops.reconcile.mending import Mended
from ops.reconcile.survey import Findings
from shared.plain_text import one_line, shortened

TITLE = 40


def as_text(found: Findings) -> str:
    lines = [_line(row) for row in _padded(found.differences)]
    if lines:
        lines.append("")
    lines += [f"{label} could not be asked: {why}" for label, why in found.unasked.items()]
    if found.unreadable:
        lines.append(f"{_counted(found.unreadable, 'incident')} cannot be read by this version")
    compared = (
        f"compared: {_counted(found.incidents, 'incident')}, {_counted(found.open_records, 'open record')}"
    )
    if not found.differences:
        return "\n".join([*lines, f"{compared}; {'no difference' if found.unasked else 'all agrees'}"])
    kinds = Counter(one.kind for one in found.differences)
    told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    return "\n".join([*lines, f"{compared}; {told}"])


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _padded(differences: Sequence[Difference]) -> list[list[str]]:
    """In columns, with a head."""
    head = ["KIND", "INCIDENT", "RECORD", "TITLE", "WHAT IS WRONG", "WHAT --fix DOES"]
    rows = [head, *(_cells(one) for one in differences)] if differences else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]


def _cells(one: Difference) -> list[str]:
    record = f"{one.number} ({one.instance})" if one.instance else one.number
    title = shortened(one_line(one.title), TITLE)
    mend = str(one.mend) if one.mend else f"nothing; by hand: {one.by_hand}"
    return [one.kind, one.incident, record, title, one.told, mend]


def _line(cells: list[str]) -> str:
    return "  ".join(cells).rstrip()


def mended_as_text(mended: Mended) -> str:
    one = mended.difference
    return f"{'mended' if mended.done else 'not mended'}  {one.kind}  {one.incident}  {mended.told}"


def as_json(found: Findings, mended: Sequence[Mended]) -> str:
    by_key = {one.difference.key: one for one in mended}
    data: dict[str, Any] = asdict(found)
    for one, told in zip(found.differences, data["differences"], strict=True):
        told["mend"] = one.mend and one.mend.name.lower()
        told["mended"] = by_key[one.key].done if one.key in by_key else None
        told["outcome"] = by_key[one.key].told if one.key in by_key else None
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)
