"""Commands: what a viewer tells a live engine over its socket, a JSON line each; the engine answers with one Reply."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, tag_field="command"):
    """The common kind of every command."""


class Stop(Command, tag="stop"):
    """Stop after the current step (`now` false) or at once (`now` true); either can be resumed."""

    now: bool = False


class SaveNow(Command, tag="save"):
    """Write a resumable checkpoint after the current step."""


class Ping(Command, tag="ping"):
    """Are you there?"""


class Reply(msgspec.Struct):
    """The engine's answer: accepted or why not."""

    ok: bool
    text: str = ""


AnyCommand = Stop | SaveNow | Ping

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AnyCommand).decode
decode_reply = msgspec.json.Decoder(Reply).decode
