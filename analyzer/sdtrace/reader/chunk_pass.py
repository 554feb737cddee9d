"""One pass over the text of a file's events: cut between events, given to threads, gathered in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import chain
from typing import Final, Generic, TypeVar

from sdtrace.reader.envelope import Beginning
from sdtrace.reader.salvage import Walk, last_boundary
from sdtrace.reader.words import PADDING

Result = TypeVar("Result")
_MAX_EVENT_BYTES: Final = 64 << 20
_MAX_TAIL_BYTES: Final = 64 << 20
THREADS: Final = 2
_IN_FLIGHT: Final = 3


class ChunkPass(Generic[Result]):
    """The state of one pass.

    `work` takes a chunk, `PADDING` included, and whether it is the `final` one; it returns a result and where
    it stopped. `gather` takes each result in the order of the file. With one of `threads` everything runs
    in the caller's own.
    """

    def __init__(
        self,
        beginning: Beginning,
        work: Callable[..., tuple[Result, Walk]],
        gather: Callable[[Result], None],
        threads: int = THREADS,
    ) -> None:
        self._beginning, self._work, self._gather = beginning, work, gather
        self._threads = threads
        self._waiting: deque[tuple[bytes, Callable[[], tuple[Result, Walk]]]] = deque()
        """Chunks being worked on, and what waits for their results."""
        self._carry = b""
        """Text between two events on, not yet given to a worker."""
        self._ended = self._stopped = False
        self._cut = beginning.is_damaged
        self.tail: bytes | None = None
        """What stands behind the array of events, as it is in the file; None where the file ends before."""

    @property
    def is_whole(self) -> bool:
        """Whether the array of events was read to its end, with nothing cut off around it."""
        return self._ended and not self._cut

    def run(self, blocks: Iterator[bytes]) -> None:
        """Work on all events, of the beginning and of the blocks after it, then read what follows them."""
        blocks = chain([self._beginning.events], blocks)
        with ThreadPoolExecutor(self._threads) if self._threads > 1 else nullcontext() as pool:
            for block in blocks:
                cut = last_boundary(block)
                if not cut:
                    self._collect(0)
                if self._stopped:
                    self._carry += block
                    break
                self._submit(pool, memoryview(block)[: cut or len(block)], block[cut:] if cut else b"")
                self._collect(_IN_FLIGHT if cut else 0)
            self._collect(0)
            if not self._stopped:
                self._submit(pool, memoryview(b""), b"", final=True)
                self._collect(0)
        if self._ended:
            self._read_tail(blocks)

    def _submit(self, pool: Executor | None, text: memoryview, carry: bytes, *, final: bool = False) -> None:
        """Let a worker have what was carried and `text`; `carry` is what follows."""
        chunk = b"".join((self._carry, text, PADDING))
        work = partial(self._work, chunk, final=final)
        self._waiting.append((chunk, work if pool is None else pool.submit(work).result))
        self._carry = carry

    def _collect(self, most: int) -> None:
        """Gather chunks in their order until at most so many are waiting, or the events end."""
        while len(self._waiting) > most and not self._stopped:
            text, result = self._waiting.popleft()
            decoded, walked = result()
            self._gather(decoded)
            if walked.end < len(text) - len(PADDING) or walked.is_over:
                # The chunk was not cut between two events, so those after it were not either.
                following = [waiting[: -len(PADDING)] for waiting, _ in self._waiting]
                left = text[walked.end : -len(PADDING)]
                self._carry = b"".join((left, *following, self._carry))
                self._waiting.clear()
            is_cut = walked.is_cut or len(self._carry) > _MAX_EVENT_BYTES
            self._ended = walked.is_over
            self._cut |= is_cut and not walked.is_over
            self._stopped = walked.is_over or is_cut

    def _read_tail(self, blocks: Iterator[bytes]) -> None:
        tail = self._carry
        for block in blocks:
            tail += block
            if len(tail) > _MAX_TAIL_BYTES:
                self._cut = True
                return
        self.tail = tail.strip()
