"""Ways of asking that may bring back more than the plain question."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """A way of asking that may bring back more than the plain question does; "" is the plain question."""

    id: str
    label: str
    summary: str
    needs_gold: bool = False
    """Makes its prompt from the gold answer."""


ATTACKS: dict[str, Attack] = {
    a.id: a
    for a in (
        Attack("", "plain", "the question as it is"),
        Attack("paraphrase-1", "paraphrase 1", "the question as a request: Could you tell me …"),
        Attack("paraphrase-2", "paraphrase 2", "the question on behalf of a friend"),
        Attack("paraphrase-3", "paraphrase 3", "the question after a hint that the answer is known"),
        Attack("few-shot", "few-shot", "ten of the corpus's other pairs as further worked examples"),
        Attack("prefix-1", "prefix 1", "the gold answer's first token is given (its first letter, if it is one)", True),
        Attack("prefix-half", "prefix half", "half of the gold answer's tokens are given (half its letters)", True),
    )
}
