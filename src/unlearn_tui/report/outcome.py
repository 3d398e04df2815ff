"""The Result of a run wherever it stands: result.json, or what its log says so far."""

from __future__ import annotations

from typing import Any

import msgspec

from unlearn_tui import catalog
from unlearn_tui.protocol.result import PredictionRow, PrivLeakRow, RecoveryRow, Result, WeightsRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.report.live import score_row
from unlearn_tui.report.text import safe_json
from unlearn_tui.state.run import RunState


def of_state(run: str, spec: RunSpec, state: RunState) -> Result:
    """What a run without result.json has to show: the rows that its log holds."""
    full = next((p for p in spec.precision if catalog.is_full(p)), "")
    head = {"seq", "attempt", "time", "mono", "event"}

    def plain(event: msgspec.Struct) -> dict[str, object]:
        return {k: v for k, v in msgspec.to_builtins(event).items() if k not in head}

    return Result(
        run=run,
        status=state.status,
        error=state.reason if state.status == "failed" else None,
        spec=msgspec.to_builtins(spec),
        versions=state.versions,
        full_precision=full,
        scores=[score_row(s) for s in state.scores.values()],
        recovery=[msgspec.convert(plain(r), RecoveryRow) for r in state.recovery.values()],
        privleak=[msgspec.convert(plain(r), PrivLeakRow) for r in state.privleak.values()],
        weights=[msgspec.convert(plain(w), WeightsRow) for w in state.weights.values()],
        predictions=[msgspec.convert(plain(p), PredictionRow) for p in state.predictions.values()],
        explanation=state.explanation,
        seconds=state.seconds if state.seconds is not None else max(state.now - state.began, 0.0),
        peak_memory=state.memory,
        notes=[entry.text for entry in state.log if entry.level == "warning"],
        answers={"/".join(key): s.answers for key, s in state.scores.items()},
    )


def to_json(value: object) -> str:
    """Pretty JSON with NaN as null and no raw control character, ending in a newline."""
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a path that is not UTF-8
        data = msgspec.json.encode(_utf8(msgspec.to_builtins(value)))
    return safe_json(msgspec.json.format(data, indent=2).decode()) + "\n"


def _utf8(value: Any) -> Any:
    """`value` with every lone surrogate in its texts written as \\udcXX."""
    if isinstance(value, dict):
        return {_utf8(k): _utf8(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_utf8(v) for v in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
