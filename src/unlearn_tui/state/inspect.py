"""InspectState: which models are asked what and how, everything asked so far, and where the cursor is; pure.

Answers themselves are folded in asked.py; every operation here gives a new state.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unlearn_tui.protocol.inspect import Ask, ModelRef, Reply
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state.asked import Asked, asked, heard
from unlearn_tui.state.table import Key

TEMPLATES = {
    "auto": "in the chat template where the tokenizer has one, else after worked examples",
    "muse": "after the corpus's worked examples, as Compare's scores are made",
    "chat": "in the chat template of the model's tokenizer",
    "free": "the text itself, to be continued",
}
ANSWER_TOKENS, PASSAGE_TOKENS = 32, 128
"""Longest answer, and longest continuation of a passage: as KnowMem and VerbMem ask for them."""
HISTORY = 200
"""Requests that are kept; the oldest go first."""


@dataclass(frozen=True)
class Prompt:
    """What is asked: a question of the run, or one of the user's own (index -1). `gold`: the right answer, "" unknown."""

    question: str
    gold: str = ""
    index: int = -1
    template: str = ""
    """How it must be put, "free" for a passage; "" the way that is set."""

    @property
    def own(self) -> bool:
        """Whether the user wrote it."""
        return self.index < 0


@dataclass(frozen=True)
class InspectState:
    """`name`: the run or model that is asked; `prompts`: what can be stepped through; `prompt`: what is in view."""

    name: str = ""
    models: tuple[ModelRef, ...] = ()
    precisions: tuple[str, ...] = field(default_factory=lambda: tuple(RunSpec().precision))
    corpus: str = "pocket"
    device: str = "auto"
    threads: int = 0
    prompts: tuple[Prompt, ...] = ()
    prompt: Prompt | None = None
    template: str = "auto"
    temperature: float = 0.0
    seed: int = 0
    history: tuple[Asked, ...] = ()
    shown: int = -1
    """Id of the request in view; -1: the prompt was not asked yet."""
    pane: str = "tokens"
    """tokens, or attacks: the table of them."""
    said: bool = False
    """The token cursor walks over what is said, else over the gold answer."""
    token: int = 0
    column: int = 0
    attack: int = 0
    """Row of the table of attacks under the cursor; 0 is the plain prompt."""
    pin: Key | None = None
    """The column that the others are compared with; None: the first."""

    @property
    def asked(self) -> Asked | None:
        """The request in view."""
        return next((a for a in reversed(self.history) if a.request.id == self.shown), None)

    @property
    def at(self) -> int:
        """Where the prompt in view stands among those to step through; -1: it is not one of them."""
        wanted = self.prompt
        return next((i for i, p in enumerate(self.prompts) if p == wanted), -1)

    @property
    def base(self) -> int:
        """The column that the others are compared with."""
        now = self.asked
        if now is None or self.pin is None:
            return 0
        return next((i for i, c in enumerate(now.columns) if c.key == self.pin), 0)

    @property
    def on_said(self) -> bool:
        """Whether the cursor is on said tokens: also where there is no gold to walk over."""
        now = self.asked
        return self.said or now is None or not now.tokens

    @property
    def busy(self) -> bool:
        """Whether anything is being answered."""
        return any(not a.ended for a in self.history)


def models_of(state: InspectState, name: str, models: tuple[ModelRef, ...], spec: RunSpec) -> InspectState:
    """Other models are asked from now on, as the spec asks; what was asked before stays in the history."""
    return replace(
        state,
        name=name,
        models=models,
        precisions=tuple(spec.precision),
        corpus=spec.corpus,
        template=spec.template if spec.template in TEMPLATES else "auto",
        device=spec.device,
        threads=spec.threads,
        prompts=(),
        prompt=None,
        shown=-1,
        column=0,
        token=0,
    )


def with_prompts(state: InspectState, prompts: tuple[Prompt, ...], at: int = -1) -> InspectState:
    """What can be stepped through; `at` of them comes into view (-1: the one in view stays, else the first)."""
    state = replace(state, prompts=prompts)
    if 0 <= at < len(prompts):
        return looked(state, prompts[at])
    return state if state.prompt or not prompts else looked(state, prompts[0])


def looked(state: InspectState, prompt: Prompt) -> InspectState:
    """This prompt in view, with its answers where it was asked the same way before."""
    state = replace(state, prompt=prompt, token=0, attack=0)
    return replace(state, shown=_id(find(state, "")))


def stepped(state: InspectState, by: int) -> InspectState:
    """The prompt so many further, stopping at the ends; from one's own question: back to the first."""
    if not state.prompts:
        return state
    at = state.at
    return looked(state, state.prompts[max(0, min(at + by, len(state.prompts) - 1)) if at >= 0 else 0])


def request(state: InspectState, id: int, attack: str = "") -> Ask | None:
    """The prompt in view as a request; None where there is nothing to ask or nobody."""
    prompt = state.prompt
    if prompt is None or not state.models:
        return None
    return Ask(
        id=id,
        models=list(state.models),
        precisions=list(state.precisions),
        question=prompt.question,
        template=prompt.template or state.template,
        corpus=state.corpus,
        gold=prompt.gold,
        attack=attack,
        max_new_tokens=PASSAGE_TOKENS if prompt.template else ANSWER_TOKENS,
        temperature=state.temperature,
        seed=state.seed,
        device=state.device,
        threads=state.threads,
    )


def sent(state: InspectState, request: Ask) -> InspectState:
    """It is on its way, and in view unless it is an attack on the prompt in view."""
    history = (*state.history, asked(request))
    state = replace(state, history=history[-HISTORY:])
    return state if request.attack else replace(state, shown=request.id, token=0, attack=0)


def replied(state: InspectState, replies: list[Reply]) -> InspectState:
    """What was heard since, in order."""
    if not replies:
        return state
    by_id = {a.request.id: a for a in state.history}
    for reply in replies:
        if reply.id in by_id:
            by_id[reply.id] = heard(by_id[reply.id], reply)
    return replace(state, history=tuple(by_id[a.request.id] for a in state.history))


def cancelled(state: InspectState) -> tuple[InspectState, list[int]]:
    """Everything that is not answered yet marked as cancelled, and the ids to tell the inspector."""
    ids = [a.request.id for a in state.history if not a.ended and not a.cancelled]
    return replace(
        state, history=tuple(replace(a, cancelled=True) if a.request.id in ids else a for a in state.history)
    ), ids


def find(state: InspectState, attack: str, refused: bool = False) -> Asked | None:
    """The newest request that asked the prompt in view with this attack, in the way that is set; not a cancelled one,
    and a refused one only where that is asked for.
    """
    wanted = request(state, 0, attack)
    for found in reversed(state.history):
        if (
            wanted is not None
            and _same(found.request, wanted)
            and not found.cancelled
            and (refused or not found.refused)
        ):
            return found
    return None


def _same(one: Ask, other: Ask) -> bool:
    def way(ask: Ask) -> tuple[object, ...]:
        sampled = (ask.temperature, ask.seed) if ask.temperature else ()
        models = [(m.label, m.path) for m in ask.models]
        return ask.question, ask.gold, ask.template, ask.attack, ask.corpus, models, ask.precisions, sampled

    return way(one) == way(other)


def _id(found: Asked | None) -> int:
    return found.request.id if found else -1


def set_way(state: InspectState, **changed: object) -> InspectState:
    """Another template, temperature, seed, or other precisions; answers given that way before come into view."""
    state = replace(state, **changed)  # type: ignore[arg-type]
    return looked(state, state.prompt) if state.prompt else state


def recalled(state: InspectState, id: int) -> InspectState:
    """A request of the history in view, with the models and the way in which it was asked."""
    found = next((a for a in state.history if a.request.id == id), None)
    if found is None:
        return state
    ask = found.request
    known = next((p for p in state.prompts if p.question == ask.question and p.gold == ask.gold), None)
    return replace(
        state,
        models=tuple(ask.models),
        precisions=tuple(ask.precisions),
        corpus=ask.corpus,
        template=state.template if known and known.template else ask.template,
        temperature=ask.temperature,
        seed=ask.seed,
        prompt=known or Prompt(ask.question, ask.gold),
        shown=id,
        token=0,
    )


def attack_rows(state: InspectState, attacks: tuple[str, ...]) -> list[tuple[str, Asked | None]]:
    """Attack ids, "" the plain prompt first, with what was asked with each."""
    return [(id, find(state, id, refused=True)) for id in ("", *(a for a in attacks if a))]


def moved_attack(state: InspectState, by: int, attacks: tuple[str, ...]) -> InspectState:
    """The cursor so many attacks down, and what that attack brought in view."""
    rows = attack_rows(state, attacks)
    at = max(0, min(state.attack + by, len(rows) - 1))
    found = rows[at][1]
    return replace(state, attack=at, shown=_id(found) if found else state.shown)


def moved_column(state: InspectState, by: int) -> InspectState:
    """The cursor so many columns down, stopping at the ends."""
    now = state.asked
    n = len(now.columns) if now else len(state.models) * len(state.precisions)
    return replace(state, column=max(0, min(state.column + by, n - 1)))


def moved_token(state: InspectState, by: int) -> InspectState:
    """The cursor so many tokens to the right, stopping at the ends."""
    return replace(state, token=max(0, min(state.token + by, tokens(state) - 1)))


def tokens(state: InspectState) -> int:
    """How many tokens the cursor can stand on."""
    now = state.asked
    if now is None:
        return 0
    return max((c.counted for c in now.columns), default=0) if state.on_said else len(now.tokens)


def pinned(state: InspectState) -> InspectState:
    """The column under the cursor as the one the others are compared with; on that one itself: the first again."""
    now = state.asked
    if now is None or not now.columns:
        return state
    key = now.columns[min(state.column, len(now.columns) - 1)].key
    return replace(state, pin=None if key == state.pin else key)


def walking_said(state: InspectState, said: bool) -> InspectState:
    """The token cursor on what is said, or on the gold answer; at its first token."""
    return replace(state, said=said, token=0)


def in_pane(state: InspectState, pane: str) -> InspectState:
    """Tokens, or the table of attacks; in both the plain prompt is in view first."""
    plain = find(state, "")
    return replace(state, pane=pane, attack=0, shown=_id(plain) if plain else state.shown)


def own_questions(state: InspectState) -> list[tuple[str, str]]:
    """The user's own questions that have a right answer, each once, in the order in which they were first asked."""
    known = {p.question for p in state.prompts}
    found: dict[str, str] = {}
    for entry in state.history:
        if entry.request.question not in known and not entry.request.attack and entry.gold.strip():
            found[entry.request.question] = entry.gold
    return list(found.items())
