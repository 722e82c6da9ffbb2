"""A process tree: starts programs, starts again what dies, ends all together. Its children die with it, however it dies."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

GRACE = 28.0
"""Seconds that a program has to end by itself. A little more than the services give their own work."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    last: bool = False
    """Ends after all others: they still need it while they finish."""
    inherits: Sequence[int] = ()
    """File descriptors that stay open in it."""
    process: asyncio.subprocess.Process | None = None


@dataclass(frozen=True)
class Surroundings:
    """What every program of a tree gets. `stdout`: a file descriptor; None: ours."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    stdout: int | None = None


class Tree:
    """`say` gets one line per start, death and restart."""

    def __init__(self, say: Callable[[str], None], surroundings: Surroundings | None = None) -> None:
        self._say = say
        self._surroundings = surroundings or Surroundings()
        self._programs: list[Program] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self, program: Program) -> None:
        self._programs.append(program)
        await self._spawn(program)
        self._keepers.append(asyncio.create_task(self._keep(program)))

    def failed(self) -> list[str]:
        """Names of programs that are not running just now."""
        return [program.name for program in self._programs if not _is_alive(program)]

    def pids(self) -> dict[str, int]:
        """Of the programs that run just now, by name."""
        return {
            program.name: program.process.pid
            for program in self._programs
            if program.process and _is_alive(program)
        }

    async def stop(self) -> None:
        """Ask everybody to end, wait, insist."""
        self._stopping = True
        for last in (False, True):
            ending = [program for program in self._programs if program.last is last]
            await asyncio.gather(*(_end(program) for program in ending))
        for keeper in self._keepers:
            keeper.cancel()

    def kill(self) -> None:
        self._stopping = True
        for program in self._programs:
            if program.process and _is_alive(program):
                program.process.kill()

    async def _spawn(self, program: Program) -> None:
        program.process = await asyncio.create_subprocess_exec(
            *program.command,
            env={**self._surroundings.environ, **program.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._surroundings.stdout,
            pass_fds=program.inherits,
            start_new_session=True,  # Ctrl-C reaches us only; we end the others in order
            preexec_fn=_die_with_parent(os.getpid()),
        )

    async def _keep(self, program: Program) -> None:
        pause = FIRST_PAUSE
        while program.process:
            started = asyncio.get_running_loop().time()
            code = await program.process.wait()
            if self._stopping:
                return
            if asyncio.get_running_loop().time() - started > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._say(f"{program.name} ended with code {code}; starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if not self._stopping:
                await self._spawn(program)


def _is_alive(program: Program) -> bool:
    return program.process is not None and program.process.returncode is None


async def _end(program: Program) -> None:
    if program.process is None or not _is_alive(program):
        return
    program.process.terminate()
    try:
        await asyncio.wait_for(program.process.wait(), GRACE)
    except TimeoutError:
        program.process.kill()
        await program.process.wait()


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """Linux only: elsewhere a killed parent leaves its children behind."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def arm() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arm
