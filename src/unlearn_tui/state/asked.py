"""Asked: one request to the inspector and everything that was replied to it so far; a pure fold over the replies."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unlearn_tui import catalog
from unlearn_tui.protocol.inspect import (
    Answered,
    Ask,
    Began,
    ColumnFailed,
    Done,
    Piece,
    Progress,
    Refusal,
    Reply,
    Said,
    Taught,
)
from unlearn_tui.state.labels import GAIN, label
from unlearn_tui.state.table import Key

NOWHERE = 1 << 30
"""Where an answer parts from another that it never parts from."""


@dataclass(frozen=True)
class Column:
    """A model at a precision: the gold answer taught to it, what it says, what became of that."""

    label: str
    precision: str
    taught: Taught | None = None
    said: tuple[Piece, ...] = ()
    answered: Answered | None = None
    failed: str = ""
    """Why it cannot answer, untrusted text."""

    @property
    def key(self) -> Key:
        """Model and precision."""
        return self.label, self.precision

    @property
    def full(self) -> bool:
        """Whether its weights are whole floats."""
        return catalog.is_full(self.precision)

    @property
    def gold(self) -> tuple[Piece, ...]:
        """The tokens of the gold answer as this column sees them."""
        return tuple(self.taught.pieces) if self.taught else ()

    @property
    def text(self) -> str:
        """Its answer, as far as it is said."""
        return self.answered.answer if self.answered else "".join(piece.text for piece in self.said)

    @property
    def recall(self) -> float | None:
        """ROUGE-L recall of the answer against gold, 0-1; None before it is whole, or without gold."""
        return self.answered.recall if self.answered and self.answered.recall >= 0 else None

    @property
    def counted(self) -> int:
        """How many of the said tokens make up the answer; the rest was cut off."""
        if self.answered is None:
            return len(self.said)
        left = len(self.answered.answer.strip())
        for i, piece in enumerate(self.said):
            if left <= 0:
                return i
            left -= len(piece.text if i else piece.text.lstrip())
        return len(self.said)


@dataclass(frozen=True)
class Asked:
    """A request, its columns in order, and how it stands."""

    request: Ask
    columns: tuple[Column, ...]
    prompt: str = ""
    """The whole prompt, with what the template puts around the question."""
    gold: str = ""
    given: str = ""
    """What an attack gave away of the gold answer: answers and their recall are of the rest."""
    note: str = ""
    progress: str = ""
    """What takes a while at this moment, "" once an answer runs."""
    done: Done | None = None
    refused: str = ""
    cancelled: bool = False
    """Somebody wants it stopped; it may still be running."""

    @property
    def ended(self) -> bool:
        """Whether no reply follows any more."""
        return self.done is not None or bool(self.refused)

    @property
    def tokens(self) -> tuple[Piece, ...]:
        """The gold answer's tokens, as the first column that knows them has them."""
        return next((column.gold for column in self.columns if column.gold), ())


def asked(request: Ask) -> Asked:
    """A request that nothing was replied to yet."""
    columns = tuple(Column(model.label, precision) for model in request.models for precision in request.precisions)
    return Asked(request, columns, gold=request.gold, progress="asking")


def heard(state: Asked, reply: Reply) -> Asked:
    """The next reply. One to another request, or about a column that is not there, changes nothing."""
    if reply.id != state.request.id:
        return state
    match reply:
        case Progress():
            return state if state.ended else replace(state, progress=reply.text)
        case Began():
            columns = tuple(Column(*key) for key in reply.columns)
            if [c.key for c in columns] == [c.key for c in state.columns]:
                columns = state.columns
            return replace(
                state,
                columns=columns,
                prompt=reply.prompt,
                gold=reply.gold or state.gold,
                given=reply.given,
                note=reply.note,
                progress="",
            )
        case Taught():
            return _with(state, reply.column, taught=reply)
        case Said():
            if 0 <= reply.column < len(state.columns):
                said = (*state.columns[reply.column].said, reply.piece)
                return _with(state, reply.column, said=said)
        case Answered():
            return _with(state, reply.column, answered=reply)
        case ColumnFailed():
            return _with(state, reply.column, failed=reply.message or "no reason given")
        case Done():
            return replace(state, done=reply, progress="", cancelled=state.cancelled or reply.cancelled)
        case Refusal():
            return replace(state, refused=reply.message or "no reason given", progress="")
    return state


def _with(state: Asked, column: int, **changed: object) -> Asked:
    """The same with one column changed."""
    if not 0 <= column < len(state.columns):
        return state
    columns = list(state.columns)
    columns[column] = replace(columns[column], **changed)  # type: ignore[arg-type]
    return replace(state, columns=tuple(columns), progress="")


def parts(column: Column, base: Column) -> int:
    """The first token in which a column's answer differs from another's as far as both are said; NOWHERE: none does.

    An answer that has ended parts where the other goes on.
    """
    a, b = column.said, base.said
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x.text != y.text:
            return i
    if len(a) != len(b):
        shorter = column if len(a) < len(b) else base
        if shorter.answered is not None:
            return min(len(a), len(b))
    return NOWHERE


def _recall(state: Asked, model: str, full: bool) -> float | None:
    """The recall of a model's first column of full precision (or, with `full` false, of any)."""
    return next((c.recall for c in state.columns if c.label == model and (c.full or not full)), None)


def label_of(state: Asked, column: Column) -> str:
    """recovered, stays forgotten, …: what quantizing made of this answer; "" where nothing can be said."""
    if column.label != "unlearned" or column.full:
        return ""
    return label(_recall(state, "target", True), _recall(state, "unlearned", True), column.recall)


def gain(column: Column, plain: Column | None) -> float | None:
    """How much more an attack brings back than the plain prompt in the same column, as recall; None if unknown."""
    if plain is None or column.recall is None or plain.recall is None:
        return None
    return column.recall - plain.recall


def is_gain(amount: float | None) -> bool:
    """Whether it counts as something: as on Compare."""
    return amount is not None and amount >= GAIN - 1e-9
