"""`ackstream convert-template`: a Go template of Versus Incident as a Jinja2 template of Ackstream."""

from collections.abc import Mapping
from dataclasses import dataclass

from ops.convert.blocks import read_template
from ops.convert.writer import Note, Writer


@dataclass(frozen=True)
class Conversion:
    """`source` can be compiled, whatever is left. `left`: what could not be converted; it is in a comment in the same place.
    `remarks`: what was, but does not do quite the same."""

    source: str
    left: tuple[Note, ...]
    remarks: tuple[Note, ...]


def convert(source: str, environ: Mapping[str, str]) -> Conversion:
    """Never raises. `environ` is what the template's `env` reads."""
    text = source.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    nodes, scopes = read_template(text)
    writer = Writer(scopes, environ)
    writer.write(nodes)
    return Conversion(writer.source(), tuple(writer.left), tuple(writer.remarks))
