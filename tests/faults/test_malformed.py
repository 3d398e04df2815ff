"""Spoiled files of every kind (malformed_files.py): each is refused in one line or opens, in this process and as a command.

`benchmarks/malformed.py` does the same ten thousand times a kind.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_checkpoints import CONFIG, info, make_checkpoint, refusal, with_header
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed_files import KINDS, RUN, SPECIAL, Bench, opened_files
from spoiling import spoiled

import unlearn_tui
from unlearn_tui.commands.preflight import spec_of
from unlearn_tui.commands.present import outcome
from unlearn_tui.files import LARGE, SMALL, lines_limited, read_given, read_limited
from unlearn_tui.report import answers
from unlearn_tui.runs import history
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources import checkpoints
from unlearn_tui.sources.gguf_header import read_gguf
from unlearn_tui.sources.safetensors_header import read_header

SOURCES = Path(unlearn_tui.__file__).parents[1]
EXAMPLES = 300
"""Of a kind."""


@pytest.fixture(scope="module", params=list(KINDS))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(request.param, tmp_path_factory.mktemp("bench") / "b")


def test_what_is_spoiled_is_refused_in_a_line_or_opens(bench: Bench) -> None:
    ended: dict[str, int] = {}

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(min_value=0, max_value=10**9))
    def tried(number: int) -> None:
        trial = bench.trial(number)
        ended[trial.outcome] = ended.get(trial.outcome, 0) + 1
        assert trial.outcome != "fault", f"--kind {bench.name!r} --seed {number} --examples 1: {trial.said}"

    before = opened_files()
    tried()
    assert opened_files() <= before + 2, "files stay open"
    if bench.name != "settings":  # damaged settings are the defaults
        assert ended.get("refused", 0) or bench.name == "run", ended


def test_what_stands_in_its_place_is_refused_in_a_line_or_opens(bench: Bench) -> None:
    files = bench.kind.files
    for i, special in enumerate(SPECIAL):
        trial = bench.special(special, files[i % len(files)])
        assert trial.outcome != "fault", f"{special} as {files[i % len(files)]}: {trial.said}"


def test_spoiling_is_a_function_of_kind_and_number_alone() -> None:
    data = json.dumps({"a": [1, 2, {"b": "c"}]}).encode()
    made = [spoiled(data, number, "spec") for number in range(200)]
    assert made == [spoiled(data, number, "spec") for number in range(200)]
    assert len(set(made)) > 100
    assert made != [spoiled(data, number, "sweep") for number in range(200)]


# -- what was found, one by one -----------------------------------------------------------------------------------------


def test_a_pipe_that_nobody_writes_into_is_no_spec(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "nothing comes through this pipe" in refusal(lambda: spec_of({}, tmp_path / "pipe"))


def test_what_comes_through_a_pipe_is_read_to_its_end_and_no_further_than_the_limit() -> None:
    for said, limit in (("seed = 3", SMALL), ("x" * 300_000, SMALL), ("x" * 300_000, 1000)):
        out = subprocess.Popen(
            [sys.executable, "-c", f"import time; time.sleep(.3); print({said[:8]!r} * {len(said) // 8})"],
            stdout=subprocess.PIPE,
        )
        assert out.stdout is not None
        with out.stdout as pipe:
            path = Path(f"/dev/fd/{pipe.fileno()}")
            if limit < len(said):
                with pytest.raises(OSError, match="larger than"):
                    read_given(path, limit)
            else:
                assert read_given(path, limit).decode() == f"{said}\n"
        out.wait()


def test_a_key_of_many_parts_is_refused_at_once(tmp_path: Path) -> None:
    for text in (".".join(["a"] * 100_000) + " = 1", "[" + ' . "a"' * 60 + "]", "x = {" + "a." * 60 + "a = 1}"):
        (tmp_path / "spec.toml").write_text(text.replace("[ .", "["))
        assert "50 parts" in refusal(lambda: spec_of({}, tmp_path / "spec.toml"))
    (tmp_path / "spec.toml").write_text(f'canary = "{"and so on. " * 400}"')
    assert spec_of({}, tmp_path / "spec.toml").canary.startswith("and so on. and")


def test_a_file_beyond_its_limit_is_not_made_room_for(tmp_path: Path) -> None:
    with (tmp_path / "vast").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than"):
        read_limited(tmp_path / "vast", LARGE)
    assert list(lines_limited(tmp_path / "vast")) == []
    assert answers.read(tmp_path / "vast") == {}


def test_answers_nested_too_deep_end_there(tmp_path: Path) -> None:
    sound = json.dumps({"index": 4, "prompt": "p", "gold": "g", "answer": "a"})
    (tmp_path / "a.jsonl").write_text(f'{sound}\n{{"index": 5, "x": {"[" * 100_000}\n{sound}\n')
    assert list(answers.read(tmp_path / "a.jsonl")) == [4]


def run_of(folder: Path) -> RunDir:
    KINDS["event log"].make(folder)
    return RunDir(folder / RUN)


def test_a_log_with_a_line_nested_too_deep_teaches_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    lines = run.events_path.read_text().splitlines()
    deep = '{"event":"step","x":' + "[" * 200_000
    run.events_path.write_text("\n".join([*lines[:-1], deep, lines[-1]]) + "\n")
    assert len(history.records(tmp_path / "home")) == 1


def test_a_log_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.events_path.unlink()
    run.events_path.symlink_to(run.events_path.name)
    assert "log cannot be read" in refusal(lambda: outcome(run))


def test_answers_that_are_a_link_to_themselves_are_none(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    result = run.result()
    assert result is not None
    for path in run.answers.iterdir():
        path.unlink()
        path.symlink_to(path.name)
    assert answers.examples(run.path, result, 3) == []


@pytest.mark.parametrize("name", ["w" * 300 + ".safetensors", "a\0.safetensors", "\ud800.safetensors", "..", "", 3])
def test_an_index_whose_files_can_have_no_such_name_is_refused(tmp_path: Path, name: object) -> None:
    folder = make_checkpoint(tmp_path / "m", shards=2)
    table = {"weight_map": {"model.norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(table))
    assert "no weight_map" in refusal(lambda: checkpoints.check(info(folder)))


def header(**tensors: object) -> bytes:
    return json.dumps(tensors).encode()


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ({"dtype": "F4_OF_TOMORROW", "shape": [10**18, 10**18], "data_offsets": [0, 8]}, "misplaces"),
        ({"dtype": "U8", "shape": [(1 << 63) - 1] * 20_000, "data_offsets": [0, 8]}, "too many dimensions"),
    ],
)
def test_a_header_that_counts_more_than_its_data_is_refused(tmp_path: Path, tensor: object, said: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(with_header(header(t=tensor), bytes(8)))
    assert said in refusal(lambda: read_header(tmp_path / "x.safetensors"))


def test_arrays_in_arrays_of_a_gguf_header_are_refused(tmp_path: Path) -> None:
    nested = struct.pack("<IQ", 9, 1) * 100_000
    file = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<I", 9) + nested
    (tmp_path / "x.gguf").write_bytes(file)
    assert "no known type" in refusal(lambda: read_gguf(tmp_path / "x.gguf"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("num_hidden_layers", 10**9), ("hidden_size", 10**12), ("vocab_size", 10**12), ("intermediate_size", 10**9)),
        *(("num_attention_heads", 10**9), ("num_experts", 10**9), ("vocab_size", -7), ("hidden_size", 10**4000)),
    ],
)
def test_a_config_larger_than_its_weights_is_refused_by_the_headers(tmp_path: Path, name: str, value: int) -> None:
    folder = make_checkpoint(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps({**CONFIG, name: value}))
    assert "do not match" in refusal(lambda: checkpoints.check(info(folder)))
    assert len(str(info(folder).hidden)) < 20


def test_a_model_type_that_can_be_no_name_is_refused_by_the_headers(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "m", model_type="llama\x1b]0;pwned\x07")
    assert "which no library has" in refusal(lambda: checkpoints.check(info(folder)))


def test_the_engine_refuses_a_config_larger_than_its_weights_before_it_makes_room(tmp_path: Path) -> None:
    from unlearn_tui.engine.checkpoints import load_model

    KINDS["config, in the engine"].make(tmp_path)
    config = tmp_path / "model/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "intermediate_size": 1_000_000}))
    checkpoints.check(info(tmp_path / "model"))  # no header tells
    assert "3,073,444,096 parameters" in refusal(lambda: load_model(tmp_path / "model"))


def test_a_tokenizer_that_loads_and_cannot_be_used_is_refused(tmp_path: Path) -> None:
    from unlearn_tui.engine.checkpoints import load_tokenizer

    KINDS["tokenizer, in the engine"].make(tmp_path)
    settings = tmp_path / "model/tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": "long"}))
    assert "the tokenizer in 'model' cannot be read" in refusal(lambda: load_tokenizer(tmp_path / "model"))


def test_the_engine_runs_no_code_that_comes_with_a_checkpoint(tmp_path: Path) -> None:
    from unlearn_tui.engine.checkpoints import load_model

    KINDS["config, in the engine"].make(tmp_path)
    config = tmp_path / "model/config.json"
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Mine"}}
    config.write_text(json.dumps({**json.loads(config.read_text()), **own}))
    (tmp_path / "model/mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    refusal(lambda: load_model(tmp_path / "model"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["generation_config.json", "special_tokens_map.json", "vocab.txt"])
def test_files_beside_a_tokenizer_have_a_limit_too(tmp_path: Path, name: str) -> None:
    folder = make_checkpoint(tmp_path / "m")
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than" in refusal(lambda: checkpoints.check(info(folder)))


# -- the command itself -------------------------------------------------------------------------------------------------

COMMANDS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "spec": ("spec", lambda f: ["run", str(f / "spec.toml")]),
    "sweep": ("sweep", lambda f: ["sweep", str(f / "sweep.toml")]),
    "corpus of a run": ("muse corpus", lambda f: ["run", "--corpus", str(f / "corpus"), "--model", "pocket-target"]),
    "corpora check": ("json lines corpus", lambda f: ["corpora", "check", str(f / "corpus.jsonl")]),
    "safetensors": ("safetensors", lambda f: ["run", "--model", str(f / "model")]),
    "index": ("safetensors index", lambda f: ["models", str(f / "model")]),
    "config": ("config", lambda f: ["check", str(f / "model"), str(f / "model")]),
    "tokenizer": ("tokenizer", lambda f: ["models", str(f / "model")]),
    "gguf": ("gguf", lambda f: ["models", str(f / "model")]),
    "result": ("result", lambda f: ["report", str(f / RUN)]),
    "replay": ("event log", lambda f: ["replay", str(f / RUN), "--plain"]),
    "recorded spec": ("run", lambda f: ["replay", str(f / RUN), "--plain"]),
}
BROKEN = {
    "replay": b'{"event":"nothing"}\n',
    "recorded spec": b"\xff = 1",
    "result": b'{"run": 3}',
    "tokenizer": b"[" * 99_999,
}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_command_says_one_line_exits_2_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    kind, command = COMMANDS[name]
    folder, home = tmp_path / "f", tmp_path / "own home"
    folder.mkdir()
    KINDS[kind].make(folder)
    args = command(folder)
    file = folder / KINDS[kind].files[0]
    file.write_bytes(BROKEN.get(name, b'\x1b]0;pwned\x07{"\xe2\x80\xae'))
    before = sorted(str(p) for p in folder.rglob("*"))
    work = tmp_path / "work"
    work.mkdir()
    env = {**os.environ, "UNLEARN_TUI_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-m", "unlearn_tui", *args], env=env, cwd=work, capture_output=True, timeout=120
    )
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert said.startswith("error: ") or name == "corpora check"
    assert said.count("\n") == 1
    assert said[:-1].isprintable()
    assert "Traceback" not in said + done.stdout.decode()
    assert "error: unforeseen" not in said + done.stdout.decode()
    assert sorted(str(p) for p in folder.rglob("*")) == before
    assert list(work.iterdir()) == []
    assert {str(p.relative_to(home)) for p in home.rglob("*")} <= {"runs"}
