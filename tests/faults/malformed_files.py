"""Every file that a person can hand in, spoiled in ways that a number decides, and opened as the program opens it.

A trial ends well in one of two ways: the file opens, or it is refused in one line. Anything else is a fault: another
exception, a message that is no clean line, something left behind, more than SECONDS, more memory than ROOM.
`benchmarks/malformed.py` makes many trials of every kind, `test_malformed.py` some.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import shutil
import signal
import stat
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import fake_checkpoints
import own_corpora
import story
from spoiling import SPECIAL, spoiled
from test_sources_gguf_header import gguf

from unlearn_tui import errors
from unlearn_tui.report.text import brief
from unlearn_tui.sources.assets import asset

SECONDS = 20.0
"""A trial that takes longer is a fault."""
ROOM = 3 << 30
"""Bytes beyond which no trial may reach."""
LONGEST = 800
"""Characters of a refusal."""


class Kind(NamedTuple):
    """`make` fills an empty folder with sound files, of which each trial spoils one; `open` reads them."""

    make: Callable[[Path], object]
    files: tuple[str, ...]
    open: Callable[[Path], object]
    slow: bool = False
    """Goes through torch and transformers."""


class Trial(NamedTuple):
    """How it ended: "opened", "refused" or "fault", and what was said."""

    outcome: str
    said: str = ""


# -- sound files -------------------------------------------------------------------------------------------------------


def _home(folder: Path) -> Path:
    """The home of a trial: nothing may appear in it."""
    return folder / "home"


def _spec(folder: Path) -> None:
    from unlearn_tui.protocol.spec import RunSpec, to_toml

    (folder / "spec.toml").write_text(to_toml(RunSpec(offline=True, threads=2), {"torch": "2"}))


def _sweep(folder: Path) -> None:
    text = (
        'name = "rates"\n\n[base]\nmodel = "pocket-target"\nprecision = ["fp16", "bnb-fp4"]\noffline = true\n\n'
        '[over]\nmethod = ["ga", "npo_klr"]\nseed = [0, 1]\n\n[[also]]\nsure = ["once"]\nlr = [1e-4, 2e-5]\n'
    )
    (folder / "sweep.toml").write_text(text)


MUSE = (
    "knowmem/forget_qa.json", "knowmem/forget_qa_icl.json", "knowmem/retain_qa.json", "knowmem/retain_qa_icl.json",
    "privleak/forget.json", "privleak/holdout.json", "privleak/retain.json", "privleak/retrain.json", "raw/forget.txt",
    "raw/retain1.txt", "raw/retain2.json", "raw/holdout.txt", "verbmem/forget.json",
)  # fmt: skip


def _muse(folder: Path) -> None:
    """Pocket's own corpus, a few items of every list."""
    shipped = asset("pocket", "corpus")
    for name in MUSE:
        path = folder / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "privleak/retrain.json":
            path.write_text(json.dumps({"Min-40%": 0.4772, "Min-20%": 0.5}))
        elif name.endswith(".txt"):
            path.write_text("\n\n".join((shipped / name).read_text().split("\n\n")[:4]))
        elif name == "raw/retain2.json":
            path.write_text(json.dumps([{"text": "The lamp is lit."}, "The boat is in."]))
        else:
            path.write_text(json.dumps(json.loads((shipped / name).read_text())[:5], indent=1))


def _lines(folder: Path) -> None:
    rows = [{"set": "forget", **p} for p in own_corpora.pairs("lamp", 5)]
    rows += [{"set": "retain", **p, "text": "A boat."} for p in own_corpora.pairs("boat", 6)]
    own_corpora.write_lines(folder / "corpus.jsonl", [*rows, {"split": "examples", "question": "Who?", "answer": "I."}])


def _parquet(folder: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    (folder / "corpus").mkdir()
    for name, what in (("forget", "lamp"), ("retain", "boat")):
        parquet.write_table(pyarrow.Table.from_pylist(own_corpora.pairs(what, 20)), folder / f"corpus/{name}.parquet")


TOFU = (
    "forget10.json", "retain90.json", "forget10_perturbed.json", "retain_perturbed.json", "real_authors_perturbed.json",
    "world_facts_perturbed.json", "holdout10.json",
)  # fmt: skip
UTILITY = tuple(f"utility/{name}.json" for name in ("retain_mmlu", "truthful", "triviaqa", "fluency"))
CHECKPOINT = "model/model.safetensors"
INDEX = "model/model.safetensors.index.json"
PICKLES = ("model/pytorch_model.bin.index.json", "model/pytorch_model-00001-of-00002.bin")


def _checkpoint(folder: Path, shards: int = 1) -> None:
    model = fake_checkpoints.make_checkpoint(folder / "model", shards)
    (model / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<1>", "chat_template": "{{ messages }}"}))
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2]}))


def _gguf(folder: Path) -> None:
    (folder / "model").mkdir()
    (folder / "model/model.gguf").write_bytes(gguf(chat="{{ messages }}"))


def _pocket(folder: Path) -> None:
    """A tiny model with a real tokenizer, as transformers writes them."""
    shutil.copytree(asset("pocket", "target"), folder / "model")


def _pickled(folder: Path) -> None:
    """The same with the weights as torch.save pickles them, in two files."""
    import torch
    from safetensors.torch import load_file

    _pocket(folder)
    weights = sorted(load_file(folder / "model/model.safetensors").items())
    (folder / "model/model.safetensors").unlink()
    parts = {f"pytorch_model-0000{n + 1}-of-00002.bin": dict(weights[n::2]) for n in range(2)}
    for name, part in parts.items():
        torch.save(part, folder / "model" / name)
    index = {tensor: name for name, part in parts.items() for tensor in part}
    (folder / PICKLES[0]).write_text(json.dumps({"weight_map": index}))


def _settings(folder: Path) -> None:
    _home(folder).mkdir()
    said = {"theme": "unlearn-dark", "folders": ["/models/mine", "org/name"], "choices": {"compare.sort": "recovered"}}
    (_home(folder) / "app.json").write_text(json.dumps(said, indent=2))


RUN = "home/runs/story"


def _run(folder: Path) -> None:
    made = story.write_run(_home(folder), "story")
    made.path.rename(folder / RUN)
    (folder / RUN / "weights.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "tensor": f"model.layers.{n}.mlp.up_proj.weight", "shape": [4, 4], "changed": 0.5, "edit_norm": 1.0,
                    "target_norm": 9.0, "octaves": [{"exponent": -8, "n": 16, "changed": 0.5}],
                    "precisions": {"bnb-fp4": {"kept": 0.2, "cosine": 0.3, "same_value": 0.9}},
                }
            )
            + "\n"
            for n in range(3)
        )
    )  # fmt: skip
    (folder / RUN / "engine.json").write_text(json.dumps({"pid": 1, "host": "elsewhere", "start": 1.0, "socket": "/x"}))


# -- opening them as the program does ------------------------------------------------------------------------------------


def _open_spec(folder: Path) -> None:
    from unlearn_tui.commands.preflight import check_sources, spec_of

    check_sources(spec_of({}, folder / "spec.toml"), _home(folder))


def _open_sweep(folder: Path) -> None:
    from unlearn_tui.commands.sweep import named, prepared

    prepared(named(str(folder / "sweep.toml"), _home(folder)), _home(folder))


def _open_corpus(name: str) -> Callable[[Path], None]:
    """What a run reads, and what `corpora check` says: the two must agree on what is sound."""

    def read(folder: Path) -> None:
        from unlearn_tui.sources.corpora import check, load

        found = check(str(folder / name))
        for fault in found.faults:
            _clean(f"{fault.file} {fault.what}")
        try:
            corpus = load(str(folder / name))
        except errors.Refused:
            assert found.total, "what a run refuses has no fault for corpora check"
            raise
        # a run asks for worked examples only where it reads them
        strict = [fault for fault in found.faults if "is missing" not in fault.what]
        assert not strict, f"a run reads it, corpora check does not: {strict}"
        assert corpus.fingerprint

    return read


def _open_checkpoint(folder: Path) -> None:
    from unlearn_tui.report.outcome import to_json
    from unlearn_tui.report.text import size
    from unlearn_tui.runs.lineage import Lineage
    from unlearn_tui.sources import checkpoints, fits
    from unlearn_tui.sources.folders import has_chat_template

    info = checkpoints.resolve(str(folder / "model"), _home(folder), offline=True)
    # what `models` prints of it, sound or not
    said = (f"{info.parameters / 1e6:,.2f} M", str(info.layers), str(info.hidden), str(info.vocab), size(info.bytes))
    to_json([info.parameters, info.layers, info.hidden, info.vocab, said])
    has_chat_template(folder / "model")
    found = Lineage(_home(folder)).read([str(folder / "model")])
    to_json(found.rows)
    checkpoints.check(info)
    checkpoints.same_shape(info, info)
    fits.needs(info, gpu=False)


def _open_engine(folder: Path) -> None:
    """A checkpoint as far as the engine takes it."""
    from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
    from unlearn_tui.engine.tokenizing import encode_prompt
    from unlearn_tui.sources import checkpoints

    checkpoints.check(checkpoints.resolve(str(folder / "model"), _home(folder), offline=True))
    tokenizer = load_tokenizer(folder / "model")
    ids = encode_prompt(tokenizer, "Which town? " * 20)
    assert isinstance(tokenizer.decode(ids, skip_special_tokens=True), str)
    load_model(folder / "model")


def _open_pickles(folder: Path) -> None:
    """Pickled weights as a run with --pickle-weights reads them; nothing half-written stays."""
    from unlearn_tui.engine.checkpoints import load_model
    from unlearn_tui.engine.unpickle import unpickle
    from unlearn_tui.sources import checkpoints

    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    try:
        info = checkpoints.resolve(str(folder / "model"), elsewhere, offline=True)
        checkpoints.check(info, pickles=True)
        made = unpickle(info)
        checkpoints.check(made)
        assert made.path is not None
        load_model(made.path)
        assert not list(elsewhere.rglob("*.tmp"))
    finally:
        shutil.rmtree(elsewhere)


def _open_settings(folder: Path) -> None:
    from unlearn_tui.tui import settings

    found = settings.load(_home(folder))
    assert isinstance(found.theme, str)
    assert all(isinstance(text, str) for text in (*found.folders, *found.choices, *found.choices.values()))


def _open_run(folder: Path) -> None:
    """What every view reads of a run, the app's among them."""
    from unlearn_tui.commands import present
    from unlearn_tui.commands.report import gather
    from unlearn_tui.report import plain
    from unlearn_tui.report.answers import examples
    from unlearn_tui.report.html import html
    from unlearn_tui.report.live import Lines
    from unlearn_tui.report.markdown_page import markdown
    from unlearn_tui.report.outcome import to_json
    from unlearn_tui.runs import history
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.runs.follow import follow
    from unlearn_tui.runs.overview import Overviews, log_lines, row
    from unlearn_tui.runs.replay import load
    from unlearn_tui.runs.store import list_runs, usage
    from unlearn_tui.state.run import RunFold
    from unlearn_tui.tui.views.weights import load as matrices

    run, home = RunDir(folder / RUN), _home(folder)
    first: errors.Refused | None = None

    def tried(what: Callable[[], object]) -> None:
        """Every view opens or refuses by itself."""
        nonlocal first
        try:
            what()
        except errors.Refused as error:
            _clean(str(error))
            first = first or error

    def shown() -> None:
        result = present.outcome(run)
        picked = examples(run.path, result, 3)
        plain.result(result, picked)
        to_json(result)

    def page() -> None:
        made = gather(run, 3)
        html(made)
        markdown(made)

    def watched() -> None:
        fold, lines = RunFold(), Lines()
        for event in follow(run, poll=0.0, idle=lambda _: None):
            if event is None:
                break
            line = lines.line(event, fold.feed((event,)).snapshot())
            assert line is None or line.isprintable(), line

    def weighed() -> None:
        with contextlib.suppress(OSError):
            matrices(run.path / "weights.jsonl")

    def listed() -> None:
        for found in Overviews(home).read():
            row(found)
        to_json([{**vars(r), "path": str(r.path)} for r in list_runs(home)])
        usage(home)
        history.records(home)
        history.kept(home)
        log_lines(run)

    for what in (shown, page, watched, weighed, listed, lambda: load(run)):
        tried(what)
    if first is not None:
        raise first


def _each(folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


_ANSWERS = "answers/unlearned-bnb-fp4-knowmem_forget.jsonl"
KINDS: dict[str, Kind] = {
    "spec": Kind(_spec, ("spec.toml",), _open_spec),
    "sweep": Kind(_sweep, ("sweep.toml",), _open_sweep),
    "muse corpus": Kind(_muse, _each("corpus", MUSE), _open_corpus("corpus")),
    "json lines corpus": Kind(_lines, ("corpus.jsonl",), _open_corpus("corpus.jsonl")),
    "parquet corpus": Kind(_parquet, ("corpus/forget.parquet", "corpus/retain.parquet"), _open_corpus("corpus")),
    "tofu corpus": Kind(lambda f: own_corpora.tofu(f / "corpus"), _each("corpus", TOFU), _open_corpus("corpus")),
    "utility": Kind(
        lambda f: own_corpora.utility(own_corpora.own(f / "corpus")), _each("corpus", UTILITY), _open_corpus("corpus")
    ),
    "settings": Kind(_settings, ("home/app.json",), _open_settings),
    "safetensors": Kind(_checkpoint, (CHECKPOINT,), _open_checkpoint),
    "safetensors index": Kind(lambda f: _checkpoint(f, 2), (INDEX,), _open_checkpoint),
    "config": Kind(_checkpoint, ("model/config.json",), _open_checkpoint),
    "tokenizer": Kind(
        _checkpoint,
        _each("model", ("tokenizer.json", "tokenizer_config.json", "generation_config.json")),
        _open_checkpoint,
    ),
    "gguf": Kind(_gguf, ("model/model.gguf",), _open_checkpoint),
    "event log": Kind(_run, (f"{RUN}/events.jsonl",), _open_run),
    "result": Kind(_run, (f"{RUN}/result.json",), _open_run),
    "run": Kind(_run, _each(RUN, ("spec.toml", _ANSWERS, "weights.jsonl", "engine.json")), _open_run),
    "config, in the engine": Kind(_pocket, ("model/config.json",), _open_engine, True),
    "tokenizer, in the engine": Kind(
        _pocket,
        _each("model", ("tokenizer.json", "tokenizer_config.json", "generation_config.json")),
        _open_engine,
        True,
    ),
    "pickles, in the engine": Kind(_pickled, PICKLES, _open_pickles, True),
}
"""Every kind of file, by name."""


# -- trials --------------------------------------------------------------------------------------------------------------


class _TooLong(BaseException):
    """A trial ran out of time."""


class Bench:
    """Where one kind is tried: a folder with its sound files, in which each trial spoils one and puts it back."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.kind = name, folder, KINDS[name]
        folder.mkdir(parents=True, exist_ok=True)
        self.kind.make(folder)
        self.sound = {file: (folder / file).read_bytes() for file in self.kind.files}
        self.before = self._tree()
        self.kind.open(folder)  # what is not spoiled opens; imports are over after that
        self.tidy()

    def special(self, name: str, file: str) -> Trial:
        """Something else in a file's place."""
        return self._tried(file, SPECIAL[name])

    def trial(self, number: int) -> Trial:
        """The `number`th way to spoil this kind."""
        file = self.kind.files[number % len(self.kind.files)]
        data = spoiled(self.sound[file], number, self.name)
        return self._tried(file, lambda path: path.write_bytes(data))

    def _tried(self, file: str, put: Callable[[Path], object]) -> Trial:
        path = self.folder / file
        path.unlink()
        put(path)
        before = self._tree()
        try:
            with _limits():
                self.kind.open(self.folder)
            ended = Trial("opened")
        except errors.Refused as error:
            try:
                _clean(str(error))
                ended = Trial("refused", str(error))
            except AssertionError as why:
                ended = Trial("fault", str(why))
        except _TooLong:
            ended = Trial("fault", f"took more than {SECONDS:g} s")
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            ended = Trial("fault", "".join(traceback.format_exception(error)))
        if left := self._tree() - before:
            ended = Trial("fault", f"left behind: {sorted(left)}; {ended.said}")
        _gone(path)
        path.write_bytes(self.sound[file])
        self.tidy()
        return ended

    def tidy(self) -> None:
        """Take away what a trial may have made, so that the next one does not see it."""
        for name in sorted(self._tree() - self.before, reverse=True):
            _gone(self.folder / name)

    def _tree(self) -> set[str]:
        """Every path below; what a home may keep of what it read (hashes) does not count."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        return {name for name in found if not name.startswith(("home/cache",)) and name != "home"}


_UNCLEAN = re.compile(
    r"[^\x20-\U0010ffff]|[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)


def _clean(message: str) -> None:
    """A refusal is one line that steers nothing. Raises AssertionError."""
    assert message, "nothing was said"
    bad = _UNCLEAN.search(message)
    assert bad is None, f"{bad[0]!r} in {message[:300]!r}"
    printed = brief(message)  # as the command line and the app shorten it
    assert len(printed) <= LONGEST, f"{len(printed)} characters: {printed[:200]!r} … {printed[-100:]!r}"


def _gone(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path) if stat.S_ISDIR(path.lstat().st_mode) else path.unlink()


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """SECONDS of time, ROOM beyond what is taken now."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _TooLong

    taken = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if sys.platform == "linux" else 0
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    if taken:
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def opened_files() -> int:
    """File descriptors that are open now."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


__all__ = ["KINDS", "SPECIAL", "Bench", "Kind", "Trial", "opened_files"]
