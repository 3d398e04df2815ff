"""Series that grow with a log: appended to in place, thinned to a bounded number of points, handed out as tuples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from unlearn_tui.protocol import events as ev

POINTS = 2000

T = TypeVar("T")
P = TypeVar("P", bound=ev.Step | ev.Probe | ev.Epoch | ev.Canary)


class Growing(Generic[T]):
    """A tuple that grows: a list from its first change on, a tuple again when it is looked at."""

    def __init__(self, items: tuple[T, ...]) -> None:
        self._tuple: tuple[T, ...] | None = items
        self._list: list[T] | None = None

    def changing(self) -> list[T]:
        """The list, to be changed in place."""
        if self._list is None:
            self._list = list(self._tuple or ())
        self._tuple = None
        return self._list

    @property
    def items(self) -> Sequence[T]:
        """To look at, and not to keep."""
        return self._tuple if self._tuple is not None else self._list or ()

    def frozen(self) -> tuple[T, ...]:
        """The items now; the same tuple as before where nothing has changed."""
        if self._tuple is None:
            self._tuple = tuple(self._list or ())
        return self._tuple

    def push(self, item: T, most: int) -> None:
        """Append, and keep the last `most`."""
        items = self.changing()
        items.append(item)
        if len(items) > most:
            del items[: len(items) - most]


def cut(series: list[P], step: int) -> list[P]:
    """Take the points from `step` on off the end of `series`, and return them in their order."""
    at = len(series)
    while at and series[at - 1].step >= step:
        at -= 1
    gone = series[at:]
    del series[at:]
    return gone


def add(series: list[P], point: P, beside: Iterable[P] = ()) -> None:
    """Append points of a step that `series` does not have yet.

    Beyond POINTS every second point goes, then new ones come as sparsely as the rest stand; the newest is always there.
    """
    series += beside
    if len(series) >= POINTS:
        del series[1::2]
    if len(series) > POINTS // 2:
        stride = (series[-2].step - series[0].step) / (len(series) - 2)
        if series[-1].step - series[-2].step < 0.75 * stride:
            series.pop()
    series.append(point)
