"""Spoils a sound file: what becomes of it is a pure function of its bytes, its name and a number."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUMBERS = (
    *(
        0,
        -1,
        1,
        2,
        3,
        7,
        255,
        1 << 31,
        -(1 << 31),
        (1 << 53) + 1,
        (1 << 63) - 1,
        1 << 63,
        1 << 64,
        10**12,
        10**30,
        10**400,
    ),
    *(0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, float("nan"), float("inf"), float("-inf")),
)
VALUES: tuple[Any, ...] = (
    None, True, False, "", " ", "x", "\0", "\x1b]0;pwned\x07", "\u202egnp.exe", "\ud800", "\n", "[red]x[/]",
    "../../etc/passwd",
    "/dev/zero", "~nobody/x", "é" * 300, "w" * 100_000, [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": []}},
    [1, "2", None], list(range(2000)), *NUMBERS,
)  # fmt: skip
"""What takes the place of a JSON value."""
TOKENS = tuple(
    token.encode()
    for token in (
        "-1 0 1 18446744073709551616 9223372036854775808 1e999 -1e999 1e-999 NaN Infinity -Infinity nan inf -inf 1_0 0x10 "
        f'01 1. .5 {"9" * 400} {"9" * 5000} true false null "" "\\ud800" "\\u0000" "\\u001b[2J" [] {{}} [[]] '
        "1979-05-27T07:32:00Z 07:32:00 ''' \"\"\" # = , : [ ] { }"
    ).split(" ")
)
"""What takes the place of a number or a text of any text format."""
_TOKEN = re.compile(rb'-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\]|\\.)*"|true|false|null')
HOSTILE = (
    b"\0", b"\xff", b"\xfe\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1b[2J", b"\x9b", "\u202e".encode(),
    b"\r", b"\n", b"\n\n", b"\x0b", b"\x85", "\u2028".encode(), b'"', b"\\", b"\\u", b",", b"}", b"]", b"\xef\xbb\xbf",
)  # fmt: skip


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # a socket's own name is short, wherever its folder is
        here = os.open(".", os.O_RDONLY)
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)


def _written(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def _vast(path: Path) -> None:
    """More bytes than any limit, none of which is on the disk."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": _written(b""),
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": _socket,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "device without end": lambda path: path.symlink_to("/dev/zero"),
    "device without content": lambda path: path.symlink_to("/dev/null"),
    "a terabyte of nothing": _vast,
    "no permission": lambda path: (path.write_bytes(b"{}"), path.chmod(0)),
    "mark alone": _written(b"\xef\xbb\xbf"),
    "UTF-16": _written('{"a": 1}\n'.encode("utf-16")),
    "no UTF-8": _written(b"\xff\xfe\xfd" * 100),
    "zeros": _written(bytes(100_000)),
    "every byte": _written(bytes(range(256)) * 40),
    "blank lines": _written(b"\n" * 10_000),
    "null": _written(b"null"),
    "number": _written(b"7"),
    "text": _written(b'"x"'),
    "empty list": _written(b"[]"),
    "empty object": _written(b"{}"),
    "list of nulls": _written(b"[null, null]\n"),
    "number without end": _written(b"9" * 100_000),
    "text without end": _written(b'"' + b"w" * 3_000_000),
    "line without end": _written(b"w" * 20_000_000),
    "lists too deep": _written(b"[" * 200_000),
    "objects too deep": _written(b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
    "tables too deep": _written(b"a = " + b"[" * 100_000 + b"]" * 100_000),
    "keys too deep": _written(b".".join([b"a"] * 100_000) + b" = 1\n"),
}
"""What may stand in a file's place, by name; put where nothing is."""


def spoiled(data: bytes, number: int, about: str) -> bytes:
    """`data` with one to three things done to it."""
    chance = random.Random(f"{about}:{number}")
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(WAYS)(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data or b"\0")
    for _ in range(chance.choice((1, 2, 8))):
        at = _place(made, chance)
        made[at] = chance.choice((0, 255, 127, made[at] ^ (1 << chance.randrange(8)), chance.randrange(256)))
    return bytes(made)


def _place(data: bytes | bytearray, chance: random.Random) -> int:
    """Anywhere, the beginning of it more often: headers stand there."""
    return chance.randrange(min(len(data), chance.choice((16, 256, len(data)))))


def _words(data: bytes, chance: random.Random) -> bytes:
    """A count or an offset of a binary format replaced."""
    at, width = _place(data or b"\0", chance), chance.choice((4, 8))
    number = chance.choice(
        (0, 1, 2, 255, 65535, (1 << 20) - 1, 10**6, (1 << 31) - 1, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1)
    )
    return data[:at] + (number % (1 << 8 * width)).to_bytes(width, "little") + data[at + width :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    what = chance.choice((*HOSTILE, chance.randbytes(9), b"w" * 70_000, b"[" * 3000, b'{"a":' * 3000))
    return data[:at] + what + data[at:]


def _delete(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 2, 8, 64, 1024)) :]


def _twice(data: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:last] + data[first:last][:100_000] + data[last:]


def _tokens(data: bytes, chance: random.Random) -> bytes:
    found = list(_TOKEN.finditer(data[:200_000]))
    if not found:
        return _flip(data, chance)
    at = chance.choice(found)
    return data[: at.start()] + chance.choice(TOKENS) + data[at.end() :]


def _lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    if chance.random() < 0.5:
        lines.insert(
            chance.randrange(len(lines)), chance.choice((b"{}", b"null", b"[]", lines[first], b"\xff", b"a = 1"))
        )
    return b"\n".join(lines)


def _values(data: bytes, chance: random.Random) -> bytes:
    """One value of a JSON text, or of one line of JSON Lines, replaced, taken out, doubled or renamed."""
    head = int.from_bytes(data[:8], "little")
    if data[8:9] == b"{" and 2 <= head <= len(data) - 8:  # a safetensors file: the same in its header
        header = _values(data[8 : 8 + head], chance)
        return len(header).to_bytes(8, "little") + header + data[8 + head :]
    try:
        return _dumped(_changed(json.loads(data), chance))
    except (ValueError, RecursionError):
        pass
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    try:
        lines[at] = _dumped(_changed(json.loads(lines[at]), chance))
    except (ValueError, RecursionError):
        return _tokens(data, chance)
    return b"\n".join(lines)


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with one place in it otherwise."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return _other(value, chance)
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    # the first of many keys are as telling as the rest
    key = chance.choice(keys[: chance.choice((4, len(keys)))])
    if chance.random() < 0.5 or not isinstance(value[key], dict | list):
        way = chance.random()
        if way < 0.2:
            del value[key]
        elif way < 0.3 and isinstance(value, dict):
            value[chance.choice(("", "x", "\x1b[2J", "\ud800", "a" * 5000, "__proto__", str(key).upper()))] = value.pop(
                key
            )
        elif way < 0.4 and isinstance(value, list):
            value.insert(key, value[key])
        else:
            value[key] = _other(value[key], chance)
    else:
        value[key] = _changed(value[key], chance)
    return value


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and chance.random() < 0.5:
        return chance.choice(
            (
                value + 1,
                value - 1,
                -value,
                value * 2,
                value * 10**9,
                float(max(-1e300, min(value, 1e300))),
                str(value),
                *NUMBERS,
            )
        )
    if isinstance(value, str) and chance.random() < 0.3:
        return chance.choice((value * 2, value[: len(value) // 2], f"{value}\x1b[2J", [value], {"x": value}))
    return chance.choice(VALUES)


WAYS = (_flip, _words, _cut, _insert, _delete, _twice, _tokens, _tokens, _lines, _values, _values, _values, _values)
