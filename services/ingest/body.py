"""Reading a request's body with a limit on its size and on the time that its sender takes."""

import asyncio

from starlette.requests import Request


class BodyTooLargeError(Exception):
    """Answered with 413."""


class BodyTooSlowError(Exception):
    """Answered with 408."""


async def read_body(request: Request, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109  the contract is the point
    """The body. Raises BodyTooLargeError, also on a mere announcement, BodyTooSlowError after `timeout` seconds, and
    starlette's ClientDisconnect when the sender went away."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise BodyTooLargeError
    chunks, size = [], 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise BodyTooLargeError
                chunks.append(chunk)
    except TimeoutError as error:
        raise BodyTooSlowError from error
    return b"".join(chunks)
