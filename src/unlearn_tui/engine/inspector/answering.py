"""From an Ask to its replies: columns are made ready, then say a token each in turn; the gold answer is taught between."""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from unlearn_tui import catalog
from unlearn_tui.engine.__main__ import device_of
from unlearn_tui.engine.checkpoints import first_line
from unlearn_tui.engine.evaluation.rouge import rouge_l
from unlearn_tui.engine.inspector.pool import NoRoom, Pool, Stamp
from unlearn_tui.engine.inspector.prompts import Known, Prompt, build, known, template_of
from unlearn_tui.engine.inspector.streaming import Column, Draw
from unlearn_tui.engine.numerics import NotFinite, is_out_of_memory
from unlearn_tui.engine.quantization.calibrated import Calibration
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Ask, ModelRef, Reply
from unlearn_tui.runs.directory import usable_cores
from unlearn_tui.sources import corpora
from unlearn_tui.sources.corpora import Corpus


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


class Answerer:
    """Answers one Ask at a time from the models of a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._corpora: dict[str, tuple[Any, Corpus]] = {}
        self.faulted = False
        """Whether something went wrong that is nobody's doing: the log then has the details."""

    def answer(self, request: Ask, say: Callable[[Reply], None], cancelled: Callable[[], bool]) -> None:
        """Everything that is said to a request, Done or Refusal last. Raises nothing but what `say` raises."""
        try:
            _Answer(self, request, say, cancelled).run()
        except Refused as refused:
            say(ins.Refusal(request.id, str(refused)))
        except Exception as error:
            self.faulted = True
            traceback.print_exc()
            self.pool.clear()
            say(ins.Refusal(request.id, _fault(error), fault=True))

    def corpus(self, ref: str) -> Corpus:
        """A corpus, read again only where its files have changed. Raises Refused."""
        if ref not in self._corpora or self._corpora[ref][0] != _times(self._corpora[ref][1]):
            corpus = corpora.load(ref)
            self._corpora = {ref: (_times(corpus), corpus)}
        return self._corpora[ref][1]


class _Answer:
    """One request under way."""

    def __init__(
        self, answerer: Answerer, request: Ask, say: Callable[[Reply], None], cancelled: Callable[[], bool]
    ) -> None:
        self.answerer, self.pool = answerer, answerer.pool
        self.request, self.say, self.cancelled = request, say, cancelled
        self.began = time.monotonic()
        self.first_token = 0.0
        self.columns: dict[int, Column] = {}

    def run(self) -> None:
        request = self.request
        _check(request)
        torch.set_num_threads(request.threads or usable_cores())
        self.device = device_of(request.device)
        self.pool.begin(self.device, request.budget)
        try:
            self._prepare()
            self._stream()
        except Cancelled:
            self._done(cancelled=True)
        else:
            self._done()

    @cached_property
    def about(self) -> Known:
        return known(self.answerer.corpus(self.request.corpus), self.request.question)

    @property
    def gold(self) -> str:
        return self.request.gold or self.about.gold

    def _prepare(self) -> None:
        """Began, and every column that can be made ready."""
        request = self.request
        prompts: list[tuple[Stamp, Prompt]] = []
        notes: list[str] = []
        template = ""
        for ref in request.models:
            seen, note = self.pool.present(ref)
            tokenizer = self.pool.tokenizer(ref, seen)
            template = template or template_of(request, tokenizer)
            prompts.append((seen, build(tokenizer, request, self.about, self.gold)))
            notes += [note] if note else []
            self._check_cancelled()
        first = prompts[0][1]
        notes += letters(first)
        if not self.gold:
            notes.append("no gold answer: the corpus does not have this question")
        self.say(
            ins.Began(
                id=request.id,
                columns=[(ref.label, precision) for ref in request.models for precision in request.precisions],
                prompt=first.text,
                gold=self.gold,
                note="; ".join(notes),
                template=template,
                given=first.given,
            )
        )
        failures: dict[int, Exception] = {}
        draw = Draw(request.temperature, request.seed)
        for number, (ref, (seen, prompt), precision) in enumerate(_each(request, prompts)):
            self._check_cancelled()
            try:
                held = self.pool.acquire(ref, seen, precision, self.device, self._tell, self._reads)
                self.columns[number] = Column(held, prompt, self.device, draw, request.max_new_tokens)
            except Cancelled:
                raise
            except Exception as error:
                self._look_into(error)
                failures[number] = error
        if not self.columns:  # one line for all of them
            raise Refused(_fault(failures[0]))
        for number, failure in failures.items():
            self.say(ins.ColumnFailed(request.id, number, _fault(failure)))

    def _reads(self, tokenizer: Any) -> Calibration:
        """What GPTQ and AWQ quantize by: the request's corpus."""
        corpus = self.answerer.corpus(self.request.corpus)
        return Calibration(tokenizer, corpus, self._tell, self._check_cancelled)

    def _stream(self) -> None:
        """The first token of every column, then the gold answer, then the rest, a token each in turn."""
        saying = dict(self.columns) if self.request.answer else {}
        self._round(saying)
        if self.request.teach:
            for number, column in list(self.columns.items()):
                self._check_cancelled()
                if column.prompt.whole:
                    self._try(number, column, self._teach)
        while saying := {n: c for n, c in saying.items() if n in self.columns and not c.ended}:
            self._round(saying)

    def _round(self, saying: dict[int, Column]) -> None:
        for number, column in saying.items():
            self._check_cancelled()
            self._try(number, column, self._say_next)

    def _try(self, number: int, column: Column, what: Callable[[int, Column], None]) -> None:
        """A column that fails leaves; the others go on."""
        try:
            what(number, column)
        except Cancelled:
            raise
        except Exception as error:
            self.columns.pop(number)
            self._look_into(error)
            if not self.columns:
                raise Refused(_fault(error)) from None
            self.say(ins.ColumnFailed(self.request.id, number, _fault(error)))
        if column.grown:
            self.pool.grown(column.held, column.grown)
            column.grown = 0

    def _say_next(self, number: int, column: Column) -> None:
        piece = column.step()
        if piece is not None:
            self.first_token = self.first_token or time.monotonic() - self.began
            self.say(ins.Said(self.request.id, number, piece))
        if not column.ended:
            return
        answer = column.prompt.cut(column.said)
        scores = {}
        if rest := column.prompt.rest:
            r = rouge_l(rest, answer)
            scores = {"recall": r.recall, "f1": r.f1, "exact": float(r.exact)}
        self.say(
            ins.Answered(
                id=self.request.id,
                column=number,
                answer=answer,
                ended=column.ended,
                seconds=time.monotonic() - self.began,
                **scores,
            )
        )

    def _teach(self, number: int, column: Column) -> None:
        pieces, product, mean_log = column.teach()
        self.say(ins.Taught(id=self.request.id, column=number, pieces=pieces, product=product, mean_log=mean_log))

    def _look_into(self, error: Exception) -> None:
        """After a fault that nobody meant: the log gets the details, memory what can be spared."""
        if not isinstance(error, (Refused, NoRoom, NotFinite)):
            self.answerer.faulted = True
            traceback.print_exception(error)
            self.pool.forget()

    def _tell(self, text: str) -> None:
        self._check_cancelled()
        self.say(ins.Progress(self.request.id, text))

    def _check_cancelled(self) -> None:
        if self.cancelled():
            raise Cancelled

    def _done(self, cancelled: bool = False) -> None:
        self.say(
            ins.Done(
                id=self.request.id,
                cancelled=cancelled,
                first_token=self.first_token,
                seconds=time.monotonic() - self.began,
                loaded=self.pool.loaded,
            )
        )


def letters(prompt: Prompt) -> list[str]:
    """What is to be known where letters of the answer are given: how few tokens are left to choose from."""
    count = len(prompt.allowed)
    if not count:
        return []
    begin = f"{count} tokens begin" if count > 1 else "only the gold token begins"
    return [f"the gold answer is one token: {begin} with {prompt.given!r}"]


def _times(corpus: Corpus) -> dict[Path, int]:
    """When each file of a corpus, and each folder of them, was changed."""
    found = {}
    for path in (*corpus.files, *{file.parent for file in corpus.files}):
        with contextlib.suppress(OSError):  # gone: reading the corpus will say so
            found[path] = path.stat().st_mtime_ns
    return found


def _each(request: Ask, prompts: list[tuple[Stamp, Prompt]]) -> Iterator[tuple[ModelRef, tuple[Stamp, Prompt], str]]:
    """Model, prompt and precision of every column in order."""
    for ref, prompt in zip(request.models, prompts, strict=True):
        for precision in request.precisions:
            yield ref, prompt, precision


def _check(request: Ask) -> None:
    """Raise Refused for numbers that make no sense."""
    if not 1 <= request.max_new_tokens <= 4096:
        raise Refused(f"{request.max_new_tokens} new tokens: give 1 to 4096", "max_new_tokens")
    if not (math.isfinite(request.temperature) and 0 <= request.temperature <= 100):
        raise Refused(f"temperature {request.temperature:g}: give 0 (greedy) to 100", "temperature")
    if not 0 <= request.seed < 2**63:
        raise Refused(f"seed {request.seed}: give a number from 0 to 2^63 - 1", "seed")
    for precision in request.precisions:
        catalog.precision(precision)


def _fault(error: Exception) -> str:
    """One line for a fault."""
    if is_out_of_memory(error):
        return "no memory left: ask fewer models and precisions, or a shorter question"
    if isinstance(error, (Refused, NoRoom, NotFinite)):
        return str(error)
    return f"{type(error).__name__}: {first_line(error)}"
