"""What an engine takes of its machine, as one look at it found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU: bytes, percent, °C and watts; None where the driver does not tell."""

    name: str
    used: int
    total: int
    load: float | None
    temperature: float | None
    watts: float | None


@dataclass(frozen=True)
class Sample:
    """One look. Bytes; `cpu` in percent of the cores that may be used here; None where it cannot be known.

    `memory` and `cpu` are those of the engine and its children, and need it to run on this host.
    """

    time: float
    cpu: float | None = None
    memory: int | None = None
    free: int | None = None
    total: int | None = None
    gpu: Gpu | None = None
