"""The control socket: what reaches the handler, what is refused, what is swept."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.commands import AnyCommand, Ping, Reply, SaveNow, Stop
from unlearn_tui.runs import control
from unlearn_tui.runs.control import ControlServer, send, sweep_sockets
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.lock import EngineInfo, RunLock, _named_process_lives, is_alive, read_engine, write_engine


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    folder = Path(tempfile.mkdtemp(prefix="ut-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield RunDir(tmp_path)
    shutil.rmtree(folder)


def raw(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return client.recv(4096)


def test_commands_reach_the_handler_and_its_reply_comes_back(run: RunDir) -> None:
    seen: list[AnyCommand] = []

    def handle(command: AnyCommand) -> Reply:
        seen.append(command)
        return Reply(True, "ok")

    with RunLock(run), ControlServer(run, handle) as server:
        assert server.path.stat().st_mode & 0o777 == 0o600
        for command in (Ping(), Stop(now=True), SaveNow()):
            assert send(run, command) == Reply(True, "ok")
        assert seen == [Ping(), Stop(now=True), SaveNow()]
    assert not server.path.exists()


def test_what_is_no_command_and_what_a_handler_raises_become_refusing_replies(run: RunDir) -> None:
    def handle(command: AnyCommand) -> Reply:
        raise KeyError("oops")

    with RunLock(run), ControlServer(run, handle) as server:
        for data in (b"garbage\n", b'{"command":"format"}\n', b"\xff\n", b"x" * 100_000):
            with contextlib.suppress(ConnectionError):  # a flood may be cut off
                assert not msgspec.json.decode(raw(server.path, data), type=Reply).ok
        assert raw(server.path, b"") == b""
        assert send(run, Ping()) == Reply(False, "KeyError: 'oops'")


@pytest.mark.parametrize(
    "data",
    [
        b'{"command":"stop","now":"yes"}\n',
        b'{"command":"stop","now":1e400}\n',
        b'{"command":"ping","more":' + b"[" * 50_000 + b"\n",
        b'{"command":"ping"',
        b"\x00\x00\n",
        b"[]\n",
        b'{"command":"' + b"x" * 60_000 + b'"}\n',
        b'{"command":"\\u001b]0;owned\\u0007"}\n',
    ],
    ids=range(8),
)
def test_every_malformed_command_is_answered_in_one_short_line_and_the_next_is_heard(run: RunDir, data: bytes) -> None:
    with RunLock(run), ControlServer(run, lambda _: Reply(True)) as server:
        answer = raw(server.path, data)
        assert answer.endswith(b"\n")
        assert answer.count(b"\n") == 1
        assert not msgspec.json.decode(answer, type=Reply).ok
        assert b"\x1b" not in answer
        assert send(run, Ping()).ok


def test_an_oversized_command_is_answered_before_its_end_comes(run: RunDir) -> None:
    with RunLock(run), ControlServer(run, lambda _: Reply(True)) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.path))
        client.sendall(b" " * control.LINE_LIMIT)
        reply = msgspec.json.decode(client.recv(4096), type=Reply)
        assert not reply.ok
        assert "a command is less than 65,536 bytes" in reply.text
        assert send(run, Ping()).ok


def test_a_dribble_of_bytes_holds_nobody_up(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "CLIENT_SECONDS", 0.3)
    with RunLock(run), ControlServer(run, lambda _: Reply(True)) as server, socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(server.path))
        end = threading.Event()

        def dribble() -> None:
            with contextlib.suppress(OSError):
                while not end.wait(0.05):
                    slow.sendall(b" ")

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            assert send(run, Ping(), timeout=5).ok
        finally:
            end.set()
            thread.join()


def test_a_client_that_says_nothing_does_not_block_the_next_for_long(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "CLIENT_SECONDS", 0.2)
    with RunLock(run), ControlServer(run, lambda _: Reply(True)) as server, socket.socket(socket.AF_UNIX) as mute:
        mute.connect(str(server.path))
        assert send(run, Ping()).ok


def test_an_engine_that_does_not_listen_is_refused_after_the_timeout(run: RunDir) -> None:
    with pytest.raises(Refused, match="no live engine"):
        send(run, Ping())
    with RunLock(run), pytest.raises(Refused, match=f"pid {os.getpid()}.*does not answer: it does not listen yet"):
        send(run, Ping(), timeout=0.2)


def test_the_socket_of_a_killed_engine_is_swept_and_that_of_a_live_one_is_not(run: RunDir) -> None:
    with RunLock(run), ControlServer(run, lambda _: Reply(True)) as server:
        stale = server.path.with_name("0000000000000000.sock")
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(stale))
        dead.close()
        sweep_sockets(server.path.parent)
        assert stale.exists(), "a young one may be about to listen"
        sweep_sockets(server.path.parent, older_than=-1)
        assert not stale.exists()
        assert send(run, Ping()).ok


def test_the_socket_of_the_engine_killed_before_on_this_run_is_taken_over(run: RunDir) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(run.socket_path))
    dead.close()
    with RunLock(run), ControlServer(run, lambda _: Reply(True)):
        assert send(run, Ping()).ok


def test_engine_json_names_this_process_and_damage_reads_as_none(run: RunDir) -> None:
    assert read_engine(run) is None
    write_engine(run, "/s")
    found = read_engine(run)
    assert found is not None
    assert (found.pid, found.host, found.socket) == (os.getpid(), socket.gethostname(), "/s")
    run.engine_json.write_text('{"pid": "x"')
    assert read_engine(run) is None


def test_without_locks_an_engine_is_told_by_its_pid_and_its_start(run: RunDir) -> None:
    assert not _named_process_lives(run)
    write_engine(run)
    assert _named_process_lives(run)
    found = read_engine(run)
    assert found is not None
    for other, alive in (
        (EngineInfo(found.pid, found.host, found.start - 100), False),
        (EngineInfo(2**22 + 1, found.host, found.start), False),
        (EngineInfo(found.pid, "another-host", 0), True),
    ):
        write_atomic(run.engine_json, msgspec.json.encode(other))
        assert _named_process_lives(run) is alive


def test_the_lock_is_free_again_after_release_and_leaves_the_record(run: RunDir) -> None:
    assert not is_alive(run)
    with RunLock(run):
        assert is_alive(run)
    assert not is_alive(run)
    assert read_engine(run) is not None
