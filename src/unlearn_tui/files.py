"""Reading files that anybody may have put there: never waits on a pipe or device, never takes more than it asked for."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

from unlearn_tui.errors import Refused

SMALL = 1 << 20
"""Bytes of a spec, of settings, of what an engine says about itself."""
LARGE = 1 << 28
"""Bytes of a result, a config, an index of shards, a cache of ours."""


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
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MB", str(path))
    return data


def toml_table(data: bytes, path: Path, kind: str, like: str) -> dict[str, Any]:
    """What the bytes of a TOML file say. Raises Refused: file, line, and `like`: where an example of a `kind` is."""
    import tomllib

    shown = repr(str(path))
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused(f"{shown} is not TOML: it is no UTF-8 text; {like}") from None
    except RecursionError:
        raise Refused(f"{shown} is no {kind}: it is nested too deep; {like}") from None
    except ValueError as error:
        raise Refused(f"{shown} is not TOML: {error}; {like}") from None
