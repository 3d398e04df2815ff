"""Stands in for runs.inspecting.Inspector: answers from a thread with hand-made replies; the question says how it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import inspect_data as data

from unlearn_tui.protocol.inspect import Ask, Done, Refusal, Reply, Resident, Said
from unlearn_tui.runs.inspecting import checked


class ScriptedInspector:
    """ "refuse" in a question: it cannot be done; "hold": nothing after the first token until it is cancelled."""

    made: ClassVar[list[ScriptedInspector]] = []

    def __init__(self, home: Path, heard: Callable[[Reply], None]) -> None:
        self.home, self.heard = home, heard
        self.asked: list[Ask] = []
        self.cancelled: list[int] = []
        self.closed = False
        self._ids = 0
        self.made.append(self)

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def ask(self, request: Ask) -> None:
        self.asked.append(checked(request))
        threading.Thread(target=self._answer, args=(request,), daemon=True).start()

    def _answer(self, ask: Ask) -> None:
        if "refuse" in ask.question:
            self.heard(Refusal(ask.id, "no model fits: free some memory"))
            return
        for reply in data.replies(ask, ask.gold, forgets=ask.attack != "few-shot"):
            self.heard(reply)
            if "hold" in ask.question and isinstance(reply, Said):
                return

    def cancel(self, id: int) -> None:
        self.cancelled.append(id)
        self.heard(Done(id=id, cancelled=True))

    def status(self) -> None:
        models = [("/t", "fp16", 8_000_000), ("/t", "bnb-fp4", 2_000_000)]
        self.heard(Resident(id=self.next_id(), models=models, used=10_000_000, budget=10**9, free=2 * 10**9))

    def close(self) -> None:
        self.closed = True
