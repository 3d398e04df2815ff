"""`python -m unlearn_tui.engine.quantize MODEL PRECISION DIR [CORPUS]`: write a checkpoint quantized; started by `quantize`.

Says on stdout what it is doing, a JSON object a line: {"doing": …}, at last {"bytes": …} or {"refused": …, "field": …}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.quantization.bnb import straddles
from unlearn_tui.engine.quantization.calibrated import Calibration
from unlearn_tui.engine.quantization.prepare import linears
from unlearn_tui.engine.quantization.saving import save
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import load


def say(out: object, **what: object) -> None:
    """One line for whoever started this."""
    print(json.dumps(what), file=out, flush=True)  # type: ignore[call-overload]


def main(folder: str, precision: str, path: str, corpus: str = "") -> int:
    """Load, quantize, write; returns the exit code."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no part of it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what is half written goes
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        say(out, doing="load the model")
        model, tokenizer = load_model(Path(folder)), load_tokenizer(Path(folder))
        say(out, doing=f"quantize and write, {sum(p.numel() for p in model.parameters()):,} weights")
        record = catalog.precision(precision)
        if "quant_type" in record.options and any(straddles(m.weight, record) for _, m in linears(model)):
            told = f"layers are no multiple of blocks of {record.options['block']}"
            say(
                out,
                doing=f"{told}: on CPUs with AVX-512 BF16, bitsandbytes itself fails on such a folder (GPUs do not)",
            )
        calibration = Calibration(tokenizer, load(corpus), lambda text: say(out, doing=text)) if corpus else None
        say(out, bytes=save(model, tokenizer, precision, Path(path), calibration))
        return 0
    except Refused as refused:
        say(out, refused=str(refused), field=refused.field)
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
