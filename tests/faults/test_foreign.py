"""Real engines on checkpoints from strangers: pickles, a pickle that is a program, a checkpoint with code of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from prepared import Prepared
from unharmed import answers, corpus, small

from unlearn_tui.protocol import events as ev
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.checkpoints import check, resolve
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
Path({mark!r}).touch()
class OwnConfig(LlamaConfig):
    model_type = "own_pocket"
class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 4, 1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[Prepared]:
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
    with Prepared() as prepared:
        yield prepared
    patch.undo()


@pytest.fixture(scope="module")
def plain(engine, questions, tmp_path_factory) -> RunDir:
    run = new(tmp_path_factory.mktemp("plain"), questions)
    assert engine.run(run.path) == 0
    return run


def new(home: Path, questions: Path, **values: object) -> RunDir:
    return RunDir.create(home, small(questions, steps=4, save_every=0, **values), versions())


@pytest.fixture
def copied(tmp_path) -> Path:
    shutil.copytree(asset("pocket", "target"), tmp_path / "model")
    return tmp_path / "model"


def pickle_it(folder: Path, more: dict[str, object] | None = None, shards: int = 1) -> Path:
    import torch
    from safetensors.torch import load_file

    tensors: dict[str, object] = dict(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]  # one memory under two names, as torch saves it
    tensors |= more or {}
    if shards == 1:
        torch.save(tensors, folder / "pytorch_model.bin")
        return folder
    index = {}
    for number in range(shards):
        name = f"pytorch_model-{number + 1:05d}-of-{shards:05d}.bin"
        part = dict(sorted(tensors.items())[number::shards])
        torch.save(part, folder / name)
        index |= dict.fromkeys(part, name)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def failure(run: RunDir) -> ev.Failed:
    last = list(run.events())[-1]
    assert isinstance(last, ev.Failed), last
    assert "\n" not in last.message
    return last


@pytest.mark.parametrize("shards", [1, 3])
def test_pickled_weights_give_the_same_answers_and_weights(engine, questions, plain, copied, tmp_path, shards):
    pickle_it(copied, shards=shards)
    run = new(tmp_path / "home", questions, model=str(copied), pickle_weights=True)
    assert engine.run(run.path) == 0, run.log_path.read_text()[-1000:]
    result, expected = run.result(), plain.result()
    assert result is not None
    assert expected is not None
    assert answers(run) == answers(plain)
    assert [s.value for s in result.scores] == [s.value for s in expected.scores]
    made = "unlearned/model.safetensors"
    assert (run.checkpoints / made).read_bytes() == (plain.checkpoints / made).read_bytes()
    assert any("pickles as data alone" in note for note in result.notes)
    place = next((tmp_path / "home" / "cache" / "safetensors").iterdir())
    check(resolve(str(place), tmp_path))
    assert not list(place.glob("*.bin"))
    # made once: the next run finds it, and what a killed engine left beside it goes
    inode = (place / "config.json").stat().st_ino
    again = new(tmp_path / "home", questions, model=str(copied), pickle_weights=True)
    assert engine.run(again.path) == 0
    assert (place / "config.json").stat().st_ino == inode


class Program:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("named", [True, False])
def test_a_pickle_that_is_a_program_is_not_run(engine, questions, copied, tmp_path, named):
    mark = tmp_path / "ran"
    pickle_it(copied, {"x": Program(mark)})
    run = new(tmp_path / "home", questions, model=str(copied), pickle_weights=named)
    assert engine.run(run.path) == 2
    said = failure(run)
    assert said.kind == "refused"
    assert ("it names posix.mkdir" if named else "--pickle-weights") in said.message
    assert not mark.exists()
    assert not list((tmp_path / "home" / "cache").rglob("*.tmp"))


def test_a_pickle_of_other_things_is_refused(engine, questions, copied, tmp_path):
    pickle_it(copied, {"x": "no tensor"})
    run = new(tmp_path / "home", questions, model=str(copied), pickle_weights=True)
    assert engine.run(run.path) == 2
    assert "no table of tensors by name" in failure(run).message


def test_a_checkpoints_code_runs_only_where_its_run_says_so(engine, questions, plain, copied, tmp_path):
    mark = tmp_path / "ran"
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "own_pocket", "architectures": ["OwnForCausalLM"]}
    config["auto_map"] = {"AutoConfig": "own_pocket.OwnConfig", "AutoModelForCausalLM": "own_pocket.OwnForCausalLM"}
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "own_pocket.py").write_text(CODE.format(mark=str(mark)))
    run = new(tmp_path / "home", questions, model=str(copied))
    assert engine.run(run.path) == 2
    said = failure(run).message
    assert "needs code of its own (own_pocket.py)" in said
    assert "--trust-remote-code" in said
    assert not mark.exists()
    trusted = new(tmp_path / "home", questions, model=str(copied), trust_remote_code=True)
    assert engine.run(trusted.path) == 0, trusted.log_path.read_text()[-1000:]
    assert mark.exists()
    assert answers(trusted) == answers(plain)
    result = trusted.result()
    assert result is not None
    assert any("runs code of its own (--trust-remote-code)" in note for note in result.notes)
    assert any("own_pocket.py" in e.text for e in trusted.events() if isinstance(e, ev.Log))
