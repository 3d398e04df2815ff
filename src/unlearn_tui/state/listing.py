"""A list with a cursor that stays on its row when rows come, go or change places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar


class Item(Protocol):
    """A row: `id` names it for good."""

    @property
    def id(self) -> str:
        """The same for the same thing after every refresh."""
        ...


R = TypeVar("R", bound=Item)


@dataclass(frozen=True)
class Listing(Generic[R]):
    """Rows as shown, in order, the index of the one under the cursor (0 where there are none), and of the first one
    that was on the screen last.
    """

    rows: tuple[R, ...] = ()
    at: int = 0
    top: int = 0

    @property
    def current(self) -> R | None:
        """The row under the cursor."""
        return self.rows[self.at] if self.rows else None


def put(listing: Listing[R], rows: Sequence[R]) -> Listing[R]:
    """Other rows: the cursor stays on its row, or where that one stood if it has gone."""
    current = listing.current
    at = next((i for i, row in enumerate(rows) if current is not None and row.id == current.id), listing.at)
    return Listing(tuple(rows), _inside(at, len(rows)), listing.top)


def move(listing: Listing[R], by: int) -> Listing[R]:
    """The cursor so many rows down, up where negative; it stops at either end."""
    return replace(listing, at=_inside(listing.at + by, len(listing.rows)))


def go(listing: Listing[R], id: str) -> Listing[R]:
    """The cursor on the row with this id; where there is none it stays."""
    return replace(listing, at=next((i for i, row in enumerate(listing.rows) if row.id == id), listing.at))


def window(listing: Listing[R], height: int) -> int:
    """Index of the first row to show on `height` lines: as before, unless the cursor would be outside."""
    top = min(max(listing.top, listing.at - height + 1), listing.at)
    return max(0, min(top, len(listing.rows) - height))


def scrolled(listing: Listing[R], height: int) -> Listing[R]:
    """With the first row that `window` shows kept as such."""
    return replace(listing, top=window(listing, height))


def fits(words: str, texts: Iterable[object]) -> bool:
    """Whether every word of a filter is somewhere in `texts`, in any case."""
    text = " ".join(map(str, texts)).casefold()
    return all(word in text for word in words.casefold().split())


def _inside(index: int, count: int) -> int:
    return max(0, min(index, count - 1))
