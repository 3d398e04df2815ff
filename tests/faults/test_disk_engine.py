"""A real engine whose disk is full, read-only, slow or gone - and what a resume makes of it once there is room again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_engine_faults import answers, ended, go, small, spec, start  # noqa: F401

from unlearn_tui.protocol import events as ev
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.store import status

pytestmark = pytest.mark.slow

QUICK = {"steps": 3, "save_every": 1, "probe_every": 0, "precision": ["fp16"], "metric": ["knowmem_forget"]}
MB = 1_000_000


def mount(*args: str) -> bool:
    try:
        return subprocess.run(["mount", *args], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)):
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, small: Path) -> RunDir:  # noqa: F811
    rundir = start(tmp_path_factory.mktemp("unbroken"), spec(small, **QUICK))
    go(rundir)
    assert isinstance(ended(rundir), ev.Finished)
    return rundir


def when(rundir: RunDir, seen: Callable[[ev.AnyEvent], bool]) -> None:
    """Wait for the first event for which `seen` holds."""
    for event in follow(rundir, poll=0.01):
        assert event is None or not isinstance(event, ev.Failed), event
        if event is not None and seen(event):
            return


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all room but `leave` bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        left = shutil.disk_usage(disk).free - leave
        try:
            while left > 0:
                left -= file.write(b"x" * min(left, 1 << 16))
                file.flush()
        except OSError:
            pass
    return ballast


def left_behind(rundir: RunDir) -> list[Path]:
    return [p for p in rundir.path.rglob(".*") if p.name.endswith((".tmp", ".old"))]


def quiet(rundir: RunDir) -> None:
    deadline = time.monotonic() + 30
    while is_alive(rundir):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def goes_on(rundir: RunDir, unbroken: RunDir) -> None:
    quiet(rundir)
    go(rundir)
    assert isinstance(ended(rundir), ev.Finished)
    assert answers(rundir) == answers(unbroken)
    assert rundir.result().scores == unbroken.result().scores
    assert not left_behind(rundir)
    assert not (rundir.path / "engine.ballast").exists()


def test_a_disk_without_room_for_a_save_fails_the_run_before_it_is_begun_and_names_both_sizes(
    disk,
    small,  # noqa: F811
    unbroken,
):
    rundir = start(disk, spec(small, **QUICK))
    go(rundir)
    when(rundir, lambda e: isinstance(e, ev.Scored))
    ballast = fill(disk, leave=5 * MB)  # a save takes 6.8 MB of weights and 27 MB of moments
    last = ended(rundir)
    assert isinstance(last, ev.Failed)
    assert (last.kind, last.stage) == ("disk", "unlearn"), last.message
    assert "\n" not in last.message
    for part in (str(rundir.checkpoints / "training-1"), "needs 34", "MB is free", f"resume {rundir.id}"):
        assert part in last.message
    assert not left_behind(rundir)
    ballast.unlink()
    goes_on(rundir, unbroken)


def test_a_disk_that_fills_up_in_the_middle_of_a_save_leaves_no_half_of_it(disk, small, unbroken):  # noqa: F811
    """The room is there when it is looked at, and gone when it is used."""
    rundir = start(disk, spec(small, **QUICK))
    broken = subprocess.Popen(
        [sys.executable, "-c", EATER, str(rundir.path), str(disk)], stderr=rundir.log_path.open("wb")
    )
    assert broken.wait(timeout=240) == 1
    *_, last = rundir.events()
    assert isinstance(last, ev.Failed)
    assert (last.kind, last.stage) == ("disk", "unlearn"), last.message
    assert "training-1" in last.message
    assert "No space left on device" in last.message
    assert not left_behind(rundir)
    assert list(rundir.checkpoints.iterdir()) == []
    (disk / "ballast").unlink()
    goes_on(rundir, unbroken)


EATER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from unlearn_tui.engine import checkpoints
from unlearn_tui.engine.__main__ import main
from test_disk_engine import fill

checked = checkpoints.check_room

def gone(path, needed):
    checked(path, needed)
    fill(Path(sys.argv[2]), leave=3_000_000)

checkpoints.check_room = gone
sys.exit(main(sys.argv[1]))
"""


def test_a_disk_that_is_full_to_the_last_byte_while_answers_are_scored_still_hears_why(
    disk,
    small,  # noqa: F811
    unbroken,
):
    rundir = start(disk, spec(small, **QUICK))
    go(rundir)
    when(rundir, lambda e: isinstance(e, ev.StageStarted) and e.stage == "score_target")
    ballast = fill(disk)
    last = ended(rundir)
    assert isinstance(last, ev.Failed)
    assert last.kind == "disk", last.message
    assert "No space left on device" in last.message
    assert f"resume {rundir.id}" in last.message
    assert status(rundir)[0] == "failed"  # in the log itself, not made up by whoever follows
    ballast.unlink()
    goes_on(rundir, unbroken)


def test_a_disk_that_turns_read_only_fails_the_run_in_words_and_is_cleared_up_afterwards(
    disk,
    small,  # noqa: F811
    unbroken,
):
    rundir = start(disk, spec(small, **QUICK))
    # a disk on which something is open for writing turns read-only by itself only, so: a second mount of the folder
    if not mount("--bind", str(rundir.checkpoints.parent), str(rundir.checkpoints.parent)):
        pytest.skip("nothing can be mounted here")
    rundir.checkpoints.mkdir()
    assert mount("--bind", str(rundir.checkpoints), str(rundir.checkpoints))
    assert mount("-o", "remount,bind,ro", str(rundir.checkpoints))
    try:
        go(rundir)
        last = ended(rundir)
        assert isinstance(last, ev.Failed)
        assert (last.kind, last.stage) == ("disk", "unlearn"), last.message
        assert "Read-only file system" in last.message
        assert "make it writable" in last.message
        quiet(rundir)
    finally:
        subprocess.run(["umount", "-l", str(rundir.checkpoints)], check=True)
        subprocess.run(["umount", "-l", str(rundir.path)], check=True)
    goes_on(rundir, unbroken)


def test_a_run_that_is_removed_while_it_trains_ends_and_nothing_of_it_comes_back(tmp_path, small):  # noqa: F811
    gone, other = (start(tmp_path, spec(small, steps=100_000, save_every=5, **KEPT)) for _ in range(2))
    for rundir in (gone, other):
        go(rundir)
    for rundir in (gone, other):
        when(rundir, lambda e: isinstance(e, ev.Saved))
    pid = int(next(gone.events()).pid)
    shutil.rmtree(gone.path, ignore_errors=True)
    while gone.path.exists():  # a save may have been under way
        shutil.rmtree(gone.path, ignore_errors=True)
    seen = other.path.stat().st_mtime, sum(1 for _ in other.events())
    deadline = time.monotonic() + 60
    while running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not gone.path.exists()
    assert [p.name for p in gone.path.parent.iterdir()] == [other.id]
    when(other, lambda e: e.seq >= seen[1])
    assert is_alive(other)
    from unlearn_tui.protocol.commands import Stop
    from unlearn_tui.runs.control import send

    assert send(other, Stop(now=True)).ok
    assert isinstance(ended(other), ev.Stopped)


KEPT = {"probe_every": 0, "metric": ["knowmem_forget"]}


def running(pid: int) -> bool:
    """Whether it runs still; a zombie, which its parent has not asked about, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_disk_that_takes_half_a_second_to_sync_keeps_nobody_waiting(tmp_path, small, unbroken):  # noqa: F811
    rundir = start(tmp_path, spec(small, **QUICK))
    engine = subprocess.Popen([sys.executable, "-c", SLUGGISH, str(rundir.path)], stderr=rundir.log_path.open("wb"))
    slowest, last = 0.0, None
    while engine.poll() is None:
        began = time.monotonic()
        status(rundir)
        last = list(rundir.events())[-1:] or last
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.05)
    assert engine.returncode == 0, rundir.log_path.read_text()
    assert slowest < 0.4  # less than one of its syncs
    assert isinstance(list(rundir.events())[-1], ev.Finished)
    assert answers(rundir) == answers(unbroken)


SLUGGISH = """
import os, sys, time
from unlearn_tui.engine.__main__ import main

sync = os.fsync

def slowly(fd):
    time.sleep(0.5)
    sync(fd)

os.fsync = slowly
sys.exit(main(sys.argv[1]))
"""
