"""What to tell whoever converts a template."""

from collections.abc import Iterator

from ops.convert.conversion import Conversion
from services.notifier.dialect import find_go

MAX_SHOWN = 100


def is_jinja(source: str) -> bool:
    """Has statements of Jinja2, and nothing that only Go has."""
    return "{%" in source and find_go(source) is None


def report(conversion: Conversion, file: str) -> Iterator[str]:
    """A line for each thing that is left, then one for each remark, then the sum."""
    for note in conversion.left:
        source = " ".join(note.source.split())
        shown = source if len(source) <= MAX_SHOWN else source[: MAX_SHOWN - 1] + "…"
        yield f"{file}:{note.line}: not converted: {shown}: {note.text}"
    lines: dict[str, list[int]] = {}
    for note in conversion.remarks:
        lines.setdefault(note.text, []).append(note.line)
    for text, places in lines.items():
        also = f" (also in {', '.join(map(str, places[1:]))})" if len(places) > 1 else ""
        yield f"{file}:{places[0]}: {text}{also}"
    yield f"{len(conversion.left)} left to do by hand" if conversion.left else "All is converted"
