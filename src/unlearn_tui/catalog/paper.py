"""What the paper used, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unlearn_tui.catalog.references import MUSE


@dataclass(frozen=True)
class PaperValue:
    """What the paper used in one RunSpec field, and who says so; "" in `corpus` or `method` means any of them."""

    field: str
    value: Any
    source: str
    corpus: str = ""
    method: str = ""

    @property
    def whose(self) -> str:
        """The paper builds on MUSE's code: what only that one tells is called MUSE's."""
        return "MUSE's" if self.source.startswith(MUSE) else "the paper's"


_CODE = "Zhang et al., ICLR 2025, released code"
_APPENDIX = "Zhang et al., ICLR 2025, appendix D (as an independent reproduction gives it)"
PAPER_CORPORA = ("news", "books")
PAPER = (
    PaperValue("lr", 1e-5, _APPENDIX),
    PaperValue("batch", 4, f"{MUSE}, released code"),
    PaperValue("max_length", 2048, f"{MUSE}, released code"),
    PaperValue("forget_text", "raw", f"{MUSE}, released code"),
    PaperValue("beta", 0.1, _CODE),
    PaperValue("weights", "bf16", _CODE),
    PaperValue("epochs", 10.0, _APPENDIX, "news"),
    PaperValue("alpha", 1.0, _APPENDIX, "news"),
    PaperValue("epochs", 5.0, _APPENDIX, "books"),
    PaperValue("alpha", 100.0, _APPENDIX, "books", "ga_gdr"),
    PaperValue("alpha", 2.0, _APPENDIX, "books", "npo_klr"),
)
"""For 7B models on MUSE's corpora. Other values of alpha on BOOKS are not known to us."""


def paper_values(corpus: str, method: str) -> dict[str, PaperValue]:
    """The paper's values by field for a corpus of PAPER_CORPORA ("" for another one) and a method."""
    return {p.field: p for p in PAPER if p.corpus in ("", corpus) and p.method in ("", method)}
