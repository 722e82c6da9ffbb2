"""Tells Go templates, which Versus uses, from Jinja2. Most of their constructs are syntax errors here, but errors that help nobody."""

import re

_NOT_READ = re.compile(r"\{#.*?#\}|\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}", re.DOTALL)
"""Comments, and what Jinja prints as it stands."""

_GO = re.compile(
    r"""\{\{-?\s*(?:
        \.                                              # {{ .field }}, {{ . }}
      | \$                                              # {{ $name := … }}, {{ $name }}
      | /\*                                             # {{/* a comment */}}
      | (?:if|else\s+if)\s                              # {{ if … }}
      | (?:range|with|define|template|block)\s+["`$.(]  # {{ range .alerts }}
      | \w+(?:\s+"[^"\n]*")*\s+\(*[.$]\w                # {{ upper .field }}, {{ printf "%s" .field }}
      | \(*(?:index|printf|len|eq|ne|lt|le|gt|ge)\s+["(.$]  # {{ (index .alerts 0).status }}
      | [^{}]*:=                                        # {{ name := … }}
    )[^}\n]*(?:\}\})?""",
    re.VERBOSE,
)


def find_go(source: str) -> tuple[int, str] | None:
    """Line and text of the first construct that only a Go template can have; None when there is none."""
    bare = _NOT_READ.sub(lambda match: "\n" * match[0].count("\n"), source)
    found = _GO.search(bare)
    return (bare.count("\n", 0, found.start()) + 1, found[0].strip()) if found else None
