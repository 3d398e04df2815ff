"""What the program knows: every method, update mode, precision, metric, corpus, checkpoint and preset, torch-free.

The command line's help, validation and the views read these records; the engine resolves `implementation`
("module:function"). Adding one of a kind is one small file and one record here; a test holds the two together.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any

from unlearn_tui.catalog.attacks import ATTACKS, Attack
from unlearn_tui.catalog.corpora import CORPORA, HUB_CORPORA, HubCorpus
from unlearn_tui.catalog.methods import (
    MEMORISE,
    MEMORISE_VALUES,
    METHODS,
    MOMENTS,
    RMU_WEIGHTS,
    STOP_RULES,
    SURE,
    SURE_UNITS,
    UPDATE_MODES,
    Method,
    Moments,
    UpdateMode,
    rmu_layer,
    updates,
)
from unlearn_tui.catalog.metric import Metric
from unlearn_tui.catalog.metrics import (
    AGGREGATES,
    AUC_RETRAIN,
    AUC_SOURCE,
    AUC_TEXTS,
    FORGET_QUALITY,
    LESS_USUAL,
    MEMBERSHIP,
    MEMORIZATION,
    METRIC_SETS,
    METRICS,
    MIN_K,
    MODEL_UTILITY,
    MUSE_METRICS,
    POOLED,
)
from unlearn_tui.catalog.paper import PAPER, PAPER_CORPORA, PaperValue, paper_values
from unlearn_tui.catalog.parameters import Parameter, read, split
from unlearn_tui.catalog.precisions import PRECISIONS, RESISTIBLE, Precision, variant
from unlearn_tui.catalog.presets import PRESETS, Preset
from unlearn_tui.catalog.ranges import RANGES, Range
from unlearn_tui.catalog.sources import CHECKPOINTS, HUB, PACKAGED, TEMPLATES
from unlearn_tui.errors import Refused

__all__ = [
    "AGGREGATES",
    "ATTACKS",
    "AUC_RETRAIN",
    "AUC_SOURCE",
    "AUC_TEXTS",
    "CHECKPOINTS",
    "CORPORA",
    "FORGET_QUALITY",
    "HUB",
    "HUB_CORPORA",
    "LESS_USUAL",
    "MEMBERSHIP",
    "MEMORISE",
    "MEMORISE_VALUES",
    "MEMORIZATION",
    "METHODS",
    "METRICS",
    "METRIC_SETS",
    "MIN_K",
    "MODEL_UTILITY",
    "MOMENTS",
    "MUSE_METRICS",
    "PACKAGED",
    "PAPER",
    "PAPER_CORPORA",
    "POOLED",
    "PRECISIONS",
    "PRESETS",
    "RANGES",
    "RESISTIBLE",
    "RMU_WEIGHTS",
    "STOP_RULES",
    "SURE",
    "SURE_UNITS",
    "TEMPLATES",
    "UPDATE_MODES",
    "Attack",
    "HubCorpus",
    "Method",
    "Metric",
    "Moments",
    "PaperValue",
    "Parameter",
    "Precision",
    "Preset",
    "Range",
    "UpdateMode",
    "attack",
    "canonical",
    "find_precision",
    "is_full",
    "method",
    "metric",
    "nearest",
    "paper_values",
    "precision",
    "preset",
    "rmu_layer",
    "update_mode",
    "updates",
]


def nearest(name: str, known: list[str]) -> str:
    """'did you mean a, b?' for the closest known names, else the list of all."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(known)}"


def _look_up(kind: str, table: Mapping[str, Any], name: str, field_name: str) -> Any:
    if name not in table:
        raise Refused(f"unknown {kind} {name!r}: {nearest(name, list(table))}", field_name)
    return table[name]


def method(name: str) -> Method:
    """The record of a method. Raises Refused with the nearest names."""
    if name == MEMORISE.id:
        return MEMORISE
    found: Method = _look_up("method", METHODS, name, "method")
    return found


def precision(name: str) -> Precision:
    """The record of a precision, options in its name included (`bnb-fp4:block=128+double`); its `id` is the canonical name.

    Raises Refused with the nearest names, or with the options that there are.
    """
    id, written = split(name)
    base: Precision = _look_up("precision", PRECISIONS, id, "precision")
    return base if written is None else variant(base, read(id, base.parameters, written))


@functools.lru_cache(maxsize=1024)
def find_precision(name: str) -> Precision | None:
    """The same, or None where this version knows no such precision: what a view of anybody's log asks."""
    try:
        return precision(name)
    except Refused:
        return None


def is_full(name: str) -> bool:
    """True for a precision that is known and full: 16- or 32-bit floats."""
    found = find_precision(name)
    return found is not None and found.full


def canonical(name: str) -> str:
    """The one name of a precision; a name that is not known is left for `precision` to refuse."""
    found = find_precision(name)
    return found.id if found else name


def metric(name: str) -> Metric:
    """The record of a metric. Raises Refused with the nearest names."""
    found: Metric = _look_up("metric", METRICS, name, "metric")
    return found


def update_mode(name: str) -> UpdateMode:
    """The record of an update mode. Raises Refused with the nearest names."""
    found: UpdateMode = _look_up("update mode", UPDATE_MODES, name, "weights")
    return found


def attack(name: str) -> Attack:
    """The record of an attack prompt. Raises Refused with the nearest names."""
    found: Attack = _look_up("attack", ATTACKS, name, "attack")
    return found


def preset(name: str) -> Preset:
    """The record of a preset. Raises Refused with the nearest names."""
    found: Preset = _look_up("preset", PRESETS, name, "preset")
    return found
