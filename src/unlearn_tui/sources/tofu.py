"""Read TOFU (Maini et al. 2024, arXiv 2401.06121) as the hub's locuslab/TOFU keeps it: one JSON object a line.

    forget01.json, retain99.json             the questions to forget and to keep; 05 and 95, 10 and 90 likewise
    forget01_perturbed.json                  with the answer in other words and five wrong ones, for truth ratios
    retain_perturbed.json                    the same for 400 of the questions to keep, which are those that are scored
    real_authors_perturbed.json, world_facts_perturbed.json    what is to be known besides, with wrong answers
    holdout01.json                           questions of authors that no model was trained on

The perturbed files may be absent: then the metrics that read them are left out. TOFU has no worked examples, so retain
questions serve as KnowMem's.
"""

from __future__ import annotations

import re
from pathlib import Path

from unlearn_tui.sources.corpus import QA, Corpus, Perturbed
from unlearn_tui.sources.lines import with_examples
from unlearn_tui.sources.reading import Reader, pick, texts_of

FORGET = re.compile(r"forget(01|05|10)")


def retain_of(part: str) -> str:
    """The retain set that belongs to a forget set: forget10 → retain90."""
    return f"retain{100 - int(part.removeprefix('forget'))}"


def parts_in(folder: Path) -> list[str]:
    """The forget sets of a folder that have their retain set beside them."""
    reader = Reader(folder)
    parts = [f"forget{share}" for share in ("01", "05", "10")]
    return [p for p in parts if reader.has(f"{p}.json") and reader.has(f"{retain_of(p)}.json")]


def part_of(path: Path) -> str:
    """The forget set that a file of the layout is, with its retain set beside it; "" for any other file."""
    return path.stem if path.suffix == ".json" and path.stem in parts_in(path.parent) else ""


def files_of(part: str) -> tuple[str, ...]:
    """The files that a forget set is read from."""
    perturbed = (f"{part}_perturbed", "retain_perturbed", "real_authors_perturbed", "world_facts_perturbed")
    return tuple(f"{name}.json" for name in (part, retain_of(part), *perturbed))


def read(reader: Reader, part: str) -> Corpus:
    """One forget set with its retain set and whichever perturbed sets are there."""
    forget, retain = _questions(reader, f"{part}.json"), _questions(reader, f"{retain_of(part)}.json")
    sets = [_perturbed(reader, name) for name in files_of(part)[2:]]
    # TOFU scores 400 of the retain questions; the others are trained on all the same
    scored = tuple(QA(p.question, p.answer) for p in sets[1])
    if scored:
        known = frozenset(scored)
        more = tuple(pair for pair in retain if pair not in known)
        examples = with_examples((), more)[0]
        said = f"the {len(scored)} questions of retain_perturbed.json are scored"
        notes: tuple[str, ...] = (f"{said}, the first {len(examples)} others serve as KnowMem's worked examples",)
    else:
        examples, scored, more, notes = with_examples((), retain)
    share = part.removeprefix("forget")
    return Corpus(
        name=reader.name,
        path=reader.folder / f"{part}.json",
        layout="tofu",
        notes=notes,
        files=tuple(reader.files),
        forget_qa=forget,
        forget_icl=examples,
        retain_qa=scored,
        retain_icl=examples,
        retain_more=more,
        holdout_docs=tuple(f"{q}\n{a}" for q, a in _questions(reader, f"holdout{share}.json")),
        tofu_forget=sets[0],
        tofu_retain=sets[1],
        tofu_authors=sets[2],
        tofu_world=sets[3],
    )


def _questions(reader: Reader, name: str) -> tuple[QA, ...]:
    return tuple(QA(*e) for e in pick([reader.entry(name, row, QA._fields) for row in reader.rows(name)]))


def _perturbed(reader: Reader, name: str) -> tuple[Perturbed, ...]:
    """The items of a perturbed set; none where the file is absent."""
    found = []
    for row in reader.rows(name):
        entry = reader.entry(name, row, QA._fields)
        wrong = texts_of(reader, name, row, "perturbed_answer") if entry else None
        if entry is None or wrong is None:
            continue
        other = [entry[1]]
        if "paraphrased_answer" in row.value:
            said = reader.entry(name, row, ("paraphrased_answer",))
            if said is None:
                continue
            other = said
        found.append(Perturbed(entry[0], entry[1], other[0], wrong))
    return tuple(found)
