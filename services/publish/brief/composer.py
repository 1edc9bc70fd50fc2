"""A process of its own that composes, so that a story which takes too long or kills it harms nothing else.

Run as a program it reads jobs from standard input and writes briefs to standard output, each framed by its length in four bytes,
until its input ends, as it does when the worker does.
"""

import asyncio
import os
import signal
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO, Final

from pydantic import TypeAdapter

from services.publish.brief.compose import compose
from services.publish.brief.source import Source
from shared.contracts import Brief, Story
from shared.errors import Refused

_LENGTH: Final = struct.Struct(">I")
_BRIEF, _ERROR = b"b", b"e"


@dataclass(frozen=True, slots=True)
class Job:
    """What a brief is made from."""

    story: Story
    sources: tuple[Source, ...]


_JOBS: Final = TypeAdapter(Job)


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Compose job after job until the input ends."""
    while len(head := incoming.read(_LENGTH.size)) == _LENGTH.size:
        job = incoming.read(_LENGTH.unpack(head)[0])
        try:
            parsed = _JOBS.validate_json(job)
            answer = _BRIEF + compose(parsed.story, parsed.sources).to_bytes()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the story and not to this process
            answer = _ERROR + f"{type(error).__name__}: {error}".encode(errors="replace")[:2_000]
        outgoing.write(_LENGTH.pack(len(answer)) + answer)
        outgoing.flush()


class Composer:
    """The worker's end: one process, one job at a time, started when first needed and again when it died."""

    def __init__(self, timeout_s: float) -> None:
        """Wire; nothing starts yet."""
        self.timeout_s = timeout_s
        self._process: asyncio.subprocess.Process | None = None

    async def compose(self, story: Story, sources: tuple[Source, ...]) -> Brief:
        """Compose a brief. Raises `Refused` when the story's articles make it fail, take too long, or end the process."""
        process = self._process or await self.start()
        job = _JOBS.dump_json(Job(story, sources))
        try:
            answer = await asyncio.wait_for(self._ask(process, job), timeout=self.timeout_s)
        except TimeoutError:
            await self.stop()
            raise Refused("compose_timeout", f"the brief of story {story.story_id} took more than {self.timeout_s:g} s") from None
        except (asyncio.IncompleteReadError, OSError) as error:
            await self.stop()
            raise Refused("compose_crashed", f"the process that composed story {story.story_id} died: {error}") from error
        except BaseException:
            # Its next answer would be to this job.
            await self.stop()
            raise
        if answer.startswith(_ERROR):
            raise Refused("compose_failed", f"story {story.story_id}: {answer[1:].decode(errors='replace')}")
        return Brief.from_bytes(answer[1:])

    async def start(self) -> asyncio.subprocess.Process:
        """Start the process, unless it runs."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        return self._process

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def _ask(self, process: asyncio.subprocess.Process, job: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_LENGTH.pack(len(job)) + job)
        await process.stdin.drain()
        head = await process.stdout.readexactly(_LENGTH.size)
        return await process.stdout.readexactly(_LENGTH.unpack(head)[0])


if __name__ == "__main__":
    # The worker ends it by closing its input; a Ctrl-C in the terminal is for the worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
