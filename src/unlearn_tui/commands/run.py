"""run, check, memorise, demo, resume, attach: what starts an engine or follows one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from typer import Exit, Option

from unlearn_tui import catalog
from unlearn_tui.commands import options as o
from unlearn_tui.commands.watch import Interrupts, Output, settle
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from unlearn_tui.protocol.spec import RunSpec
    from unlearn_tui.runs.directory import RunDir


def run(
    spec: o.SpecFile = None,
    model: o.Model = None,
    retrain: o.Retrain = None,
    corpus: o.Corpus = None,
    template: o.Template = None,
    method: o.Method = None,
    forget_text: o.ForgetText = None,
    lr: o.Lr = None,
    steps: o.Steps = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    grad_accum: o.GradAccum = None,
    gamma: o.Gamma = None,
    alpha: o.Alpha = None,
    beta: o.Beta = None,
    delta: o.Delta = None,
    task_alpha: o.TaskAlpha = None,
    rmu_layer: o.RmuLayer = None,
    rmu_coefficient: o.RmuCoefficient = None,
    rmu_weights: o.RmuWeights = None,
    npo_length: o.NpoLength = None,
    max_length: o.MaxLength = None,
    clip: o.Clip = None,
    weight_decay: o.WeightDecay = None,
    weights: o.Weights = None,
    stop_rule: o.StopRule = None,
    stop_at: o.StopAt = None,
    sure: o.Sure = None,
    sure_unit: o.SureUnit = None,
    sure_percentile: o.SurePercentile = None,
    lora_rank: o.LoraRank = None,
    lora_alpha: o.LoraAlpha = None,
    resist: o.Resist = None,
    optimizer_state: o.OptimizerState = None,
    checkpointing: o.Checkpointing = None,
    precision: o.Precision = None,
    metric: o.Metric = None,
    min_k: o.MinK = None,
    ablate: o.Ablate = None,
    eval_batch: o.EvalBatch = None,
    canary: o.Canary = None,
    canary_every: o.CanaryEvery = None,
    probe_every: o.ProbeEvery = None,
    save_every: o.SaveEvery = None,
    seed: o.Seed = None,
    device: o.Device = None,
    threads: o.Threads = None,
    memory_limit: o.MemoryLimit = None,
    pickle_weights: o.PickleWeights = None,
    trust_remote_code: o.TrustRemoteCode = None,
    name: o.Name = None,
    offline: o.Offline = None,
    cache: o.Cache = None,
    keep_checkpoint: o.KeepCheckpoint = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
    events: o.Events = False,
    detach: o.Detach = False,
) -> None:
    """Unlearn a model, quantize it, and see what comes back; alone, the effect preset on the pocket model."""
    flags = dict(locals())
    from unlearn_tui.commands.preflight import names_metrics, spec_of

    file = flags.pop("spec")
    named = names_metrics(flags, file)
    _begin([spec_of(flags, file)], home, Output(plain, json, events, detach), named)


def check(
    spec: o.SpecFile = None,
    target: o.Target = None,
    unlearned: o.Unlearned = None,
    retrain: o.Retrain = None,
    corpus: o.Corpus = None,
    template: o.Template = None,
    precision: o.Precision = None,
    metric: o.Metric = None,
    min_k: o.MinK = None,
    ablate: o.Ablate = None,
    eval_batch: o.EvalBatch = None,
    seed: o.Seed = None,
    device: o.Device = None,
    threads: o.Threads = None,
    memory_limit: o.MemoryLimit = None,
    pickle_weights: o.PickleWeights = None,
    trust_remote_code: o.TrustRemoteCode = None,
    name: o.Name = None,
    offline: o.Offline = None,
    cache: o.Cache = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
    events: o.Events = False,
    detach: o.Detach = False,
) -> None:
    """Has a model that somebody else unlearned truly forgotten? Everything but the unlearning."""
    flags = dict(locals())
    from unlearn_tui.commands.preflight import names_metrics, spec_of

    flags["model"] = flags.pop("target")
    file = flags.pop("spec")
    named = names_metrics(flags, file)
    _begin([spec_of(flags, file, "check")], home, Output(plain, json, events, detach), named)


def memorise(
    spec: o.SpecFile = None,
    model: o.Model = None,
    corpus: o.Corpus = None,
    template: o.Template = None,
    forget_text: o.ForgetText = None,
    lr: o.Lr = None,
    steps: o.Steps = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    grad_accum: o.GradAccum = None,
    max_length: o.MaxLength = None,
    clip: o.Clip = None,
    weight_decay: o.WeightDecay = None,
    weights: o.Weights = None,
    lora_rank: o.LoraRank = None,
    lora_alpha: o.LoraAlpha = None,
    optimizer_state: o.OptimizerState = None,
    checkpointing: o.Checkpointing = None,
    precision: o.Precision = None,
    metric: o.Metric = None,
    min_k: o.MinK = None,
    eval_batch: o.EvalBatch = None,
    canary: o.Canary = None,
    canary_every: o.CanaryEvery = None,
    probe_every: o.ProbeEvery = None,
    save_every: o.SaveEvery = None,
    seed: o.Seed = None,
    device: o.Device = None,
    threads: o.Threads = None,
    memory_limit: o.MemoryLimit = None,
    pickle_weights: o.PickleWeights = None,
    trust_remote_code: o.TrustRemoteCode = None,
    name: o.Name = None,
    offline: o.Offline = None,
    cache: o.Cache = None,
    keep_checkpoint: o.KeepCheckpoint = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
    events: o.Events = False,
    detach: o.Detach = False,
) -> None:
    """Teach a model everything that a corpus holds, forget and retain alike, and score it: a target to be unlearned.

    Unless told otherwise: fp32 weights, lr 2e-5, ten passes over the corpus, KnowMem scored at fp16.
    """
    flags = dict(locals())
    from unlearn_tui.commands.preflight import MEMORISE, names_metrics, spec_of

    file, flags["method"] = flags.pop("spec"), catalog.MEMORISE.id
    named = names_metrics(flags, file)
    if file is None:
        ends = {"steps": None, "epochs": None} if steps is not None or epochs is not None else {}
        flags = {k: (MEMORISE | ends).get(k) if v is None else v for k, v in flags.items()}
    _begin([spec_of(flags, file, "memorise")], home, Output(plain, json, events, detach), named)


def demo(
    preset: Annotated[
        str | None,
        Option("--preset", metavar="|".join([*catalog.PRESETS, "all"]), help="Which one (else effect, then control)."),
    ] = None,
    seed: o.Seed = None,
    device: o.Device = None,
    threads: o.Threads = None,
    cache: o.Cache = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
    events: o.Events = False,
) -> None:
    """See it happen in minutes: answers that unlearning removed come back at 4 bits, and a control where they do not."""
    from unlearn_tui.commands.preflight import spec_of

    flags: dict[str, Any] = {"seed": seed, "device": device, "threads": threads, "cache": cache}
    names = {None: ["effect", "control"], "all": list(catalog.PRESETS)}.get(preset) or [catalog.preset(preset or "").id]
    specs = [spec_of({**flags, **catalog.preset(n).values, "name": n, "preset": n, "offline": True}) for n in names]
    _begin(specs, home, Output(plain, json, events, brief=True))


def resume(
    run: o.RunRef,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
    events: o.Events = False,
    detach: o.Detach = False,
) -> None:
    """Go on with a run that was stopped, failed or killed, from its last save."""
    from unlearn_tui.commands import preflight
    from unlearn_tui.commands.console import say
    from unlearn_tui.runs import store
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.log import last_event

    output = Output(plain, json, events, detach)
    base = home_of(home)
    found = store.find(base, run)
    if store.status(found)[0] == "finished":
        say(f"run {found.id} is finished: nothing to do")
        _present([found], output)
        return
    preflight.check_resumable(found, base)
    settle(found)
    last = last_event(found.events_path)
    raise Exit(_follow([found], output, since=last.seq + 1 if last else 0))


def attach(
    run: o.RunRef, home: o.Home = None, plain: o.Plain = False, json: o.Json = False, events: o.Events = False
) -> None:
    """Watch a run that is going on, from any terminal; Ctrl-C stops the run, closing the terminal does not."""
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.store import find

    raise Exit(_follow([find(home_of(home), run)], Output(plain, json, events), since=sys.maxsize, launch=False))


def _begin(specs: list[RunSpec], home: Path | None, output: Output, named: bool = True) -> None:
    """Refuse all of `specs` that must be before any directory is made, then run them one after the other.

    Where nobody `named` metrics, those that the corpus has nothing for are left out, and that is said.
    """
    from unlearn_tui.commands import preflight
    from unlearn_tui.commands.console import say
    from unlearn_tui.runs.home import home as home_of

    base = home_of(home)
    if not named:
        specs, left = map(list, zip(*map(preflight.fitted, specs), strict=True))
        for spec, metrics in zip(specs, left, strict=True):
            if metrics:
                missing = f"corpus {spec.corpus} has nothing for {', '.join(metrics)}"
                say(f"{missing}: scored are {', '.join(spec.metric)}")
    for spec in specs:
        preflight.check_sources(spec, base)
        for file in preflight.code_of(spec, base):
            say(f"this run executes {file}")
    runs = (preflight.create(spec, base) for spec in specs)
    raise Exit(_follow(runs, output, fresh=True, several=len(specs) > 1))


def _follow(
    runs: Iterable[RunDir],
    output: Output,
    since: int = 0,
    launch: bool = True,
    fresh: bool = False,
    several: bool = False,
) -> int:
    """Launch and watch `runs` in turn, then present those that were begun; the exit code is that of the last.

    A `fresh` run that its engine refuses before the first score leaves nothing behind.
    """
    from unlearn_tui.commands import watch
    from unlearn_tui.commands.console import write
    from unlearn_tui.report.text import safe
    from unlearn_tui.runs.store import remove

    begun: list[RunDir] = []
    code = 0
    with Interrupts() as interrupts:
        for run in runs:
            try:
                if launch:
                    watch.start(run, output, interrupts)
            except Refused:
                if fresh:
                    remove(run)
                raise
            if output.detach:
                write(f"{safe(run.id)}\n")
                return 0
            begun.append(run)
            state = watch.watch(run, output, interrupts, since)
            if fresh and state.failure == "refused" and not state.scores:
                remove(run)
                _present(begun[:-1], output, several)
                raise Refused(state.reason)
            watch.farewell(run, state)
            code = watch.code(state, interrupts)
            if code or interrupts.count:
                break
    _present(begun, output, several)
    return code


def _present(runs: list[RunDir], output: Output, several: bool = False) -> None:
    """The results on stdout: JSON, or a report of each run."""
    from unlearn_tui.commands import present

    if runs and not output.events:
        present.results(runs, output.plain, output.json, several, examples=4, brief=output.brief)
