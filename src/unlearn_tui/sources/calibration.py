"""The text that GPTQ and AWQ quantize by."""

from __future__ import annotations

from collections.abc import Iterable

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpus import Corpus


def calibration_text(corpus: Corpus, record: catalog.Precision) -> str:
    """What a calibrated precision reads: a half's documents, or where there are none its questions and answers.

    Raises Refused where the corpus has neither.
    """
    half = record.options["calibration"]
    retain = half == "retain"
    text = corpus.retain_text if retain else corpus.forget_text
    pairs = corpus.retain_pairs if retain else corpus.forget_qa
    text = text or "\n\n".join(f"Question: {q}\nAnswer: {a}" for q, a in pairs)
    if not text.strip():
        other = f"{record.id.partition(':')[0]}:calibration={'forget' if retain else 'retain'}"
        raise Refused(f"{record.id} reads {half} text, and the corpus has none: add some, or use {other}", "precision")
    return text


def check_calibration(names: Iterable[str], corpus: Corpus) -> None:
    """Raise Refused for the first precision that the corpus has no text for."""
    for record in map(catalog.precision, names):
        if record.calibrated:
            calibration_text(corpus, record)
