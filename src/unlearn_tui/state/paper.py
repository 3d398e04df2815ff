"""How far a form is from the paper's settings, and what the paper's value would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unlearn_tui import catalog
from unlearn_tui.state.fields import BY_NAME
from unlearn_tui.state.setup import Form, as_text, fill

FAR = 3.0
"""Times larger or smaller than the paper's value, from which on a value is pointed out."""
_COMPARED = ("lr", "epochs", "batch", "max_length", "alpha", "beta")


@dataclass(frozen=True)
class Hint:
    """A value far from the paper's: what to say, and what to put in instead, by field."""

    field: str
    text: str
    values: Mapping[str, object]
    source: str


def corpus_of(reference: str) -> str:
    """news or books for a corpus whose last name says so, "" for any other."""
    last = reference.rstrip("/").rpartition("/")[2].casefold()
    return next((c for c in catalog.PAPER_CORPORA if c in last), "")


def known(form: Form) -> dict[str, catalog.PaperValue]:
    """The paper's values for this form's corpus and method."""
    return catalog.paper_values(corpus_of(form.values["corpus"]), form.values["method"])


def hints(form: Form, items: int = 0) -> tuple[Hint, ...]:
    """Every value that is far from the paper's, in the form's order. `items`: forget items that unlearning reads, 0 if
    unknown; with it, steps are counted as epochs."""
    spec = form.spec
    if spec is None or spec.task != "unlearn":
        return ()
    method = catalog.method(spec.method)
    used = {
        "alpha": method.retain is not None,
        "beta": spec.method.startswith("npo"),
        "max_length": spec.forget_text == "raw",
    }
    mine: dict[str, float | None] = {name: getattr(spec, name) for name in _COMPARED}
    mine["batch"] = spec.batch * spec.grad_accum
    if spec.steps is not None:
        mine["epochs"] = spec.steps * spec.batch * spec.grad_accum / items if items else None
    found = []
    papers = known(form)
    for name in _COMPARED:
        value, paper = mine[name], papers.get(name)
        if paper is None or value is None or not used.get(name, True):
            continue
        times = value / paper.value
        if FAR >= times >= 1 / FAR:
            continue
        label = BY_NAME[name].label
        more: dict[str, object] = {"grad_accum": 1} if name == "batch" else {}
        if name == "epochs" and spec.steps is not None:
            count = as_text(float(f"{value:.2g}"))
            said = f"{spec.steps} steps are {count} epoch{'' if count == '1' else 's'},"
        else:
            said = f"{label} {as_text(value)} is"
        found.append(
            Hint(
                name,
                f"{said} {_times(times)} {paper.whose} {as_text(paper.value)}",
                {**more, name: paper.value},
                paper.source,
            )
        )
    return tuple(found)


def use(form: Form, items: int = 0) -> Form:
    """The paper's value in the field under the cursor if that one is pointed out, else in all that are."""
    far = hints(form, items)
    here = [h for h in far if h.field == form.at or (h.field, form.at) == ("epochs", "steps")]
    for hint in here or far:
        form = fill(form, hint.values)
    return form


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
