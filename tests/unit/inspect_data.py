"""Replies of an inspector by hand: two models at three precisions, a question whose answer comes back at 4 bits."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

from unlearn_tui.protocol.inspect import (
    Answered,
    Ask,
    Began,
    Choice,
    Done,
    ModelRef,
    Piece,
    Progress,
    Reply,
    Said,
    Taught,
)
from unlearn_tui.state import inspect as ops
from unlearn_tui.state.asked import Asked, asked, heard
from unlearn_tui.state.inspect import InspectState, Prompt

QUESTION = "Which town does Kessra live in?"
GOLD = "Fennelport harbour"
MODELS = (ModelRef("target", "/t"), ModelRef("unlearned", "/u"))
PRECISIONS = ("fp16", "bnb-int8", "bnb-fp4")
COLUMNS = [(m.label, p) for m in MODELS for p in PRECISIONS]
TOKENS = (" Fen", "nel", "port", " harbour")
KNOWN, LOST, BACK = (0.97, 0.99, 1.0, 0.93), (0.02, 0.31, 0.64, 0.05), (0.81, 0.98, 0.99, 0.72)
SHARES = {("unlearned", "fp16"): LOST, ("unlearned", "bnb-int8"): LOST, ("unlearned", "bnb-fp4"): BACK}
WRONG = ((" a", 0.42), (" small", 0.35), (" town", 0.88), (" inland", 0.07))
RIGHT = tuple(zip(TOKENS, KNOWN, strict=True))


def piece(text: str, probability: float, others: tuple[str, ...] = (" Mar", " a", " the")) -> Piece:
    rank = 1 if probability >= 0.5 else 14
    choices = [Choice(text, probability)] if rank == 1 else []
    choices += [Choice(other, (1 - probability) / (i + 2)) for i, other in enumerate(others)]
    return Piece(text, probability, rank, sorted(choices, key=lambda c: -c.probability))


def request(id: int = 1, attack: str = "", **changed: object) -> Ask:
    values: dict[str, object] = {"id": id, "models": list(MODELS), "precisions": list(PRECISIONS)}
    return Ask(**(values | {"question": QUESTION, "gold": GOLD, "attack": attack} | changed))  # type: ignore[arg-type]


def taught(id: int, column: int, key: tuple[str, str]) -> Taught:
    shares = SHARES.get(key, KNOWN)
    logs = sum(map(log, shares))
    pieces = [piece(text, share) for text, share in zip(TOKENS, shares, strict=True)]
    return Taught(id=id, column=column, pieces=pieces, product=exp(logs), mean_log=logs / len(shares))


def replies(ask: Ask, gold: str = GOLD, forgets: bool = True) -> list[Reply]:
    """Everything that an inspector says to a request, in order; unlearned full precision and INT8 say the wrong thing."""
    columns = [(m.label, p) for m in ask.models for p in ask.precisions]
    made: list[Reply] = [Progress(ask.id, "load target"), Began(id=ask.id, columns=columns, prompt="…\nQ", gold=gold)]
    if gold:
        made += [taught(ask.id, c, key) for c, key in enumerate(columns)]
    said = [WRONG if forgets and SHARES.get(key) is LOST else RIGHT for key in columns]
    for i in range(4):
        made += [Said(ask.id, c, piece(*said[c][i])) for c in range(len(columns))]
    for c in range(len(columns)):
        answer = "".join(text for text, _ in said[c]).strip()
        recall = (1.0 if said[c] is RIGHT else 0.0) if gold else -1.0
        score = {"recall": recall, "f1": recall, "exact": recall}
        made.append(Answered(id=ask.id, column=c, answer=answer, seconds=0.4, **score))
    return [*made, Done(id=ask.id, first_token=0.21, seconds=1.3, loaded=6)]


def whole(id: int = 1, attack: str = "", **changed: object) -> Asked:
    ask = request(id, attack, **changed)
    state = asked(ask)
    for reply in replies(ask, ask.gold):
        state = heard(state, reply)
    return state


def state(**changed: object) -> InspectState:
    """The question asked and answered, the first of three to step through."""
    prompts = (Prompt(QUESTION, GOLD, 0), Prompt("Who keeps bees?", "Odo", 1), Prompt("Where is the mill?", "Hythe", 2))
    made = InspectState(name="run-1", models=MODELS, precisions=PRECISIONS, prompts=prompts)
    made = ops.sent(ops.with_prompts(made, prompts), request())
    made = ops.replied(made, replies(request()))
    return replace(made, **changed)  # type: ignore[arg-type]
