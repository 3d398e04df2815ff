"""The inspector's client and its connections: order, cancelling, dying, leaving, refusing."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_checkpoints as fake
import msgspec
import pytest
from story import write_run

from unlearn_tui.engine.inspector.server import Server, listen
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Ask, ModelRef, Reply
from unlearn_tui.runs import inspecting
from unlearn_tui.runs.inspecting import Inspector, checked, socket_path, subjects

MODELS = [ModelRef("target", "/t"), ModelRef("unlearned", "/u")]


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of the test's own, short enough for sockets."""
    folder = tempfile.mkdtemp(prefix="ins", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(inspecting, "ENGINE", "inspect_engine")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


class Client:
    """An Inspector and what it heard."""

    def __init__(self, home: Path) -> None:
        self.replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self.inspector = Inspector(home, self.replies.put)

    def ask(self, question: str) -> int:
        id = self.inspector.next_id()
        self.inspector.ask(Ask(id=id, models=MODELS, precisions=["fp16", "bnb-fp4"], question=question))
        return id

    def until_last(self, count: int = 1) -> list[Reply]:
        """Everything up to the last reply of `count` requests."""
        heard: list[Reply] = []
        while count:
            heard.append(self.replies.get(timeout=30))
            count -= isinstance(heard[-1], (ins.Done, ins.Refusal, ins.Resident))
        return heard

    def pid(self) -> int:
        self.inspector.status()
        last = self.until_last()[-1]
        assert isinstance(last, ins.Resident)
        return last.pid


@pytest.fixture
def client(runtime: Path, tmp_path: Path) -> Iterator[Callable[[], Client]]:
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.inspector.close()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # our own child stays in the process table until somebody waits for it
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
        time.sleep(0.02)
    return False


def test_replies_come_in_order_and_the_process_stays_for_the_next_question(client: Callable[[], Client]) -> None:
    one = client()
    id = one.ask("Where?")
    heard = one.until_last()
    assert [type(r) for r in heard[:3]] == [ins.Progress, ins.Began, ins.Said]
    assert isinstance(heard[-1], ins.Done)
    assert {r.id for r in heard} == {id}
    pid = one.pid()
    one.ask("Where else?")
    one.until_last()
    assert one.pid() == pid


def test_two_that_begin_at_once_share_one_process(client: Callable[[], Client]) -> None:
    one, two = client(), client()
    asking = [threading.Thread(target=c.ask, args=("Where?",)) for c in (one, two)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    one.until_last()
    two.until_last()
    assert one.pid() == two.pid()


def test_the_process_ends_with_its_last_client_and_leaves_nothing(client: Callable[[], Client], tmp_path: Path) -> None:
    one, two = client(), client()
    one.ask("Where?")
    one.until_last()
    two.ask("Where?")
    two.until_last()
    pid = one.pid()
    path = socket_path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one.inspector.close()
    assert two.pid() == pid
    two.inspector.close()
    assert gone(pid)
    assert not path.exists()
    assert not path.with_suffix(".lock").exists()


def test_one_that_was_told_to_stay_answers_the_next_client(client: Callable[[], Client]) -> None:
    one, two = client(), client()
    one.inspector.ask(Ask(id=one.inspector.next_id(), models=MODELS, precisions=["fp16"], question="Where?", keep=True))
    one.until_last()
    pid = one.pid()
    one.inspector.close()
    time.sleep(0.2)
    assert two.pid() == pid
    os.kill(pid, signal.SIGTERM)


def test_requests_are_answered_one_after_another_and_cancelling_is_heard_at_once(client: Callable[[], Client]) -> None:
    one = client()
    first, second, third = one.ask("wait"), one.ask("wait too"), one.ask("Where?")
    while not isinstance(one.replies.get(timeout=30), ins.Began):
        pass
    one.inspector.cancel(second)
    last = one.until_last()[-1]
    assert last == ins.Done(id=second, cancelled=True)
    one.inspector.cancel(first)
    last = one.until_last()[-1]
    assert last == ins.Done(id=first, cancelled=True)
    assert {r.id for r in one.until_last()} == {third}


def test_a_process_that_dies_refuses_every_open_request_and_the_next_starts_another(
    client: Callable[[], Client],
) -> None:
    one = client()
    ids = [one.ask("wait"), one.ask("Where?")]
    while not isinstance(one.replies.get(timeout=30), ins.Began):
        pass
    one.inspector.status()
    heard = one.replies.get(timeout=30)
    assert isinstance(heard, ins.Resident)
    os.kill(heard.pid, signal.SIGKILL)
    refused = one.until_last(2)
    assert [r.id for r in refused] == ids
    assert all(isinstance(r, ins.Refusal) and r.fault and "the inspector ended" in r.message for r in refused)
    one.ask("Where?")
    assert isinstance(one.until_last()[-1], ins.Done)


def test_an_inspector_that_cannot_start_says_its_last_line(
    client: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSPECTOR_FAILS", "1")
    one = client()
    one.ask("Where?")
    last = one.until_last()[-1]
    assert isinstance(last, ins.Refusal)
    assert last.message == "the inspector cannot start: Killed by the test"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_fails_does_not_keep_the_next_question_from_being_asked(
    client: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = client()
    with monkeypatch.context() as patch:
        patch.setattr(one.inspector, "_heard", lambda reply: 1 / 0)
        one.ask("Where?")
        assert one.inspector._reader is not None
        one.inspector._reader.join(20)
    one.ask("Where?")
    assert isinstance(one.until_last()[-1], ins.Done)


def test_leaving_cancels_what_is_asked(client: Callable[[], Client]) -> None:
    one, two = client(), client()
    one.ask("wait")
    while not isinstance(one.replies.get(timeout=30), ins.Began):
        pass
    two.ask("Where?")
    one.inspector.close()
    assert isinstance(two.until_last()[-1], ins.Done)
    assert one.replies.empty()


def test_a_socket_that_a_killed_process_left_is_no_obstacle(client: Callable[[], Client], tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    one = client()
    one.ask("Where?")
    assert isinstance(one.until_last()[-1], ins.Done)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"question": " \n"}, "the question is empty"),
        ({"question": "x" * 100_000}, "the question has 100,000 characters, 20,000 are the most"),
        ({"gold": "x" * 20_001}, "the gold answer has 20,001 characters"),
        ({"question": "\udc80"}, "not UTF-8"),
        ({"precisions": []}, "nobody is asked"),
        ({"precisions": ["fp5"]}, "unknown precision"),
        ({"attack": "paraphrase"}, "unknown attack"),
    ],
)
def test_what_no_model_is_asked_is_refused_before_any_process(changed: dict[str, object], line: str) -> None:
    request = Ask(**{"id": 1, "models": MODELS, "precisions": ["fp16"], "question": "Who?", **changed})  # type: ignore[arg-type]
    with pytest.raises(Refused, match=line) as refused:
        checked(request)
    assert "\n" not in str(refused.value)


def test_a_corpus_folder_is_meant_from_where_the_asker_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    request = Ask(id=1, models=MODELS, precisions=["fp16"], question="Who?", corpus="mine")
    assert checked(request).corpus == str(tmp_path / "mine")
    assert checked(msgspec.structs.replace(request, corpus="pocket")).corpus == "pocket"


def test_a_run_stands_for_its_target_and_its_unlearned_model(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    shutil.rmtree(run.made)
    fake.make_checkpoint(run.made)
    models, spec = subjects(run.id, tmp_path, offline=True)
    assert [(m.label, Path(m.path).name) for m in models] == [("target", "target"), ("unlearned", "unlearned")]
    assert spec == run.spec()
    model, plain = subjects("pocket-retrain", tmp_path)
    assert [m.label for m in model] == ["model"]
    assert plain.precision == ["fp16", "bnb-int8", "bnb-fp4"]


def test_a_broken_checkpoint_is_refused_before_a_process_starts(tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "model")
    assert subjects(str(folder), tmp_path)[0] == [ModelRef("model", str(folder))]
    (folder / "tokenizer.json").unlink()
    with pytest.raises(Refused, match="no tokenizer"):
        subjects(str(folder), tmp_path)


@pytest.fixture
def server(runtime: Path) -> tuple[Server, str]:
    path = str(runtime / "s.sock")
    return Server(listen(path), 0.3, lambda id: ins.Resident(id=id, models=[], used=0, budget=0, free=0)), path


def test_what_is_no_request_is_answered_and_the_line_closed(server: tuple[Server, str]) -> None:
    for line in (b"hello\n", b"[" * 100_000 + b"\n", b'{"type":"ask"}\n', b"x" * (ins.LINE_LIMIT + 2)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(server[1])
            client.sendall(line)
            reply = client.makefile("rb").readline()
            assert isinstance(msgspec.json.decode(reply, type=Reply), ins.Refusal)


def test_nobody_asking_for_long_enough_ends_it(server: tuple[Server, str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(server[1])
        began = time.monotonic()
        server[0].serve(lambda *_: None)
        assert time.monotonic() - began < 5
        assert client.recv(1) == b""
