"""What has become of a row: who wrote what, and its journals as people read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

JOURNALS = {"comments": "Additional comments", "work_notes": "Work notes"}


@dataclass(frozen=True)
class Note:
    """An entry of a journal. `at`: as ServiceNow writes moments, in UTC."""

    at: str
    user: str
    column: str
    text: str


@dataclass(frozen=True)
class Change:
    """One write. `values`: by column, what it was, empty where it was nothing, and what it became."""

    at: str
    user: str
    values: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        parts = [
            f"{name}: {was} → {now}" if was else f"{name}: {now}" for name, (was, now) in self.values.items()
        ]
        return f"{self.at}  {self.user}  {'; '.join(parts)}"


def journal(notes: Iterable[Note], column: str) -> str:
    """All entries, newest first, as sysparm_display_value shows them."""
    entries = [note for note in notes if note.column == column]
    return "".join(
        f"{note.at} - {note.user} ({JOURNALS[column]})\n{note.text}\n\n" for note in reversed(entries)
    )


def change(
    at: str, user: str, before: Mapping[str, str], after: Mapping[str, str], notes: Iterable[Note]
) -> Change:
    """From a row's columns before and after, and the notes that were new."""
    values = {
        name: (before.get(name, ""), value) for name, value in after.items() if value != before.get(name, "")
    }
    return Change(at, user, values | {note.column: ("", note.text) for note in notes})
