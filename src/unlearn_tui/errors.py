"""The one exception that a user is meant to read."""

from __future__ import annotations


class Refused(Exception):
    """Asked for something that cannot be done; raised before any work.

    The message is one line in three parts: what is wrong, why, and what to do. The command line prints
    it and exits 2; a view shows it beside the field it belongs to (`field`, a RunSpec field name, or "").
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field
