"""What files and machine say about a setup form: everything that takes a look at a disk, to be run in a thread."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unlearn_tui import catalog
from unlearn_tui.commands import preflight
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import history
from unlearn_tui.runs.directory import usable_cores
from unlearn_tui.sources import checkpoints, corpora, fits
from unlearn_tui.sources.calibration import check_calibration
from unlearn_tui.sources.checkpoints import CheckpointInfo
from unlearn_tui.sources.folders import config_number, has_chat_template, read_config
from unlearn_tui.state.plan import Facts, Record, disk, reused
from unlearn_tui.state.setup import Form, fit
from unlearn_tui.validate import check_installed, lacks, needed_parts, prompts_of
from unlearn_tui.validate import prompts as counted

QA_FRAME = len("Question: \nAnswer: ")
CHAT_FRAME = 150
"""Characters that a chat template puts around a question, a system prompt included: SmolLM2's has 145."""


@dataclass(frozen=True)
class Survey:
    """What was found: facts for the plan, faults by field, runs to learn from."""

    facts: Facts = field(default_factory=Facts)
    faults: dict[str, str] = field(default_factory=dict)
    records: Sequence[Record] = ()
    lacking: frozenset[str] = frozenset()
    """Metrics that the corpus has nothing for."""


def survey(form: Form, home: Path) -> Survey:
    """Look at the models, the corpus, earlier runs and the machine that `form` speaks of. Never raises Refused."""
    found = _Look(form, home)
    facts = found.facts()
    return Survey(facts, found.faults, history.records(home), frozenset(found.lacking))


class _Look:
    def __init__(self, form: Form, home: Path) -> None:
        self.form, self.values, self.spec, self.home = form, form.values, form.spec, home
        self.faults: dict[str, str] = {}
        self.lacking: set[str] = set()

    def facts(self) -> Facts:
        """Everything, as far as it can be read; what cannot becomes a fault beside its field."""
        models = {name: info for name in ("model", "unlearned", "retrain") if (info := self._model(name)) is not None}
        target = models.get("model")
        if target and "unlearned" in models:
            with self._refusing("unlearned"):
                checkpoints.same_shape(target, models["unlearned"])
        facts = self._machine(self._corpus(Facts()))
        if target is not None:
            facts = _sized(facts, target)
            chat = self.values["template"] != "muse" and target.path is not None and has_chat_template(target.path)
            if chat and facts.pair_chars:
                facts = replace(facts, pair_chars=facts.pair_chars - QA_FRAME + CHAT_FRAME)
            facts = replace(facts, reused=self._reused(target))
        if self.spec is not None:
            with self._refusing("lora_rank"):
                preflight.check_extras(self.spec)
            with self._refusing("precision"):
                check_installed([*self.spec.precision, *self.spec.ablate])
        if self.spec is not None and target is not None:
            with self._refusing(""):
                checkpoints.free_space(self.home, disk(self.spec, target.parameters), "this run")
        away = tuple(info.name for info in models.values() if info.path is None)
        return replace(facts, downloads=facts.downloads + away)

    def _refusing(self, name: str) -> contextlib.AbstractContextManager[None]:
        return _Refusing(self.faults, name)

    def _model(self, name: str) -> CheckpointInfo | None:
        task = self.values["task"]
        wanted = name == "model" or task == "check" or (task == "unlearn" and name == "retrain")
        if not wanted or (not self.values[name] and name != "model"):
            return None
        with self._refusing(name):
            offline, pickles, code = (
                self.values[field] == "on" for field in ("offline", "pickle_weights", "trust_remote_code")
            )
            return checkpoints.usable(self.values[name], self.home, offline, name, pickles, code)
        return None

    def _corpus(self, facts: Facts) -> Facts:
        name = self.values["corpus"]
        if not corpora.is_here(name):
            return self._corpus_away(facts, catalog.HUB_CORPORA[name])
        with self._refusing("corpus"):
            corpus = corpora.load(name)
            self.lacking = lacks(corpus)
            with self._refusing("corpus"):
                spec = fit(self.form, self.lacking).spec  # what the form will be in a moment
                corpora.require(corpus, needed_parts(spec) if spec else set())
            with self._refusing("precision"):
                check_calibration(self.spec.precision if self.spec else (), corpus)
            pairs = corpus.forget_qa
            if self.spec is not None:
                with self._refusing("canary"):
                    preflight.check_canary(self.spec, len(pairs))
            number = self.values["canary"]
            asked = number.isdecimal() and len(number) < 10 and int(number) < len(pairs)
            return replace(
                facts,
                prompts={metric: prompts_of(corpus, metric) for metric in catalog.METRICS},
                pairs=len(pairs),
                pair_chars=sum(len(q.question) + len(q.answer) + QA_FRAME for q in pairs) / max(len(pairs), 1),
                text_chars=len(corpus.forget_text),
                retain_pairs=len(corpus.retain_pairs),
                retain_chars=len(corpus.retain_text),
                canary=pairs[int(number)].question if asked else "",
            )
        return facts

    def _corpus_away(self, facts: Facts, record: catalog.HubCorpus) -> Facts:
        """One of the hub that a run fetches first: what its authors say of it."""
        prompts = {metric: counted(metric, lambda part: record.holds.get(part, 0)) for metric in catalog.METRICS}
        self.lacking = {metric for metric, count in prompts.items() if not count}
        if self.values["offline"] == "on":
            self.faults.setdefault(
                "corpus", f"{record.id} is not on this machine: unlearn-tui corpora fetch {record.id}"
            )
        return replace(
            facts,
            prompts=prompts,
            pairs=record.holds.get("forget_qa", 0),
            retain_pairs=record.holds.get("retain_qa", 0) + record.holds.get("retain_more", 0),
            downloads=(f"corpus {record.id}",),
        )

    def _machine(self, facts: Facts) -> Facts:
        room = fits.room(self.values["device"])
        there = next((folder for folder in (self.home, *self.home.parents) if folder.exists()), Path("/"))
        return replace(
            facts,
            device="cuda" if room.gpu else "cpu",
            threads=usable_cores(),
            free_memory=room.free,
            total_memory=room.total,
            free_disk=shutil.disk_usage(there).free,
        )

    def _reused(self, target: CheckpointInfo) -> frozenset[tuple[str, str, str]]:
        from unlearn_tui.versions import versions

        if self.spec is None or self.spec.task == "memorise":
            return frozenset()
        try:
            spec = preflight.pinned(self.spec, self.home)
        except Refused:
            return frozenset()
        spec = _with_threads(spec)
        names = {"target": spec.model, "retrain": spec.retrain}
        if spec.task == "check":
            names["unlearned"] = spec.unlearned
        return reused(spec, history.kept(self.home), names, versions(), target.dtype)


class _Refusing(contextlib.AbstractContextManager[None]):
    """Turns Refused and OSError into a fault beside a field, and goes on."""

    def __init__(self, faults: dict[str, str], name: str) -> None:
        self.faults, self.name = faults, name

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Refused | OSError):
            self.faults.setdefault(self.name, str(error))
            return True
        return False


def _with_threads(spec: RunSpec) -> RunSpec:
    """As RunDir.create writes them out."""
    import msgspec

    return msgspec.structs.replace(spec, threads=spec.threads or usable_cores())


def _sized(facts: Facts, target: CheckpointInfo) -> Facts:
    count = target.parameters
    size = f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.2f} M" if count else ""
    positions = 0
    if target.path is not None:
        with contextlib.suppress(Refused):
            positions = config_number(read_config(target.path), "max_position_embeddings", "n_positions")
    return replace(
        facts,
        parameters=count,
        dtype=target.dtype,
        hidden=target.hidden,
        layers=target.layers,
        vocab=target.vocab,
        positions=positions,
        model=" ".join(part for part in (target.family, size, target.dtype) if part) or "on the hub",
    )


def is_usual(home: Path) -> bool:
    """Whether a command finds this home without --home."""
    import platformdirs

    given = os.environ.get("UNLEARN_TUI_HOME")
    usual = (
        Path(given).expanduser().absolute() if given else platformdirs.user_data_path("unlearn-tui", appauthor=False)
    )
    return home == usual
