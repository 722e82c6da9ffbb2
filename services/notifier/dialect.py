"""Tells Go templates, which Versus uses, from Jinja2. Most of their constructs are syntax errors here, but errors that help nobody."""

import re

_JINJA_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_GO = re.compile(
    r"""\{\{-?\s*(?:
        \.                                              # {{ .field }}, {{ . }}
      | \$                                              # {{ $name := … }}, {{ $name }}
      | /\*                                             # {{/* a comment */}}
      | (?:if|else\s+if)\s                              # {{ if … }}
      | (?:range|with|define|template|block)\s+["`$.(]  # {{ range .alerts }}
      | \w+(?:\s+"[^"\n]*")*\s+\(*[.$]\w                # {{ upper .field }}, {{ printf "%s" .field }}
    )[^}\n]*(?:\}\})?""",
    re.VERBOSE,
)


def find_go(source: str) -> tuple[int, str] | None:
    """Line and text of the first construct that only a Go template can have; None when there is none."""
    bare = _JINJA_COMMENT.sub(lambda match: "\n" * match[0].count("\n"), source)
    found = _GO.search(bare)
    return (bare.count("\n", 0, found.start()) + 1, found[0].strip()) if found else None
