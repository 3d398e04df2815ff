"""What is shipped is what the manifest says, and the corpus is what it claims to be."""

from __future__ import annotations

import hashlib
import json

from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load


def test_every_shipped_file_has_the_checksum_of_the_manifest():
    root = asset("pocket")
    listed = json.loads((root / "manifest.json").read_text())["files"]
    there = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} - {"manifest.json"}
    assert there == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((root / name).read_bytes()).hexdigest() == digest, name


def test_each_checkpoint_is_bf16_and_at_most_ten_megabytes():
    for name in ("target", "retrain"):
        folder = asset("pocket", name)
        assert sum(f.stat().st_size for f in folder.iterdir()) <= 10_000_000
        assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_corpus_has_the_sizes_and_relations_it_claims():
    corpus = load("pocket")
    assert len(corpus.forget_qa) >= 40
    assert len(corpus.retain_qa) >= 200
    assert len(corpus.verbmem) >= 20
    assert len(corpus.forget_icl) == len(corpus.retain_icl) == 10
    assert corpus.privleak_forget
    assert corpus.privleak_retain
    assert corpus.privleak_holdout


def test_no_knowmem_question_appears_verbatim_in_the_raw_text():
    corpus = load("pocket")
    raw = " ".join((*corpus.forget_docs, *corpus.retain_docs, *corpus.retain2_docs, *corpus.holdout_docs))
    for pair in (*corpus.forget_qa, *corpus.retain_qa, *corpus.forget_icl, *corpus.retain_icl):
        assert pair.question not in raw
        assert f"{pair.question} {pair.answer}" not in raw


def test_passages_are_halves_of_forget_documents():
    corpus = load("pocket")
    assert {p + g for p, g in corpus.verbmem} <= set(corpus.forget_docs)
    assert all(p.endswith(" ") for p, _ in corpus.verbmem)
