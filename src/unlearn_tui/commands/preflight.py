"""From flags and SPEC.toml to a run that can work: everything that can be refused is refused here, without torch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.files import read_given, toml_table
from unlearn_tui.protocol.spec import RunSpec, from_table
from unlearn_tui.state.plan import disk
from unlearn_tui.validate import (
    TRAINS,
    check_installed,
    check_spec,
    check_text,
    lacks,
    needed_parts,
    one_name_each,
)

if TYPE_CHECKING:
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.sources.checkpoints import CheckpointInfo

LISTS = ("precision", "metric", "ablate")
COMMANDS = {"unlearn": "run", "check": "check", "memorise": "memorise"}
"""The command of each task."""
MEMORISE = {n: ",".join(v) if isinstance(v, tuple) else v for n, v in catalog.MEMORISE_VALUES.items()}
"""What memorise does where nobody says otherwise, as flags."""


def spec_of(flags: dict[str, Any], file: Path | None = None, task: str = "unlearn", compares: bool = True) -> RunSpec:
    """The spec that `file` and `flags` ask for; a flag that is None was not given. Raises Refused for a bad one."""
    table = _read(file) if file else {}
    if file is None or "task" not in table:
        table["task"] = task
    elif table["task"] != task and str(table["task"]) in COMMANDS:
        command = COMMANDS[str(table["task"])]
        raise Refused(f"{str(file)!r} is a spec of another task: give it to unlearn-tui {command}", "task")
    if table.get("trust_remote_code") and flags.get("trust_remote_code") is None:
        raise Refused(
            f"{str(file)!r} asks to run the Python files that a checkpoint brings along: read them, then add "
            "--trust-remote-code, or take it out of the file",
            "trust_remote_code",
        )
    given: dict[str, Any] = {}
    for field in RunSpec.__struct_fields__:
        value = flags.get(field)
        if isinstance(value, str):
            check_text(value, field)
        if value is not None:
            given[field] = _names(value, field) if field in LISTS else value
    # a flag for the one takes the file's other along; both as flags are refused by check_spec
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in given and other not in given:
            table.pop(other, None)
    method = given.get("method") or table.get("method") or RunSpec().method
    usual = catalog.METHODS[method].values if task == "unlearn" and method in list(catalog.METHODS) else {}
    try:
        spec = from_table({**usual, **table, **given})
    except msgspec.ValidationError as error:
        where = f"{str(file)!r}: " if file else ""
        raise Refused(f"{where}{error}: correct the field, or leave it out for its default", "") from None
    spec = one_name_each(spec)
    check_spec(spec, compares)
    return spec


def names_metrics(flags: dict[str, Any], file: Path | None) -> bool:
    """Whether the person said what to score."""
    return flags.get("metric") is not None or (file is not None and "metric" in _read(file))


def fitted(spec: RunSpec) -> tuple[RunSpec, list[str]]:
    """The spec without metrics that its corpus has nothing for, and these: a default should not have to be corrected by
    hand. What training itself would read stays, to be refused. Raises Refused for a corpus that cannot be read.
    """
    from unlearn_tui.sources import corpora

    corpora.fetch(spec.corpus, spec.offline)
    trained = needed_parts(msgspec.structs.replace(spec, metric=[]))
    lacking = {m for m in lacks(corpora.load(spec.corpus)) if trained.isdisjoint(catalog.metric(m).parts)}
    there = [m for m in spec.metric if m not in lacking]
    if not there or there == spec.metric:
        return spec, []
    return msgspec.structs.replace(spec, metric=there), [m for m in spec.metric if m in lacking]


def _read(file: Path) -> dict[str, Any]:
    like = "any run's spec.toml is an example"
    try:
        data = read_given(file)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Refused(
            f"{str(file)!r} cannot be read: {getattr(error, 'strerror', None) or error}; give a spec in TOML, {like}"
        ) from None
    table = toml_table(data, file, "spec", like)
    fields = [*RunSpec.__struct_fields__, "versions"]
    for name in table:
        if name not in fields:
            raise Refused(f"{str(file)!r}: unknown field {name!r}: {catalog.nearest(name, fields)}")
    return table


def _names(text: str, field: str) -> list[str]:
    """A comma list; a set of metrics is written out."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if field == "metric":
        return [metric for name in names for metric in catalog.METRIC_SETS.get(name, (name,))]
    return names


def check_sources(spec: RunSpec, home: Path) -> None:
    """Raise Refused for the first checkpoint, corpus or disk that would stop this run; writes nothing but hashes."""
    from unlearn_tui.sources import checkpoints, corpora
    from unlearn_tui.sources.calibration import check_calibration
    from unlearn_tui.sources.folders import has_chat_template
    from unlearn_tui.sources.foreign import bytes_of, pickle_files

    check_extras(spec)
    check_installed([*spec.precision, *spec.ablate])
    corpora.fetch(spec.corpus, spec.offline)
    corpus = corpora.load(spec.corpus, needed_parts(spec))
    check_calibration(spec.precision, corpus)
    check_canary(spec, len(corpus.forget_qa))
    target = _source(spec, "model", home)
    sources = [target]
    if spec.template == "chat" and target.path is not None and not has_chat_template(target.path):
        raise Refused("--template chat: this model's tokenizer has no chat template, use muse or auto", "template")
    if spec.task == "unlearn" and spec.rmu_layer is not None and 0 < target.layers <= spec.rmu_layer:
        raise Refused(
            f"--rmu-layer {spec.rmu_layer} is out of range: the model has layers 0 to {target.layers - 1}", "rmu_layer"
        )
    for field in ("unlearned", "retrain"):
        ref = getattr(spec, field)
        if ref and (field == "retrain" or spec.task == "check"):
            sources.append(_source(spec, field, home))
            if field == "unlearned":
                checkpoints.same_shape(target, sources[-1])
    # pickled weights, which an engine must read first; of two bytes each, where nothing but their size is known
    waiting = sum(bytes_of(pickle_files(info.path)) for info in sources if info.path is not None)
    checkpoints.free_space(home, disk(spec, target.parameters or waiting // 2) + waiting, "this run")


def _source(spec: RunSpec, field: str, home: Path) -> CheckpointInfo:
    """A checkpoint of the spec that can be used."""
    from unlearn_tui.sources.checkpoints import usable

    return usable(getattr(spec, field), home, spec.offline, field, spec.pickle_weights, spec.trust_remote_code)


def check_resumable(run: RunDir, home: Path) -> None:
    """Raise Refused for what would stop a run that goes on, and for one from elsewhere that asks to run foreign code: nobody
    of this home has said so.
    """
    spec = run.spec()
    if spec.trust_remote_code and run.home.resolve() != home.resolve():
        raise Refused(
            f"run {run.id!r} is of another home and asks to run the Python files that a checkpoint brings along: read them, "
            f"then start it anew: unlearn-tui run {run.spec_path} --trust-remote-code",
            "run",
        )
    check_sources(spec, home)


def code_of(spec: RunSpec, home: Path) -> list[Path]:
    """The Python files that a run would execute (--trust-remote-code), for a spec that has passed check_sources."""
    from unlearn_tui.sources import checkpoints

    found: list[Path] = []
    for field in ("model", "unlearned", "retrain") if spec.trust_remote_code else ():
        ref = getattr(spec, field)
        info = checkpoints.resolve(ref, home, spec.offline, field) if ref else None
        if info is not None and info.path is not None:
            found += checkpoints.code_files(info.path, field)
    return list(dict.fromkeys(found))


def check_extras(spec: RunSpec) -> None:
    """Raise Refused where a run needs a library that is not installed; none is imported."""
    if spec.lora_rank and importlib.util.find_spec("peft") is None:
        raise Refused("--lora-rank needs peft, which is not installed: pip install 'unlearn-tui[lora]'", "lora_rank")


def check_canary(spec: RunSpec, count: int) -> None:
    """Raise Refused where the canary is the number of a question that a corpus of `count` forget questions lacks."""
    asked = spec.task in TRAINS and spec.canary_every and count
    if asked and re.fullmatch(r"-?\d{1,18}", spec.canary.strip()) and not 0 <= int(spec.canary) < count:
        raise Refused(
            f"--canary {spec.canary} is out of range: the corpus has forget questions 0 to {count - 1}", "canary"
        )


def pinned(spec: RunSpec, home: Path) -> RunSpec:
    """The spec with folders and runs as absolute paths: 'last' and './model' must mean the same when it is resumed."""
    from unlearn_tui.sources import checkpoints, corpora

    fixed: dict[str, Any] = {}
    for field in ("model", "unlearned", "retrain"):
        ref = getattr(spec, field)
        info = checkpoints.resolve(ref, home, spec.offline, field) if ref else None
        if info is not None and info.path is not None and info.source in ("folder", "run"):
            fixed[field] = str(info.path.resolve())
        if field == "model" and info is not None and info.layers and spec.rmu_layer is None:
            fixed["rmu_layer"] = catalog.rmu_layer(info.layers) if catalog.method(spec.method).hidden else None
    if not corpora.is_name(spec.corpus):
        fixed["corpus"] = str(Path(spec.corpus).resolve())
    return msgspec.structs.replace(spec, **fixed)


def create(spec: RunSpec, home: Path) -> RunDir:
    """A new run directory for a spec that has passed check_sources."""
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.versions import versions

    return RunDir.create(home, pinned(spec, home), versions())
