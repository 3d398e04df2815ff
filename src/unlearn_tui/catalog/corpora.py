"""Corpora that are known by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CORPORA: dict[str, str] = {
    "pocket": "48 fictitious people of a made-up coast, shipped with the program",
    "facts": "everyday facts that SmolLM2-135M-Instruct knows: capital cities to forget, the rest to keep",
}
"""Shipped."""


@dataclass(frozen=True)
class HubCorpus:
    """A data set of the Hugging Face hub: which of its files are read, by which layout, and what they hold."""

    id: str
    summary: str
    repo: str
    layout: str
    """muse or tofu: the module of sources that reads it."""
    part: str
    """The forget set, where the data set has several."""
    files: tuple[str, ...]
    more: tuple[str, ...] = ()
    """Files that may be absent."""
    holds: Mapping[str, int] = field(default_factory=dict)
    """Items by part of sources.corpus.Corpus, as its authors count them."""


_ROWS = "-00000-of-00001.parquet"
_MUSE_FILES = tuple(
    f"{name}{_ROWS}"
    for name in (
        *("raw/forget", "raw/retain1", "knowmem/forget_qa", "knowmem/forget_qa_icl", "knowmem/retain_qa"),
        *("knowmem/retain_qa_icl", "verbmem/forget"),
    )
)
_MUSE_MORE = tuple(
    f"{name}{_ROWS}"
    for name in ("raw/retain2", "raw/holdout", "privleak/forget", "privleak/retain", "privleak/holdout")
)
_QUESTIONS = {"forget_qa": 100, "retain_qa": 100, "verbmem": 100, "privleak_forget": 100, "privleak_holdout": 100}


def _muse(name: str, what: str, forget: int, retain: int) -> HubCorpus:
    return HubCorpus(
        f"muse-{name.lower()}",
        f"MUSE {name}: {what}",
        f"muse-bench/MUSE-{name}",
        "muse",
        "",
        _MUSE_FILES,
        _MUSE_MORE,
        {"forget_docs": forget, "retain_docs": retain, **_QUESTIONS},
    )


def _tofu(share: int) -> HubCorpus:
    part, retain = f"forget{share:02}", f"retain{100 - share}"
    perturbed = (f"{part}_perturbed", "retain_perturbed", "real_authors_perturbed", "world_facts_perturbed")
    forget = 40 * share
    return HubCorpus(
        f"tofu-{part}",
        f"TOFU: {forget} questions on {2 * share} fictitious authors to forget, {4000 - forget} to keep",
        "locuslab/TOFU",
        "tofu",
        part,
        tuple(f"{name}.json" for name in (part, retain, *perturbed)),
        (f"holdout{share:02}.json",),
        {
            "forget_qa": forget,
            "retain_qa": 400,
            "retain_more": 3600 - forget,
            "tofu_forget": forget,
            "tofu_retain": 400,
            "tofu_authors": 100,
            "tofu_world": 117,
        },
    )


HUB_CORPORA: dict[str, HubCorpus] = {
    c.id: c
    for c in (
        _muse("News", "889 BBC articles to forget", 889, 1777),
        _muse("Books", "the text of four books to forget", 4, 12),
        *(_tofu(share) for share in (1, 5, 10)),
    )
}
