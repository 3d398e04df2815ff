"""Find and read a corpus: shipped, known by name on the hub, or a folder or file of one's own in a layout that we know.

The layouts are one module each: muse (MUSE's folders), lines (questions and answers of one's own), tofu.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources import hub_corpora, lines, muse, tofu
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpus import QA, Corpus, Passage, Perturbed
from unlearn_tui.sources.muse import NEEDS
from unlearn_tui.sources.reading import Fault, Reader
from unlearn_tui.sources.utility import FILES, with_utility
from unlearn_tui.sources.wording import shown

__all__ = [
    "NEEDS",
    "PARTS",
    "QA",
    "Corpus",
    "Fault",
    "Passage",
    "Perturbed",
    "check",
    "fetch",
    "holds",
    "is_here",
    "is_name",
    "load",
    "require",
]

LAYOUTS = {
    "muse": "MUSE's layout",
    "lines": "questions and answers of one's own",
    "tofu": "TOFU's layout",
}


class Checked(NamedTuple):
    """What `check` found: the sound part of a corpus, and its faults, the first of each file; `total` counts them all."""

    corpus: Corpus
    faults: list[Fault]
    total: int


class _Place(NamedTuple):
    """Where a corpus is and how it is laid out; `file`: the one file of `lines`; `part`: the forget set of `tofu`."""

    name: str
    folder: Path
    layout: str
    file: str = ""
    part: str = ""


def is_name(ref: str) -> bool:
    """Whether `ref` is one of our names, not a path."""
    return ref in catalog.CORPORA or ref in catalog.HUB_CORPORA


def is_here(ref: str) -> bool:
    """False for a corpus of the hub that must be fetched first."""
    return ref not in catalog.HUB_CORPORA or hub_corpora.cached(catalog.HUB_CORPORA[ref]) is not None


def fetch(ref: str, offline: bool = False, field: str = "corpus") -> bool:
    """Bring a corpus of the hub onto this machine; False where there was nothing to do. Raises Refused."""
    if is_here(ref):
        return False
    hub_corpora.fetch(catalog.HUB_CORPORA[ref], offline, field)
    return True


def load(ref: str, need: set[str] | None = None, field: str = "corpus") -> Corpus:
    """The corpus that `ref` names (catalog.CORPORA, catalog.HUB_CORPORA), or that is at that path.

    `need` names parts of PARTS, which must be there. Every file that is there is read whole, so a fault in any of them
    is found, and the fingerprint does not depend on `need`. Reads no network. Raises Refused naming the file, the item
    or line, and the fault.
    """
    need = need or set()
    if unknown := need - PARTS.keys():
        raise ValueError(f"no such parts: {unknown}")
    place = _place(ref, field)
    if place.layout == "muse":
        muse.check_needs(place.folder, need, field, place.name)
    corpus = _read(place, Reader(place.folder, field, place.name))
    require(corpus, need, field)
    return corpus


def check(ref: str, field: str = "corpus") -> Checked:
    """Read as `load` does, but find every fault. Raises Refused where there is nothing to read."""
    place = _place(ref, field)
    reader = Reader(place.folder, field, place.name, keeping=True)
    corpus = _read(place, reader)
    if corpus.layout == "muse":
        _examples_missing(reader)
    return Checked(corpus, sorted(reader.faults, key=lambda f: (f.file, f.line)), reader.count)


def holds(ref: str) -> str:
    """In a few words what a corpus has, or what is wrong with it."""
    try:
        corpus = load(ref)
    except Refused as error:
        return str(error)
    counts = {"forget": len(corpus.forget_qa), "retain questions": len(corpus.retain_qa)}
    counts |= {"documents": len(corpus.forget_docs), "passages": len(corpus.verbmem)}
    return f"{', '.join(f'{n} {what}' for what, n in counts.items() if n)}; {LAYOUTS[corpus.layout]}"


def require(corpus: Corpus, need: set[str], field: str = "corpus") -> None:
    """Raise Refused where a needed part of PARTS is not there."""
    if corpus.layout == "muse":
        muse.check_needs(corpus.path, need, field, corpus.name)
    for part in sorted(need):
        if not getattr(corpus, part):
            what, instead = PARTS[part]
            raise Refused(f"corpus {shown(corpus.name)} lacks {what}: {instead}", field)


_HAS_TOFU = "leave out TOFU's metrics, or use TOFU with its perturbed sets"
_WITHOUT = {
    "forget_docs": 'add items with "text", or unlearn questions and answers (--forget-text qa)',
    "retain_docs": 'add items with "text", or use --forget-text qa, or a method without a retain term',
    "forget_qa": "add items with question and answer, or use --forget-text raw and leave out the metric",
    "retain_qa": "add retain items, or leave out what reads them (knowmem_retain, a retain term)",
    "verbmem": "leave out verbmem_forget",
    "privleak_forget": "leave out privleak",
    "privleak_holdout": "leave out privleak",
}
PARTS = {
    **{part: (what, _WITHOUT[part]) for part, _, what in NEEDS},
    "tofu_forget": ("forget questions with wrong answers", _HAS_TOFU),
    "tofu_retain": ("retain questions with wrong answers", _HAS_TOFU),
    "tofu_authors": ("questions on real authors", _HAS_TOFU),
    "tofu_world": ("questions on the world", _HAS_TOFU),
    **{f"utility_{part}": (name, "add that file, or leave out the metric") for part, name in FILES.items()},
}
"""What a run may need of a corpus: what it is, and how to do without."""


def _read(place: _Place, reader: Reader) -> Corpus:
    if place.layout == "tofu":
        corpus = tofu.read(reader, place.part)
    else:
        corpus = lines.read(reader, place.file) if place.layout == "lines" else muse.read(reader)
    return with_utility(corpus, reader)


def _place(ref: str, field: str) -> _Place:
    """Raises Refused for what is no corpus, or one of the hub that is not on this machine."""
    if ref in catalog.CORPORA:
        return _Place(ref, asset(ref, "corpus"), "muse")
    if ref in catalog.HUB_CORPORA:
        record = catalog.HUB_CORPORA[ref]
        snapshot = hub_corpora.cached(record)
        if snapshot is None:
            raise Refused(
                f"corpus {ref} is not on this machine: `unlearn-tui corpora fetch {ref}` brings it from the hub", field
            )
        return _Place(ref, snapshot, record.layout, part=record.part)
    try:
        path = Path(ref).expanduser()
        if ref.strip() and path.exists():
            return _at(path.resolve(), field)
    except (OSError, RuntimeError, ValueError):
        pass
    hint = catalog.nearest(ref, [*catalog.CORPORA, *catalog.HUB_CORPORA])
    stop = "" if hint.endswith("?") else ";"
    raise Refused(f"there is no corpus {shown(ref)}: {hint}{stop} or give a folder in MUSE's layout", field)


def _at(path: Path, field: str) -> _Place:
    """A folder or file of one's own; one in none of the layouts is left to `muse` to refuse."""
    if path.is_dir():
        if not muse.is_layout(path):
            if parts := tofu.parts_in(path):
                if len(parts) > 1:
                    several = ", ".join(str(path / f"{part}.json") for part in parts)
                    raise Refused(f"{shown(path)} has several forget sets: name one of {several}", field)
                return _Place(path.name, path, "tofu", part=parts[0])
            if lines.is_layout(path):
                return _Place(path.name, path, "lines")
            raise Refused(
                f"{shown(path)} is no corpus: it has none of raw/forget.txt, knowmem/forget_qa.json, "
                "verbmem/forget.json (MUSE's layout), forget.jsonl (your own questions), forget10.json (TOFU's)",
                field,
            )
        return _Place(path.name, path, "muse")
    if part := tofu.part_of(path):
        return _Place(f"{path.parent.name}/{part}", path.parent, "tofu", part=part)
    if path.suffix in lines.ENDINGS:
        return _Place(path.name, path.parent, "lines", file=path.name)
    raise Refused(
        f"corpus {shown(path)} is a file: give JSON Lines (.jsonl), or the folder that holds raw/ and knowmem/", field
    )


def _examples_missing(reader: Reader) -> None:
    """MUSE's layout has the worked examples in files of their own."""
    for side in ("forget", "retain"):
        asked, examples = (f"knowmem/{side}_{what}.json" for what in ("qa", "qa_icl"))
        if reader.has(asked) and not reader.has(examples):
            reader.fault(examples, f"is missing, the worked examples of KnowMem {side}: add it")
