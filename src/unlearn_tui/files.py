"""Reading files that anybody may have put there: never waits on a pipe or device, never takes more than it asked for."""

from __future__ import annotations

import errno
import os
import re
import select
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from unlearn_tui.errors import Refused

SMALL = 1 << 20
"""Bytes of a spec, of settings, of what an engine says about itself."""
LARGE = 1 << 28
"""Bytes of a result, a config, an index of shards, a cache of ours."""
LINE = 1 << 24
"""Bytes of one line of a log, of answers."""
PATIENCE = 2.0
"""Seconds that a pipe without a writer may take to get one."""
_LONG_KEY = re.compile(rb"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){50}""")


def open_regular(path: Path) -> BufferedReader:
    """Open for reading in binary. Raises OSError; EINVAL for what is no regular file (a pipe would wait for ever)."""
    # opened without waiting and looked at afterwards, so that nothing can be swapped in between
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_limited(path: Path, most: int = LARGE) -> bytes:
    """The whole of a regular file. Raises OSError; EFBIG for one of more than `most` bytes."""
    with open_regular(path) as file:
        # its size first, so that no room is made for it, nor for more than is there; then what came, since a file may grow
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= most else b""
        while size <= most and len(data) <= most and (more := file.read(min(SMALL, most + 1 - len(data)))):
            data += more
    if max(size, len(data)) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MB", str(path))
    return data


def read_given(path: Path, most: int = SMALL) -> bytes:
    """As read_limited, or what comes through a pipe: a shell's <(…), or /dev/stdin. Raises OSError, also for a pipe into
    which nobody writes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return read_limited(path, most)
        select.select([pipe], [], [], PATIENCE)
        os.set_blocking(descriptor, False)
        data = pipe.read(most + 1)  # None: somebody is there and has said nothing yet
        if data == b"":
            raise OSError(errno.EINVAL, "nothing comes through this pipe", str(path))
        os.set_blocking(descriptor, True)
        data = data or b""
        while len(data) <= most and (more := pipe.read(most + 1 - len(data))):
            data += more
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MB", str(path))
    return data


def lines_limited(path: Path, most: int = LARGE) -> Iterator[bytes]:
    """The lines of a regular file, as far as they are whole and `most` bytes. Raises OSError."""
    with open_regular(path) as file:
        while most > 0 and (line := file.readline(LINE)):
            most -= len(line)
            if len(line) == LINE:
                return
            yield line


def toml(data: bytes) -> dict[str, Any]:
    """What the bytes of a TOML file say. Raises ValueError, also for what is no UTF-8, and RecursionError."""
    import tomllib

    if _LONG_KEY.search(data):  # tomllib takes time squared for its parts
        raise ValueError("a key of more than 50 parts")
    return tomllib.loads(data.decode("utf-8-sig"))


def toml_table(data: bytes, path: Path, kind: str, like: str) -> dict[str, Any]:
    """As toml. Raises Refused: file, line, and `like`: where an example of a `kind` is."""
    shown = repr(str(path))
    try:
        return toml(data)
    except UnicodeDecodeError:
        raise Refused(f"{shown} is not TOML: it is no UTF-8 text; {like}") from None
    except RecursionError:
        raise Refused(f"{shown} is no {kind}: it is nested too deep; {like}") from None
    except ValueError as error:
        raise Refused(f"{shown} is not TOML: {error}; {like}") from None
