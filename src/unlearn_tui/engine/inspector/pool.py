"""Models in memory: loaded once, prepared once a precision, the least recently used let go when room is needed."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.quantization.calibrated import Calibration
from unlearn_tui.engine.quantization.prepare import full_dtype, linears, prepare, tensor_bytes
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import ModelRef
from unlearn_tui.sources.fits import main_memory
from unlearn_tui.sources.folders import describe
from unlearn_tui.sources.wording import shown, size

CPU = torch.device("cpu")
TOKENIZERS = 4
WEIGHTS = (".safetensors", ".bin", ".gguf")
Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of each file of a checkpoint: other files, another model."""
Key = tuple[str, Stamp, str, str]
"""Path, stamp, precision ("" for the weights as stored) and device."""


@dataclass
class Held:
    """A model in memory. `bytes` of its tensors, the cached beginnings of prompts included."""

    key: Key
    model: Any
    tokenizer: Any
    bytes: int
    caches: dict[tuple[int, ...], Any] = field(default_factory=dict)
    """Keys and values of prompts' shared beginnings."""

    @property
    def device(self) -> str:
        return self.key[3]


class NoRoom(Exception):
    """A model does not fit in what is left of the budget; the message says in figures how far."""


def stamp(folder: Path) -> Stamp | None:
    """What a checkpoint's files look like now; None where it has no weights any more."""
    try:
        files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
        found = [(f.name, s.st_size, s.st_mtime_ns, s.st_ino) for f in files for s in (f.stat(),)]
    except OSError:
        return None
    return tuple(found) if any(name.endswith(WEIGHTS) for name, *_ in found) else None


def free_bytes(device: str) -> int:
    """Memory that nobody uses on a device."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return main_memory().free


class Pool:
    """The models of one process, counted for each device. Used from one thread; `snapshot` may be read from any."""

    def __init__(self) -> None:
        self._held: dict[Key, Held] = {}
        self._pinned: set[Key] = set()
        self._budgets: dict[str, int] = {}
        self._tokenizers: dict[tuple[str, Stamp], Any] = {}
        self.loaded = 0
        """Models loaded or quantized since begin()."""
        self.snapshot: list[tuple[str, str, int]] = []
        self.device = "cpu"

    def begin(self, device: torch.device, budget: int = 0) -> None:
        """A new request: nothing is pinned, budgets are looked up afresh (`budget` bytes on its device, 0: half of what
        is free there without what is held here).
        """
        self._pinned.clear()
        self.loaded, self.device = 0, str(device)
        for name in {"cpu", self.device}:
            self._budgets[name] = (free_bytes(name) + self._used(name)) // 2
        if budget:
            self._budgets[self.device] = budget
        self._make_room(CPU, 0)
        self._make_room(device, 0)

    @property
    def budget(self) -> int:
        """Bytes that models may take on the device of the newest request."""
        return self._budgets.get(self.device, free_bytes(self.device) // 2)

    def present(self, ref: ModelRef) -> tuple[Stamp, str]:
        """The checkpoint as it is on disk, or as it was when it was loaded where it has gone since, and what is to be
        said about that. Raises Refused for one that is neither there nor in memory.
        """
        now = stamp(Path(ref.path))
        held = [key[1] for key in self._held if key[0] == ref.path]
        if now is None and not held:
            raise Refused(f"the checkpoint of {ref.label} is gone: {shown(ref.path)} has no weights, put it back")
        if now is None:
            return held[-1], f"the checkpoint of {ref.label} is gone from disk: answered from memory"
        if held and now not in held:
            self._drop([key for key in self._held if key[0] == ref.path])
            return now, f"the checkpoint of {ref.label} has changed on disk: loaded again"
        return now, ""

    def base(self, ref: ModelRef, seen: Stamp, tell: Callable[[str], None]) -> Held:
        """The weights as stored, on the CPU. Raises Refused, NoRoom."""
        key = (ref.path, seen, "", "cpu")
        if key not in self._held:
            if stamp(Path(ref.path)) is None:
                raise Refused(
                    f"{ref.label} was let go from memory and its checkpoint is gone from disk: put it back, or ask "
                    "another model"
                )
            self._make_room(CPU, stored_bytes(Path(ref.path), seen), ref.label)
            tell(f"load {ref.label}")
            model = load_model(Path(ref.path))
            own(model)
            self.loaded += 1
            self._held[key] = Held(key, model, self.tokenizer(ref, seen), tensor_bytes(model))
        return self._touch(key)

    def tokenizer(self, ref: ModelRef, seen: Stamp) -> Any:
        """A checkpoint's tokenizer, which stays as long as the last TOKENIZERS do. Raises Refused."""
        held = next((h for k, h in self._held.items() if k[:2] == (ref.path, seen)), None)
        key = (ref.path, seen)
        if key not in self._tokenizers:
            self._tokenizers[key] = held.tokenizer if held else load_tokenizer(Path(ref.path))
            while len(self._tokenizers) > TOKENIZERS:
                self._tokenizers.pop(next(iter(self._tokenizers)))
        return self._tokenizers[key]

    def acquire(
        self,
        ref: ModelRef,
        seen: Stamp,
        precision: str,
        device: torch.device,
        tell: Callable[[str], None],
        calibrated: Callable[[Any], Calibration] | None = None,
    ) -> Held:
        """A model at a precision, pinned until the next begin(). Raises Refused, NoRoom.

        `calibrated`: from a tokenizer, what a precision reads that needs text; another corpus later does not requantize.
        """
        key = (ref.path, seen, precision, str(device))
        if key not in self._held:
            base = self.base(ref, seen, tell)
            self._pinned.add(base.key)  # it may be older than what must go
            try:
                self._make_room(device, expected_bytes(base.model, precision, device), f"{ref.label} at {precision}")
                tell(f"{ref.label} at {precision}")
                reads = calibrated if catalog.precision(precision).calibrated else None
                prepared = prepare(base.model, precision, device, reads(base.tokenizer) if reads else None)
            finally:
                self._pinned.discard(base.key)
            self.loaded += 1
            self._held[key] = Held(key, prepared.model, base.tokenizer, prepared.memory)
        self._pinned.add(key)
        return self._touch(key)

    def grown(self, held: Held, by: int) -> None:
        """Count bytes that a held model's caches have taken."""
        held.bytes += by
        self._publish()

    def forget(self) -> None:
        """Let everything go that the request in hand does not need: memory has run out."""
        self._drop([key for key in self._held if key not in self._pinned])

    def clear(self) -> None:
        """Let everything go."""
        self._pinned.clear()
        self.forget()

    def _touch(self, key: Key) -> Held:
        """The most recently used stands last."""
        held = self._held[key] = self._held.pop(key)
        self._publish()
        return held

    def _make_room(self, device: torch.device, needed: int, what: str = "") -> None:
        name = str(device)
        budget = self._budgets[name]
        leaving = iter([k for k in self._held if k[3] == name and k not in self._pinned])
        going: list[Key] = []
        used = self._used(name)
        while used + needed > budget:
            key = next(leaving, None)
            if key is None:
                break
            going.append(key)
            used -= self._held[key].bytes
        if needed and used + needed > budget:
            cpu = "" if name == "cpu" else ", or --device cpu"
            left = f", of which {size(max(budget - used, 0))} is left" if used else ""
            raise NoRoom(
                f"{what} takes {size(needed)}, and models may take {size(budget)}{left}: ask fewer models and "
                f"precisions, or allow more (--budget){cpu}"
            )
        self._drop(going)

    def _drop(self, keys: list[Key]) -> None:
        for key in keys:
            del self._held[key]
        if keys:
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._publish()

    def _used(self, device: str) -> int:
        return sum(held.bytes for held in self._held.values() if held.device == device)

    @property
    def used(self) -> int:
        """Bytes held on the device of the newest request."""
        return sum(count for _, _, count in self.snapshot)

    def _publish(self) -> None:
        self.snapshot = [(k[0], k[2], h.bytes) for k, h in self._held.items() if h.device == self.device]


def stored_bytes(folder: Path, seen: Stamp) -> int:
    """What the weights of a folder will take in memory; a GGUF file's blocks are unpacked into float32."""
    if any(name.endswith(".gguf") for name, *_ in seen):
        return 4 * describe(folder.name, folder, "folder", folder).parameters
    return sum(length for name, length, *_ in seen if name.endswith(WEIGHTS))


def expected_bytes(model: Any, precision: str, device: torch.device) -> int:
    """About what the tensors of a model at a precision will take, before it is made."""
    record = catalog.precision(precision)
    wanted = torch.float32 if precision == "fp32" else torch.float16
    width = full_dtype(device, wanted).itemsize
    inner = {id(module.weight): module.weight.numel() for _, module in linears(model)}
    total = sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())
    quantized = 0 if record.full or record.family_of in ("rtn", "calibrated") else sum(inner.values())
    bits = 8 if record.package == "torchao" else record.bits  # its 4-bit codes stand in bytes
    # a scale for every block of 64 is another half bit or more
    return (total - quantized) * width + round(quantized * (bits / 8 + 4 / 64))


def own(model: Any) -> None:
    """Copy every tensor that is a view of a file: the file may be changed or cut while the model is in memory."""
    for tensor in _tensors(model):
        tensor.data = tensor.data.clone()


def _tensors(model: Any) -> Iterator[torch.Tensor]:
    seen = set()
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield tensor
