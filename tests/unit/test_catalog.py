"""The catalog and the code behind it hold together."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import unlearn_tui
from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.sources.corpora import PARTS
from unlearn_tui.validate import check_spec

ROOT = Path(unlearn_tui.__file__).parent


def functions(module: str) -> set[str]:
    path = ROOT.parent / (module.replace(".", "/") + ".py")
    return {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}


def references() -> list[str]:
    found = [m.forget for m in catalog.METHODS.values()] + [m.retain for m in catalog.METHODS.values() if m.retain]
    found += [u.implementation for u in catalog.UPDATE_MODES.values()]
    found += [p.implementation for p in catalog.PRECISIONS.values()]
    found += [m.implementation for m in catalog.METRICS.values()]
    return found


@pytest.mark.parametrize("reference", sorted(set(references())))
def test_every_record_resolves_to_a_function(reference):
    module, _, name = reference.partition(":")
    assert name in functions(module)


def test_every_implementation_has_a_record():
    """A loss, rounding or metric function that no record names would be dead code or a forgotten record."""
    named = set(references())
    for module, prefix in (
        ("unlearn_tui.engine.unlearning.ga", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.npo", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.simnpo", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.idkdpo", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.rmu", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.gdr", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.klr", ("forget_loss", "retain_loss")),
        ("unlearn_tui.engine.unlearning.rounding", ("nearest", "stochastic", "keep")),
        ("unlearn_tui.engine.quantization.full", ("prepare",)),
        ("unlearn_tui.engine.quantization.bnb", ("prepare",)),
        ("unlearn_tui.engine.quantization.quanto", ("prepare",)),
        ("unlearn_tui.engine.quantization.rtn", ("prepare",)),
        ("unlearn_tui.engine.quantization.torchao", ("prepare",)),
        ("unlearn_tui.engine.quantization.calibrated", ("prepare",)),
        ("unlearn_tui.engine.evaluation.knowmem", ("score",)),
        ("unlearn_tui.engine.evaluation.verbmem", ("score", "sampled")),
        ("unlearn_tui.engine.evaluation.extraction_strength", ("score",)),
        ("unlearn_tui.engine.evaluation.exact_memorization", ("score",)),
        ("unlearn_tui.engine.evaluation.privleak", ("score",)),
        ("unlearn_tui.engine.evaluation.mmlu", ("score",)),
        ("unlearn_tui.engine.evaluation.truthfulqa", ("mc",)),
        ("unlearn_tui.engine.evaluation.triviaqa", ("score",)),
        ("unlearn_tui.engine.evaluation.fluency", ("score",)),
        ("unlearn_tui.engine.evaluation.tofu", ("probability", "rouge", "truth_ratio")),
    ):
        for name in functions(module):
            if name.startswith(prefix):
                assert f"{module}:{name}" in named


def test_every_metric_says_which_part_of_a_corpus_it_reads():
    assert all(metric.parts and set(metric.parts) <= set(PARTS) for metric in catalog.METRICS.values())


@pytest.mark.parametrize("preset", list(catalog.PRESETS))
def test_every_preset_is_a_valid_spec_and_only_the_update_mode_differs(preset):
    values = catalog.PRESETS[preset].values
    check_spec(RunSpec(**values))
    assert set(values) == {"weights"}


def test_the_defaults_are_the_effect_preset():
    assert RunSpec() == RunSpec(**catalog.PRESETS["effect"].values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"method": "gaklr"}, "ga_klr"),
        ({"precision": ["fp16", "fp4"]}, "bnb-fp4"),
        ({"precision": ["bnb-fp4"]}, "full precision"),
        ({"precision": []}, "--precision"),
        ({"precision": ["fp16", "fp16"]}, "twice"),
        ({"metric": ["knowmem"]}, "knowmem_forget"),
        ({"lr": 0.0}, "--lr"),
        ({"lr": float("nan")}, "--lr"),
        ({"lr": float("inf")}, "--lr"),
        ({"lr": -1e-5}, "--lr"),
        ({"steps": 5, "epochs": 1.0}, "--epochs"),
        ({"steps": None}, "how long"),
        ({"steps": 0}, "--steps"),
        ({"batch": 0}, "--batch"),
        ({"beta": 0.0}, "--beta"),
        ({"weights": "fp64"}, "fp32"),
        ({"gamma": 0.0}, "--gamma"),
        ({"stop_rule": "soon"}, "score or muse"),
        ({"stop_rule": "muse"}, "--retrain"),
        ({"stop_rule": "muse", "retrain": "pocket-retrain", "metric": ["knowmem_retain"]}, "knowmem_forget"),
        ({"stop_rule": "muse", "stop_at": 101.0}, "--stop-at"),
        ({"stop_at": 30.0}, "--stop-rule muse"),
        ({"stop_rule": "muse", "stop_at": float("nan")}, "--stop-at"),
        ({"task_alpha": 0.0}, "--task-alpha"),
        ({"optimizer_state": "4bit"}, "8bit"),
        ({"optimizer_state": "paged", "device": "cpu"}, "--device cpu"),
        ({"rmu_layer": -1}, "--rmu-layer"),
        ({"rmu_coefficient": float("nan")}, "--rmu-coefficient"),
        ({"rmu_weights": "some"}, "mlp or all"),
        ({"delta": float("inf")}, "--delta"),
        ({"method": "idkdpo", "forget_text": "raw"}, "--forget-text qa"),
        ({"forget_text": "poem"}, "--forget-text"),
        ({"ablate": ["fp16"]}, "zero bin"),
        ({"task": "check"}, "--unlearned"),
        ({"schema": 2}, "schema"),
    ],
)
def test_a_bad_spec_is_refused_in_one_line_that_says_what_to_do(values, said):
    with pytest.raises(Refused) as caught:
        check_spec(RunSpec(**values))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
