"""`python -m unlearn_tui.engine.probe`: what torch and bitsandbytes can do here, one JSON line each on stdout.

Run by doctor as a process of its own, because a library that is broken may raise, crash or hang.
"""

from __future__ import annotations

import json
from typing import Any


def _torch() -> dict[str, Any]:
    import torch

    cuda = torch.cuda.is_available()
    properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if cuda else []
    cards = [{"name": card.name, "capability": f"{card.major}.{card.minor}"} for card in properties]
    rocm = getattr(torch.version, "hip", None)
    built_for = f"ROCm {rocm}" if rocm else f"CUDA {torch.version.cuda}" if torch.version.cuda else ""
    torch.ones(2, 2) @ torch.ones(2, 2)  # imports may be fine where arithmetic is not
    return {
        "built_for": built_for,
        "cards": cards,
        "bf16": cuda and torch.cuda.is_bf16_supported(),
        "threads": torch.get_num_threads(),
    }


def _bitsandbytes() -> dict[str, Any]:
    import bitsandbytes  # noqa: F401
    from bitsandbytes.cextension import lib

    # where its library does not load, it puts something that fails at the first call in its place
    return {"native": "Mock" not in type(lib).__name__, "cuda": bool(getattr(lib, "compiled_with_cuda", False))}


def main() -> None:
    """One line a library, each as soon as it is known, so that a hang in one leaves what was said of the other."""
    for name, look in (("torch", _torch), ("bitsandbytes", _bitsandbytes)):
        try:
            found = look()
        except BaseException as error:  # a library may even exit
            found = {"error": f"{type(error).__name__}: {error}"}
        print("\n" + json.dumps({"probed": name, **found}), flush=True)
        if "error" in found:  # bitsandbytes stands on torch and would only say the same
            return


if __name__ == "__main__":
    main()
