"""Reading an event log that may be growing, torn or damaged, without ever holding it whole."""

from __future__ import annotations

import os
from pathlib import Path

from unlearn_tui.files import open_regular
from unlearn_tui.protocol.events import AnyEvent, decode

CHUNK = 1 << 18
LONGEST_LINE = 1 << 24
"""Bytes without a newline after which they are taken for damage."""
_NOT_AN_EVENT = (ValueError, RecursionError)


class LogReader:
    """Reads on from where it stands. `offset` is always the end of the last whole event, so a torn line may later be
    completed, or cut and replaced by a new writer, and reading goes on.

    `last` is the last event read; `damaged` says that the last `read` stopped at a whole line that is no event, `fault`
    why it could not read at all ("" where it could).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.last: AnyEvent | None = None
        self.damaged = False
        self.fault = ""

    def read(self) -> list[AnyEvent]:
        """The next events, about CHUNK bytes of them at most; empty when there is no whole new event, or no log to read."""
        self.damaged, self.fault = False, ""
        try:
            with open_regular(self.path) as file:
                file.seek(self.offset)
                chunk = file.read(CHUNK)
                while b"\n" not in chunk and len(chunk) < LONGEST_LINE and (more := file.read(len(chunk))):
                    chunk += more
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.fault = error.strerror or str(error)
            return []
        events: list[AnyEvent] = []
        for line in chunk.split(b"\n")[:-1]:
            try:
                event = decode(line)
            except _NOT_AN_EVENT:
                self.damaged = True
                break
            if event.seq != (self.last.seq + 1 if self.last else 0):  # a line is lost, twice there, or not itself
                self.damaged = True
                break
            self.last = event
            events.append(event)
            self.offset += len(line) + 1
        if len(chunk) >= LONGEST_LINE and not events:
            self.damaged = True
        return events


def last_event(path: Path) -> AnyEvent | None:
    """The last whole event of a log, read backwards from its end; None if there is none. Reads a few kB as a rule."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            window = 1 << 14
            while True:
                start = max(0, size - window)
                file.seek(start)
                lines = file.read(size - start).split(b"\n")
                # the first piece is the end of a line that began earlier, the last is torn or empty
                for line in reversed(lines[1 if start else 0 : -1]):
                    try:
                        return decode(line)
                    except _NOT_AN_EVENT:
                        continue
                if not start or window >= LONGEST_LINE:
                    return None
                window *= 4
    except (FileNotFoundError, NotADirectoryError):
        return None
