"""What a client and the inspector process say to each other: one JSON line each, over a Unix socket, schema 1."""

from __future__ import annotations

import msgspec

SCHEMA = 1
LINE_LIMIT = 1 << 20
"""Bytes of one line; a longer one is answered with an error and the connection is closed."""
QUESTION_LIMIT = 20_000
"""Characters of a question; a longer one is refused."""


class ModelRef(msgspec.Struct, frozen=True):
    """A checkpoint to ask: its label ("target", "unlearned", "model") and its folder."""

    label: str
    path: str


class Ask(msgspec.Struct, frozen=True, tag="ask", tag_field="type", kw_only=True):
    """One prompt to every model at every precision: columns are models × precisions, in that order.

    `template`: "muse" (after the corpus's worked examples, as KnowMem asks), "chat" (the tokenizer's chat template; a
    question of the corpus has the worked examples as turns before it), "auto" (chat where the tokenizer has one, else
    muse), "free" (the text itself). `attack`: id of a catalog.ATTACKS record, "" for the plain prompt. `gold`: the gold
    answer, which is then scored and taught ("": none known, the corpus's own is used where it has the question).
    `temperature` 0 is greedy; else tokens are sampled with `seed`, the same draws in every column. `teach`: probability,
    rank and alternatives of each gold token; `answer`: continue the prompt too. `keep`: stay for ten idle minutes after
    the last client has gone.
    """

    id: int
    models: list[ModelRef]
    precisions: list[str]
    question: str
    template: str = "auto"
    corpus: str = "pocket"
    gold: str = ""
    attack: str = ""
    teach: bool = True
    answer: bool = True
    max_new_tokens: int = 32
    temperature: float = 0.0
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    budget: int = 0
    """Bytes that resident models may take; 0: half of what is free."""
    keep: bool = False


class Cancel(msgspec.Struct, frozen=True, tag="cancel", tag_field="type"):
    """Stop the request `id` before its next token; it is answered with Done(cancelled=True)."""

    id: int


class Status(msgspec.Struct, frozen=True, tag="status", tag_field="type"):
    """What is resident? Answered with Resident."""

    id: int


class Choice(msgspec.Struct, frozen=True):
    """A token that the model might have said, its text alone and its probability 0-1."""

    text: str
    probability: float


class Piece(msgspec.Struct, frozen=True):
    """One token in its place: text as decoded (with its leading space), probability 0-1 and rank (1: the likeliest)
    given what stands before it, and the likeliest tokens there."""

    text: str
    probability: float
    rank: int
    choices: list[Choice] = []


class Progress(msgspec.Struct, frozen=True, tag="progress", tag_field="type"):
    """Something that takes a while: loading, quantizing."""

    id: int
    text: str


class Began(msgspec.Struct, frozen=True, tag="began", tag_field="type", kw_only=True):
    """First reply to an Ask but for Progress: its columns as (label, precision), the whole prompt as the first model
    gets it, the template that "auto" came to, the gold answer if there is one, and what is to be known in `note` ("" or
    one line, such as "no gold answer: the corpus does not have this question"). `given`: what a prefix attack gave away
    of the gold answer (it ends the prompt); pieces, answers and scores are then of the rest alone. Of an answer that is
    one token, letters are given: its probability is then that among the tokens which begin with them."""

    id: int
    columns: list[tuple[str, str]]
    prompt: str
    gold: str = ""
    note: str = ""
    template: str = "muse"
    given: str = ""


class Taught(msgspec.Struct, frozen=True, tag="taught", tag_field="type", kw_only=True):
    """The gold answer under teacher forcing in one column: its tokens, the product of their probabilities and their
    mean natural log-probability. After the first Said of each column, where both are asked for."""

    id: int
    column: int
    pieces: list[Piece]
    product: float
    mean_log: float


class Said(msgspec.Struct, frozen=True, tag="said", tag_field="type"):
    """The next token of a column's answer; its end-of-text token is none. Probabilities are the model's own, whatever
    the temperature. What the cut drops at the end has been said all the same: Answered has the answer."""

    id: int
    column: int
    piece: Piece


class Answered(msgspec.Struct, frozen=True, tag="answered", tag_field="type", kw_only=True):
    """A column's answer is whole (cut as KnowMem cuts it). recall, f1: ROUGE-L against gold 0-1, exact 0 or 1; all -1
    without a gold answer. `ended`: "end", "length", "cut". `seconds` from the request's beginning."""

    id: int
    column: int
    answer: str
    recall: float = -1.0
    f1: float = -1.0
    exact: float = -1.0
    ended: str = "end"
    seconds: float = 0.0


class ColumnFailed(msgspec.Struct, frozen=True, tag="column_failed", tag_field="type"):
    """This column cannot answer, the others go on; one line, untrusted text."""

    id: int
    column: int
    message: str


class Done(msgspec.Struct, frozen=True, tag="done", tag_field="type", kw_only=True):
    """Last reply to an Ask. Seconds until the first token of any column; models loaded or quantized for it."""

    id: int
    cancelled: bool = False
    first_token: float = 0.0
    seconds: float = 0.0
    loaded: int = 0


class Refusal(msgspec.Struct, frozen=True, tag="refusal", tag_field="type"):
    """Last reply to a request that cannot be done: what, why, what to do, in one line. `fault`: not the asker's, as where
    the process died."""

    id: int
    message: str
    fault: bool = False


class Resident(msgspec.Struct, frozen=True, tag="resident", tag_field="type", kw_only=True):
    """Models in memory as (path, precision, bytes), the most recently used last; the budget and what is free."""

    id: int
    models: list[tuple[str, str, int]]
    used: int
    budget: int
    free: int
    pid: int = 0


Request = Ask | Cancel | Status
Reply = Progress | Began | Taught | Said | Answered | ColumnFailed | Done | Refusal | Resident
