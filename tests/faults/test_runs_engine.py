"""A real engine process (runs_dummy_engine) that is launched, followed, told to stop, killed, resumed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from textual.app import App

import unlearn_tui
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.commands import Ping, Stop
from unlearn_tui.protocol.events import AnyEvent, Failed, Finished, Progress, Resumed, Started, Stopped
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.control import send
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.home import home
from unlearn_tui.runs.launch import _launched, launch, wait_accepted
from unlearn_tui.runs.lock import RunLock, is_alive, read_engine
from unlearn_tui.runs.store import find, prune, remove, status

DUMMY = "runs_dummy_engine"
SECONDS = 60.0


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ut-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def rundir(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    source = Path(unlearn_tui.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(source), str(Path(__file__).parent)]))
    monkeypatch.setenv("DUMMY", "")
    run = RunDir.create(home(tmp_path / "home"), RunSpec(preset="effect"), {})
    yield run
    engine = read_engine(run)
    if engine and engine.pid != os.getpid() and is_alive(run):
        os.kill(engine.pid, signal.SIGKILL)


def start(rundir: RunDir) -> int:
    pid = launch(rundir, DUMMY)
    wait_accepted(rundir, SECONDS)
    return pid


def until(condition: object, what: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.02)


def kill(rundir: RunDir, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(rundir), "the lock outlived the engine")


def collect(rundir: RunDir, **options: object) -> list[AnyEvent]:
    return [event for event in follow(rundir, poll=0.02, **options) if event is not None]  # type: ignore[arg-type]


def test_a_finished_engine_is_followed_from_its_first_event_to_its_last(
    rundir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY", "finish")
    pid = start(rundir)
    events = collect(rundir)
    assert [type(event) for event in events] == [Started, *[Progress] * 5, Finished]
    assert [event.seq for event in events] == list(range(7))
    assert events[0].pid == pid
    assert status(rundir) == ("finished", "")


def test_following_a_quiet_run_yields_none_between_its_events(rundir: RunDir) -> None:
    start(rundir)
    seen = []
    for event in follow(rundir, poll=0.001):
        seen.append(event)
        if len(seen) > 50:
            break
    assert None in seen
    assert any(isinstance(event, Progress) for event in seen)


def test_an_engine_killed_outright_is_followed_by_a_made_up_failure(rundir: RunDir) -> None:
    pid = start(rundir)
    threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
    events = collect(rundir)
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "died"
    assert f"resume {rundir.id}" in events[-1].message
    assert events[-1].seq == events[-2].seq + 1
    assert not is_alive(rundir)
    assert status(rundir)[0] == "died"
    with pytest.raises(Refused, match="no live engine"):
        send(rundir, Ping())


def test_a_killed_run_with_a_torn_last_line_goes_on_as_the_next_attempt(rundir: RunDir) -> None:
    kill(rundir, start(rundir))
    whole = rundir.events_path.read_bytes()
    before = list(rundir.events())
    rundir.events_path.write_bytes(whole + b'{"event":"progress","seq":99,"st')
    assert list(rundir.events()) == before
    start(rundir)
    assert send(rundir, Stop()).text == "stopping"
    events = collect(rundir)
    assert events[: len(before)] == before
    assert isinstance(events[len(before)], Started)
    assert isinstance(events[len(before) + 1], Resumed)
    assert isinstance(events[-1], Stopped)
    assert [event.seq for event in events] == list(range(len(events)))
    assert {event.attempt for event in events[len(before) :]} == {2}
    assert b"99" not in rundir.events_path.read_bytes().splitlines()[len(before)][:40]


def test_a_viewer_that_watched_the_first_attempt_die_reads_on_after_the_torn_line_was_cut(rundir: RunDir) -> None:
    from unlearn_tui.runs.log import LogReader

    kill(rundir, start(rundir))
    with rundir.events_path.open("ab") as file:
        file.write(b'{"event":"pro')
    reader = LogReader(rundir.events_path)
    while reader.read():
        pass
    start(rundir)
    until(lambda: any(isinstance(event, Started) and event.attempt == 2 for event in reader.read()), "no second start")


def test_a_second_engine_on_the_same_run_is_refused(rundir: RunDir) -> None:
    pid = start(rundir)
    with pytest.raises(Refused, match=f"already has an engine, pid {pid}"):
        launch(rundir, DUMMY)
    with pytest.raises(Refused, match=f"already has an engine, pid {pid}"):
        RunLock(rundir).acquire()
    assert send(rundir, Ping()).text == f"here is {pid}"


def test_two_launches_at_once_leave_one_engine_and_the_other_says_why(rundir: RunDir) -> None:
    launch(rundir, DUMMY)
    first = _launched[rundir.path].process
    launch(rundir, DUMMY)
    second = _launched[rundir.path].process
    until(lambda: first.poll() is not None or second.poll() is not None, "both engines live")
    loser = first if first.poll() is not None else second
    assert loser.returncode == 2
    assert "already has an engine" in rundir.log_path.read_text()
    assert is_alive(rundir)


def test_stop_reaches_the_engine_and_the_run_ends_as_stopped(rundir: RunDir) -> None:
    start(rundir)
    assert send(rundir, Stop()).ok
    assert isinstance(collect(rundir)[-1], Stopped)
    assert status(rundir) == ("stopped", "")
    until(lambda: not is_alive(rundir), "it never let go")
    assert not Path(read_engine(rundir).socket).exists()  # type: ignore[union-attr]


def test_stop_still_reaches_an_engine_whose_runtime_directory_vanished_at_logout(rundir: RunDir, runtime: Path) -> None:
    pid = start(rundir)
    first = read_engine(rundir)
    shutil.rmtree(runtime)
    assert send(rundir, Ping(), timeout=SECONDS).text == f"here is {pid}"
    assert read_engine(rundir).socket != first.socket  # type: ignore[union-attr]
    assert send(rundir, Stop()).ok
    assert isinstance(collect(rundir)[-1], Stopped)
    until(lambda: not is_alive(rundir), "it never let go")


def test_a_resume_right_after_a_stop_waits_for_the_first_engine_to_leave(rundir: RunDir) -> None:
    start(rundir)
    assert send(rundir, Stop()).ok
    assert isinstance(collect(rundir)[-1], Stopped)
    start(rundir)
    assert max(event.attempt for event in rundir.events()) == 2


def test_a_live_run_is_neither_removed_nor_pruned(rundir: RunDir) -> None:
    pid = start(rundir)
    with pytest.raises(Refused, match="is running"):
        remove(rundir)
    assert prune(rundir.home) == []
    kill(rundir, pid)
    assert [run.id for run in prune(rundir.home, failed_only=True)] == [rundir.id]
    assert not rundir.path.exists()


def test_an_engine_that_crashes_before_it_begins_gives_its_last_line(
    rundir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY", "crash")
    launch(rundir, DUMMY)
    with pytest.raises(RuntimeError, match=r"exit 1\): RuntimeError: no such library"):
        wait_accepted(rundir, SECONDS)
    monkeypatch.setenv("DUMMY", "")
    start(rundir)


def test_an_engine_that_is_slow_to_begin_is_reported_and_left_running(
    rundir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY", "slow")
    pid = launch(rundir, DUMMY)
    with pytest.raises(RuntimeError, match=r"not begun after 0\.2 s"):
        wait_accepted(rundir, 0.2)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="signal 9"):
        wait_accepted(rundir, SECONDS)


def test_a_run_that_was_never_started_ends_at_once_when_followed(rundir: RunDir) -> None:
    events = collect(rundir)
    assert [event.kind for event in events] == ["died"]  # type: ignore[union-attr]
    assert "no engine has begun" in events[0].message  # type: ignore[union-attr]
    assert status(rundir) == ("new", "")


def test_a_resume_waits_for_the_new_attempt_not_for_the_old_one(
    rundir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(rundir, start(rundir))
    monkeypatch.setenv("DUMMY", "finish")
    start(rundir)
    assert max(event.attempt for event in rundir.events()) == 2


def test_the_engine_has_a_session_of_its_own_no_stdin_this_environment_and_a_lower_priority(
    rundir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_TOKEN", "somebody")
    pid = start(rundir)
    assert os.getsid(pid) == pid
    assert "dummy engine for somebody reads ''" in rundir.log_path.read_text()
    assert psutil.Process(pid).nice() > psutil.Process().nice()


def test_a_file_in_the_working_directory_does_not_pose_as_a_module(
    rundir: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs_dummy_engine.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    start(rundir)


async def test_an_engine_is_launched_from_inside_a_running_textual_app(rundir: RunDir) -> None:
    class Probe(App[None]):
        pid = 0

        def on_mount(self) -> None:
            self.begin_capture_print(self)
            self.pid = start(rundir)

    app = Probe()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert send(rundir, Ping()).text == f"here is {app.pid}"
    # and it outlives the app
    assert is_alive(rundir)


def test_a_viewer_that_keeps_asking_never_makes_an_engine_believe_the_run_is_taken(rundir: RunDir) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.001):
            is_alive(rundir)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(50):
            with RunLock(rundir):
                assert is_alive(rundir)
    finally:
        done.set()
        for asker in askers:
            asker.join()


def test_a_run_copied_elsewhere_while_it_ran_is_not_alive_there(rundir: RunDir, tmp_path: Path) -> None:
    start(rundir)
    copy = RunDir(Path(shutil.copytree(rundir.path, tmp_path / "copy")))
    assert is_alive(rundir)
    assert not is_alive(copy)
    assert collect(copy)[-1].kind == "died"  # type: ignore[union-attr]
    assert find(rundir.home, str(copy.path)) == copy
