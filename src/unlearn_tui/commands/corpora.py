"""corpora: list what is known by name, check one of one's own, fetch one from the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from unlearn_tui import catalog
from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.commands.lists import table
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.sources.corpora import Checked, Corpus

PARTS = {
    "forget_docs": "forget docs",
    "retain_docs": "retain docs",
    "holdout_docs": "holdout docs",
    "forget_qa": "forget qa",
    "retain_qa": "retain qa",
    "verbmem": "verbmem",
}
"""Parts in the list, by what they are called there."""
ALL_PARTS = {
    **{"forget_qa": "forget questions", "retain_qa": "retain questions, scored"},
    **{"retain_more": "retain questions, not scored", "forget_icl": "worked examples, forget"},
    **{"retain_icl": "worked examples, retain", "forget_docs": "documents to forget"},
    **{"retain_docs": "documents to keep", "retain2_docs": "other documents to keep"},
    **{"holdout_docs": "documents never seen", "verbmem": "passages to continue"},
    **{"privleak_forget": "membership texts, forget", "privleak_retain": "membership texts, retain"},
    **{"privleak_holdout": "membership texts, never seen", "tofu_forget": "forget questions with wrong answers"},
    **{"tofu_retain": "retain questions with wrong answers", "tofu_authors": "real authors with wrong answers"},
    **{"tofu_world": "world facts with wrong answers", "utility_mmlu": "MMLU questions"},
    **{"utility_truthful": "TruthfulQA questions", "utility_trivia": "TriviaQA questions"},
    **{"utility_fluency": "instructions to write something"},
}
"""Every part, by what it is called where one corpus is looked at."""
TEMPLATE = (
    "a model whose tokenizer has a chat template is asked in it, any other in MUSE's format "
    '("Question: …", newline, "Answer: "); --template muse or chat says otherwise'
)


def corpora(
    what: Annotated[
        str | None,
        Argument(metavar="[CORPUS|check PATH|fetch NAME]", show_default=False, help="Nothing: list all known by name."),
    ] = None,
    ref: Annotated[str | None, Argument(metavar=" ", show_default=False, hidden=True)] = None,
    plain: o.Plain = False,
    json: o.Json = False,
    offline: o.Offline = None,
) -> None:
    """List corpora that are known by name, count one, check one of your own, or fetch one from the hub.

    check PATH names file, line and fault of everything wrong with it. PATH is JSON Lines of question and answer, each
    item with "set": forget or retain; a folder with forget.jsonl and retain.jsonl; or one in MUSE's or TOFU's layout.
    """
    from unlearn_tui.sources import corpora as sources

    if what in ("check", "fetch"):
        if ref is None:
            raise Refused(f"corpora {what} needs to be told which: unlearn-tui corpora {what} CORPUS", "corpus")
        if what == "check":
            _check(ref, sources.check(ref), plain, json)
            return
        if ref not in catalog.HUB_CORPORA:
            raise Refused(f"{ref!r} is no corpus of the hub: {catalog.nearest(ref, list(catalog.HUB_CORPORA))}")
        if sources.fetch(ref, bool(offline)):
            console.say(f"corpus {ref} is now in the Hugging Face cache")
        what = ref
    elif ref is not None:
        raise Refused(f"two corpora named, {what!r} and {ref!r}: name one, or corpora check PATH", "corpus")
    if what is not None:
        _list([sources.load(what)], [], plain, json, one=True)
        return
    here = [name for name in (*catalog.CORPORA, *catalog.HUB_CORPORA) if sources.is_here(name)]
    away = [record for name, record in catalog.HUB_CORPORA.items() if name not in here]
    _list([sources.load(name) for name in here], away, plain, json)


def _list(found: list[Corpus], away: list[catalog.HubCorpus], plain: bool, json: bool, one: bool = False) -> None:
    from unlearn_tui.report.text import safe

    if json:
        rows: list[dict[str, Any]] = [
            {"name": c.name, "path": str(c.path), "fingerprint": c.fingerprint}
            | {part: len(getattr(c, part)) for part in PARTS}
            | ({} if one else {"here": True})
            for c in found
        ]
        missing = {"path": "", "fingerprint": ""}
        rows += [{"name": r.id} | missing | {p: r.holds.get(p, 0) for p in PARTS} | {"here": False} for r in away]
        console.show_json(rows[0] if one else rows)
        return

    def about(name: str, path: object) -> str:
        record = catalog.HUB_CORPORA.get(name)
        return record.summary if record else catalog.CORPORA.get(name, safe(path))

    lines = [(safe(c.name), about(c.name, c.path), *(str(len(getattr(c, p))) for p in PARTS)) for c in found]
    lines += [(r.id, f"{r.summary}; {_where(r)}", *(str(r.holds.get(p, 0)) for p in PARTS)) for r in away]
    table(("corpus", "", *PARTS.values()), lines, plain, left=2)
    if away:
        console.write("unlearn-tui corpora fetch NAME brings one from the hub; run --corpus NAME does so too.\n")


def _where(record: catalog.HubCorpus) -> str:
    from unlearn_tui.sources import hub_corpora
    from unlearn_tui.sources.reading import PARQUET

    return f"on the hub, needs {PARQUET}" if hub_corpora.needs_extra(record) else "on the hub"


def _check(ref: str, found: Checked, plain: bool, json: bool) -> None:
    """Faults, or counts and samples; raises Refused for an unsound corpus once they are shown."""
    from unlearn_tui.report.text import safe
    from unlearn_tui.sources.corpora import LAYOUTS
    from unlearn_tui.sources.wording import plain as visible
    from unlearn_tui.sources.wording import shown
    from unlearn_tui.validate import lacks

    corpus, faults, count = found
    empty = not count and not (corpus.forget_qa or corpus.forget_docs or corpus.verbmem)
    counts = {part: len(getattr(corpus, part)) for part in ALL_PARTS if getattr(corpus, part)}
    lacking = lacks(corpus)
    scored = [m for m in catalog.METRICS if m not in lacking]
    if json:
        console.show_json(
            {
                "name": corpus.name, "path": str(corpus.path), "layout": corpus.layout,
                "sound": not count and not empty, "faults": [fault._asdict() for fault in faults], "fault_count": count,
                "counts": counts, "notes": corpus.notes, "metrics": scored, "lacking": sorted(lacking),
                "template": TEMPLATE, "fingerprint": corpus.fingerprint,
            }
        )  # fmt: skip
    elif count:
        for file, line, text in faults:
            console.write(f"{safe(visible(file))}{f':{line}' if line else ''}: {safe(visible(_bare(text, line)))}\n")
        if count > len(faults):
            console.write(f"… and {count - len(faults)} more\n")
    elif not empty:
        head = ("", "items", "the first")
        rows = [(ALL_PARTS[part], str(n), _sample(getattr(corpus, part)[0])) for part, n in counts.items()]
        console.write(f"{safe(corpus.name)}: {LAYOUTS[corpus.layout]}, {safe(corpus.path)}\n")
        table(head, rows, plain, left=3)
        for note in corpus.notes:
            console.write(f"note: {note}\n")
        console.write(f"scored: {', '.join(scored) or 'nothing'}\n")
        if lacking:
            console.write(f"left out, for there is nothing to ask: {', '.join(_sets(lacking))}\n")
        console.write(f"template: {TEMPLATE}\n")
    if count:
        raise Refused(
            f"corpus {shown(ref)} has {count} {'fault' if count == 1 else 'faults'}: correct, check again", ""
        )
    if empty:
        raise Refused(f"corpus {shown(ref)} has nothing to forget: add questions, documents or passages", "")


def _sets(metrics: set[str]) -> list[str]:
    """Metrics by name, those of a whole set by the set's."""
    whole = {name: set(ids) for name, ids in catalog.METRIC_SETS.items() if set(ids) <= metrics}
    alone = metrics - {id for ids in whole.values() for id in ids}
    return [*(m for m in catalog.METRICS if m in alone), *(f"all of {name}" for name in whole)]


def _bare(text: str, line: int) -> str:
    """A fault without the line that already stands before it."""
    return text.removeprefix(f"line {line}").lstrip(" :")


def _sample(item: Any) -> str:
    """The beginning of an item on one line."""
    from unlearn_tui.report.text import safe
    from unlearn_tui.sources.wording import plain

    text = item if isinstance(item, str) else " → ".join(part for part in item[:2] if isinstance(part, str))
    return safe(plain(text, 60))
