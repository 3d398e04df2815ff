"""Options in a precision's name: `bnb-fp4:block=128+double` is bnb-fp4 in blocks of 128 with double quantization.

A name is `id`, or `id:` and options joined by `+`, each `name=value` or the bare name of a flag. The canonical name leaves
defaults out and keeps the record's order, so that one thing has one name: in specs, files, caches and tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unlearn_tui.catalog.ranges import Range
from unlearn_tui.errors import Refused

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """An option that a precision takes. Its default stands in the record's `options`.

    `allowed`: (False, True) for a flag, a tuple of values to choose from, or a range. `short`: how a label shows a value
    that is not the default, with {} in its place.
    """

    name: str
    allowed: tuple[Value, ...] | Range
    short: str
    help: str
    whole: bool = True
    """Numbers of the range are whole ones."""

    @property
    def flag(self) -> bool:
        """True for an option that is on where it is named."""
        return self.allowed == FLAG

    def read(self, text: str | None) -> Value:
        """The value that a name gives; None for a bare name. Raises ValueError with what is allowed."""
        if self.flag:
            if text is not None:
                raise ValueError(f"{self.name} is a flag: name it without a value, or leave it out")
            return True
        if text is None:
            raise ValueError(f"{self.name} needs a value: {self.name}={self.said}")
        if isinstance(self.allowed, Range):
            try:
                number = int(text) if self.whole else float(text)
            except ValueError:
                number = None
            # nothing but the plainest way to write a number, so that a name has one form
            if number is None or not text.isascii() or text.strip() != text or "_" in text or not self.holds(number):
                what = "a whole number" if self.whole else "a number"
                raise ValueError(f"{self.name} is {text!r}: it must be {what}, {self.allowed}")
            return number
        for value in self.allowed:
            if str(value) == text:
                return value
        raise ValueError(f"{self.name} is {text!r}: it must be {self.said}")

    def holds(self, number: float) -> bool:
        """Whether the range has a number; one of more digits than a float has room for it has not."""
        assert isinstance(self.allowed, Range)
        return (not isinstance(number, int) or number.bit_length() < 64) and self.allowed.holds(number)

    @property
    def said(self) -> str:
        """What may stand behind the =."""
        return str(self.allowed) if isinstance(self.allowed, Range) else "|".join(map(str, self.allowed))

    def written(self, value: Value) -> str:
        """The option as it stands in a name."""
        return self.name if self.flag else f"{self.name}={shown(value)}"


FLAG: tuple[Value, ...] = (False, True)


def shown(value: Value) -> str:
    """A value as a name gives it: 6 for 6.0."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def split(name: str) -> tuple[str, tuple[str, ...] | None]:
    """A name's id and its options as they are written; None where it has no colon."""
    id, colon, rest = name.partition(":")
    return id, tuple(rest.split("+")) if colon else None


def read(id: str, parameters: tuple[Parameter, ...], written: tuple[str, ...]) -> dict[str, Value]:
    """Values by name. Raises Refused (field "precision") for what the precision does not take, naming what it does."""
    known = {p.name: p for p in parameters}
    takes = ", ".join(p.name if p.flag else f"{p.name}={p.said}" for p in parameters)
    if not known:
        raise Refused(f"{id} takes no options: leave out what stands behind the colon", "precision")
    found: dict[str, Value] = {}
    for part in written:
        option, equals, text = part.partition("=")
        if option not in known:
            said = f"has no option {option[:60]!r}" if option else "is followed by an empty option"
            raise Refused(f"{id} {said}: it takes {takes}", "precision")
        if option in found:
            raise Refused(f"{id} is given {option} twice: once is enough", "precision")
        try:
            found[option] = known[option].read(text[:60] if equals else None)
        except ValueError as error:
            raise Refused(f"{id}: {error}", "precision") from None
    return found


def canonical(id: str, parameters: tuple[Parameter, ...], options: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The one name of `id` with `values`, given its defaults in `options`."""
    parts = [p.written(values[p.name]) for p in parameters if p.name in values and values[p.name] != options[p.name]]
    return f"{id}:{'+'.join(parts)}" if parts else id
