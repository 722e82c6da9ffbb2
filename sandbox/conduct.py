"""How a request is treated: rightly, or as the faults in force will have it."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.calls import Call
from sandbox.connection import Dropped, drop
from sandbox.faults import Fault, Faults, Target

HIBERNATING = """<!DOCTYPE html><html><head><title>Instance Hibernating page</title></head>
<body><h1>Your instance is hibernating</h1><p>Sign in to the developer site to wake it.</p></body></html>"""


@dataclass(frozen=True)
class Deed:
    """One request, as its target understands it.

    `commit` has the effect and gives the honest answer, `lie` a false one for that effect; `refuse` puts a fault's status
    or error into the target's own words.
    """

    target: Target
    words: frozenset[str]
    commit: Callable[[], Response]
    refuse: Callable[[Fault], Response]
    lie: Callable[[], Response]


async def treat(deed: Deed, call: Call, faults: Faults, request: Request) -> Response:
    """The answer for one request, after its faults; the call log gets the same."""
    misfortune = None
    for fault in faults.take(deed.target, deed.words):
        call.fault = f"{call.fault} {fault.kind}".strip()
        if fault.kind == "latency":
            await faults.dwell(fault.seconds)
        else:
            misfortune = fault
    try:
        response = await _suffer(misfortune, deed, call, faults, request)
    except Dropped:
        return Response()  # reaches nobody
    call.answered(response)
    return response


async def _suffer(fault: Fault | None, deed: Deed, call: Call, faults: Faults, request: Request) -> Response:
    call.committed = fault is None or fault.commits
    if fault is not None and fault.kind == "foreign_row":
        return deed.lie()
    honest = deed.commit() if call.committed else Response()
    if fault is None:
        return honest
    if fault.kind in ("drop", "drop_after"):
        await drop(request)
    if fault.kind == "hang_after":
        await faults.dwell(fault.seconds)
        return honest
    return _false_answer(fault, deed)


def _false_answer(fault: Fault, deed: Deed) -> Response:
    if fault.kind == "html":
        return HTMLResponse(HIBERNATING)
    if fault.kind == "redirect":
        return RedirectResponse(fault.url, status_code=302)
    if fault.kind == "garbage":
        return Response('{"result": [{"cut', media_type=fault.media_type)
    if fault.kind == "body":
        return Response(fault.body, fault.status, fault.headers, fault.media_type)
    return deed.refuse(fault)
