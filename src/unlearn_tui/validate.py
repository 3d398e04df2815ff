"""Refuse a bad spec before any work: names against the catalog, numbers against ranges, fields against each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.versions import lacking

TASKS = ("unlearn", "check", "memorise")
TRAINS = ("unlearn", "memorise")
"""Tasks that make a checkpoint."""


def flag(field: str) -> str:
    """The command-line flag of a spec field."""
    return "--" + field.replace("_", "-")


def check_text(text: str, field: str) -> None:
    """Raise Refused for a text that no file could hold: a name whose bytes are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"{flag(field)} is not UTF-8: set a UTF-8 locale, or rename it", field) from None


def one_name_each(spec: RunSpec) -> RunSpec:
    """The spec with every precision by its canonical name, so that what is the same is called the same everywhere."""
    names = {field: [catalog.canonical(name) for name in getattr(spec, field)] for field in ("precision", "ablate")}
    return msgspec.structs.replace(spec, **names)


def check_installed(names: Iterable[str]) -> None:
    """Raise Refused for the first precision whose library is not installed, with the command that brings it."""
    for record in map(catalog.precision, names):
        if lacking(record.package):
            raise Refused(f"{record.id} needs {record.package}, which is not installed: {record.install}", "precision")


def check_saved(record: catalog.Precision) -> None:
    """Raise Refused for a precision that no folder holds which transformers loads."""
    if record.family_of == "quanto":
        raise Refused(
            f"{record.id} cannot be written: transformers does not load optimum-quanto's weights, name another precision",
            "precision",
        )


def check_spec(spec: RunSpec, compares: bool = True) -> None:
    """Raise Refused (one line, naming the flag) for the first thing wrong with `spec`; touches no file.

    `compares`: quantized scores are set against a full precision, so one must be named.
    """
    if spec.schema != 1:
        raise Refused(f"spec schema {spec.schema} is not known: this version reads schema 1", "schema")
    if spec.task not in TASKS:
        raise Refused(f"unknown task {spec.task!r}: known: {', '.join(TASKS)}", "task")
    for name, allowed in catalog.RANGES.items():
        value = getattr(spec, name)
        # beyond 64 bits an int fits no float, and no seed or counter of the engine
        vast = isinstance(value, int) and value.bit_length() > 63
        if value is not None and (vast or not allowed.holds(value)):
            shown = "of more than 63 bits" if vast else f"{value:g}"
            raise Refused(f"{flag(name)} {shown} is out of range: it must be {allowed}", name)
    if spec.task == "check" and not spec.unlearned:
        raise Refused("check needs --unlearned: the model whose forgetting is in question", "unlearned")
    if spec.task in TRAINS:
        catalog.method(spec.method)
        if (spec.method == catalog.MEMORISE.id) != (spec.task == "memorise"):
            raise Refused(f"--method {spec.method} is not for {spec.task}: use unlearn-tui run or memorise", "method")
        if catalog.method(spec.method).refuses and spec.forget_text != "qa":
            raise Refused(
                f"--method {spec.method} answers questions with refusals: use --forget-text qa", "forget_text"
            )
        if catalog.method(spec.method).pairs and spec.ablate:
            raise Refused(f"--ablate splits an edit, and {spec.method} is two models: leave it out", "ablate")
        catalog.update_mode(spec.weights)
        if spec.steps is not None and spec.epochs is not None:
            raise Refused("--steps and --epochs both given: they say the same thing twice, give one", "steps")
        if spec.steps is None and spec.epochs is None:
            raise Refused("neither --steps nor --epochs given: say how long to train", "steps")
    _one_of(spec.forget_text, ("raw", "qa"), "forget_text")
    _one_of(spec.template, catalog.TEMPLATES, "template")
    if spec.stop_rule:
        _one_of(spec.stop_rule, tuple(catalog.STOP_RULES), "stop_rule")
        if spec.task != "unlearn":
            raise Refused(f"--stop-rule is for unlearning, not for {spec.task}: leave it out", "stop_rule")
    if spec.stop_at is not None and spec.stop_rule != "muse":
        raise Refused("--stop-at is the score at which --stop-rule muse stops: add that, or leave it out", "stop_at")
    if spec.stop_rule == "muse" and spec.stop_at is None:
        if not spec.retrain:
            raise Refused("--stop-rule muse compares with a retrained model: add --retrain, or --stop-at", "stop_rule")
        if "knowmem_forget" not in spec.metric:
            raise Refused("--stop-rule muse needs the retrained model's KnowMem: add knowmem_forget", "metric")
    if spec.sure:
        _one_of(spec.sure, tuple(catalog.SURE), "sure")
        if spec.task != "unlearn":
            raise Refused(f"--sure is for unlearning, not for {spec.task}: leave it out", "sure")
    if spec.lora_rank and spec.task not in TRAINS:
        raise Refused(f"--lora-rank is for training, not for {spec.task}: leave it out", "lora_rank")
    if spec.lora_rank and spec.sure:
        raise Refused(
            "--lora-rank and --sure both given: SURE chooses among weights that LoRA freezes, give one", "sure"
        )
    if spec.resist:
        _resist(spec)
    _one_of(spec.sure_unit, tuple(catalog.SURE_UNITS), "sure_unit")
    _one_of(spec.rmu_weights, tuple(catalog.RMU_WEIGHTS), "rmu_weights")
    _one_of(spec.npo_length, ("sum", "mean"), "npo_length")
    _one_of(spec.optimizer_state, tuple(catalog.MOMENTS), "optimizer_state")
    if spec.task in TRAINS and spec.optimizer_state == "paged" and spec.device == "cpu":
        raise Refused(
            "--optimizer-state paged moves moments out of a GPU's memory: it is not for --device cpu", "optimizer_state"
        )
    _list(spec.precision, "precision")
    for name in spec.precision:
        catalog.precision(name)
    if compares and spec.task != "memorise" and not any(catalog.precision(name).full for name in spec.precision):
        raise Refused(
            "--precision names no full precision: recovery is measured against one, add fp16, bf16 or fp32",
            "precision",
        )
    _list(spec.metric, "metric")
    _once(spec.ablate, "ablate")
    for name in spec.metric:
        catalog.metric(name)
    if spec.min_k not in catalog.MIN_K:
        raise Refused(f"--min-k {spec.min_k} is not known: choose {', '.join(map(str, catalog.MIN_K))}", "min_k")
    if spec.task == "memorise" and (spec.retrain or spec.ablate):
        name = "retrain" if spec.retrain else "ablate"
        raise Refused(f"{flag(name)} is for unlearning: memorise compares no two models, leave it out", name)
    if spec.task in TRAINS and spec.canary_every and not spec.canary.strip():
        raise Refused("--canary is empty: give a question, or its index among the forget questions", "canary")
    for name in spec.ablate:
        if catalog.precision(name).full:
            raise Refused(f"--ablate {name}: full precisions have no zero bin, name a quantizer", "ablate")
        if catalog.precision(name).calibrated:
            raise Refused(f"--ablate {name}: what reads text has no zero bins of its own, name another", "ablate")
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", spec.device):
        raise Refused(f"--device {spec.device!r} is not known: choose auto, cpu, cuda or cuda:N", "device")


def _resist(spec: RunSpec) -> None:
    """Raise Refused where carrying the edit across a zero bin's edges is not defined or has no use."""
    if spec.task != "unlearn":
        raise Refused(f"--resist is for unlearning, not for {spec.task}: leave it out", "resist")
    if catalog.precision(spec.resist).implementation not in catalog.RESISTIBLE:
        known = ", ".join(p.id for p in catalog.PRECISIONS.values() if p.implementation in catalog.RESISTIBLE)
        raise Refused(f"--resist {spec.resist} has no zero bin that an edit can be carried out of: {known}", "resist")
    if spec.resist not in spec.precision:
        raise Refused(
            f"--resist {spec.resist} is not in --precision: add it, what it costs is measured there", "resist"
        )
    if spec.weights != "bf16" or spec.lora_rank:
        updates = catalog.updates(spec.weights, spec.lora_rank)
        raise Refused(
            f"--resist is for pure bf16 updates: with {updates} the edit is in weights of every size", "resist"
        )
    if catalog.method(spec.method).pairs:
        raise Refused(f"--resist is for an edit of one model: {spec.method} answers with two, leave it out", "resist")


def stops_at_retrain(spec: RunSpec) -> bool:
    """Whether training ends by what the retrained model knows: that one is then scored first."""
    return spec.task == "unlearn" and spec.stop_rule == "muse" and spec.stop_at is None


def compares_weights(spec: RunSpec) -> bool:
    """Whether a run has an edit of the target to look at."""
    return not (spec.task == "unlearn" and catalog.method(spec.method).pairs)


def _one_of(value: str, allowed: tuple[str, ...], field: str) -> None:
    if value not in allowed:
        raise Refused(f"{flag(field)} {value!r} is not known: choose {' or '.join(allowed)}", field)


def _list(values: list[str], field: str) -> None:
    if not values:
        raise Refused(f"{flag(field)} is empty: name at least one", field)
    _once(values, field)


def _once(values: list[str], field: str) -> None:
    twice = sorted({v for v in values if values.count(v) > 1})
    if twice:
        raise Refused(f"{flag(field)} names {', '.join(twice)} twice: once is enough", field)


def prompts(metric: str, count: Callable[[str], int]) -> int:
    """How many prompts a metric has, by the items of each part of a corpus; 0 where a part that it needs has none."""
    counts = [count(part) for part in catalog.metric(metric).parts]
    return sum(counts) if all(counts) else 0


def prompts_of(corpus: object, metric: str) -> int:
    """How many prompts a metric has on a corpus (sources.corpora.Corpus)."""
    return prompts(metric, lambda part: len(getattr(corpus, part)))


def lacks(corpus: object) -> set[str]:
    """Metrics that a corpus has nothing to ask for."""
    return {metric for metric in catalog.METRICS if not prompts_of(corpus, metric)}


def needed_parts(spec: RunSpec) -> set[str]:
    """Which parts of its corpus a run reads (sources.corpora.PARTS); worked examples come with their questions."""
    parts = {part for metric in spec.metric for part in catalog.metric(metric).parts}
    if spec.task in TRAINS:
        text = "docs" if spec.forget_text == "raw" else "qa"
        parts.add(f"forget_{text}")
        if spec.stop_rule:
            parts.update(catalog.metric("knowmem_forget").parts)
        if spec.task == "memorise" or catalog.method(spec.method).retain:
            parts.add(f"retain_{text}")
    return parts
