"""What became of one prompt: a label from the ROUGE-L recalls of target, unlearned and quantized unlearned model.

Recalls are 0-1: t the target's and u the unlearned model's, both at full precision, q the unlearned model's at another
precision. Each rule is defined once, here; `label` takes the first that holds.
"""

from __future__ import annotations

from collections.abc import Iterable

GAIN = 0.3
"""A change of recall that counts: with answers of a few words, one word more or less is often 0.2 to 0.5."""
LIKE = 0.7
"""Share of the target's recall from which on an answer counts as the target's (verdict.NOT_UNLEARNED asks the same)."""
_EPSILON = 1e-9

UNKNOWN = "unknown to target"
RECOVERED = "recovered"
LOST = "lost more"
NEVER = "never forgotten"
PARTLY = "partly back"
STAYS = "stays forgotten"
FORGOTTEN = "forgotten"

LABELS = (RECOVERED, PARTLY, STAYS, NEVER, LOST, UNKNOWN, FORGOTTEN)
"""In the order in which they are counted and shown."""
RULES = {
    RECOVERED: "30 points or more back, to 70 % of the target's recall",
    PARTLY: "30 points back, or 70 % of the target's, not both",
    STAYS: "below 70 % of the target's recall, quantized too",
    NEVER: "still 70 % of the target's recall at full precision",
    LOST: "quantizing took 30 points of recall or more",
    UNKNOWN: "the target itself has less than 30 points of recall",
    FORGOTTEN: "below 70 % of the target's recall at full precision; nothing quantized yet",
}
"""The rules as people read them; points are hundredths of ROUGE-L recall."""
RETAINED = {NEVER: "kept", STAYS: "stays lost", FORGOTTEN: "lost"}
"""What labels are called on a retain set, where forgetting is damage."""
BACK = ("recovered", "partly")
"""Verdicts on a whole set of prompts that say that something came back."""


def foreseen(says: str, verdict: str) -> str:
    """right, wrong, or why neither: what was expected before training (returns, stays, unsure) against the verdict."""
    if verdict not in (*BACK, "no"):
        return "cannot tell"
    if says not in ("returns", "stays"):
        return "undecided"
    return "right" if (says == "returns") == (verdict in BACK) else "wrong"


_FIRST = (UNKNOWN, RECOVERED, PARTLY, LOST, NEVER, STAYS, FORGOTTEN, "")


def is_unknown(t: float) -> bool:
    """Unknown to target: t < 0.3, there was nothing to forget and nothing can come back."""
    return t < GAIN - _EPSILON


def is_gain(u: float, q: float) -> bool:
    """q ≥ u + 0.3: with an answer like the target's recovered, else partly back."""
    return q - u >= GAIN - _EPSILON


def is_lost(u: float, q: float) -> bool:
    """Lost more: q ≤ u − 0.3, quantizing hurt what the unlearned model still said."""
    return u - q >= GAIN - _EPSILON


def is_like_target(t: float, x: float) -> bool:
    """x ≥ 0.7 t. Of u: never forgotten. Of q, where u is below: recovered, or partly back where it is by less than 0.3."""
    return x >= LIKE * t - _EPSILON


def label(t: float | None, u: float | None, q: float | None) -> str:
    """The label of one column's answer, "" where a recall is missing; the first rule that holds: unknown, lost more,
    never forgotten (as in a verdict, what was not gone cannot come back), recovered, partly back, else stays forgotten.
    """
    if t is None or u is None or q is None:
        return ""
    if is_unknown(t):
        return UNKNOWN
    if is_lost(u, q):
        return LOST
    if is_like_target(t, u):
        return NEVER
    gain, like = is_gain(u, q), is_like_target(t, q)
    return RECOVERED if gain and like else PARTLY if gain or like else STAYS


def label_of_row(t: float | None, u: float | None, qs: Iterable[float | None]) -> str:
    """The label of a prompt over all quantized columns: recovered if any column is, then partly back if any is, and so on.

    Without a quantized column it is told from t and u alone.
    """
    found = {label(t, u, q) for q in qs} - {""}
    if found:
        return min(found, key=_FIRST.index)
    alone = label(t, u, u)
    return FORGOTTEN if alone == STAYS else alone


def shown(label: str, subset: str) -> str:
    """What the label is called on the forget or the retain set."""
    return RETAINED.get(label, label) if subset == "retain" else label
