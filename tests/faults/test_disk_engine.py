"""A real engine whose disk is full, read-only, slow or gone - and what a resume makes of it once there is room again."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prepared import Prepared
from unharmed import answers, corpus, small

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.store import status
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MB = 1_000_000


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    """Two stages of scoring with three saves between them, of 34 MB each."""
    questions = corpus(tmp_path_factory.mktemp("corpus"), 4, 1)
    few = {"steps": 4, "save_every": 1, "canary_every": 0, "probe_every": 0, "cache": False}
    return small(questions, precision=["fp16"], metric=["knowmem_forget"], **few)


@pytest.fixture(scope="module")
def unbroken(engines: Prepared, spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir.create(tmp_path_factory.mktemp("unbroken"), spec, versions())
    assert engines.run(run.path) == 0
    return run


def mount(*args: object) -> bool:
    try:
        return subprocess.run(["mount", *map(str, args)], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for the two saves that are there at a time."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=96m", "tmpfs", folder):
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def when(run: RunDir, seen: Callable[[ev.AnyEvent], bool]) -> None:
    """Wait for the first event for which `seen` holds."""
    deadline = time.monotonic() + 240
    while not any(seen(event) for event in run.events()):
        assert time.monotonic() < deadline, run.log_path.read_text()
        time.sleep(0.01)


def fill(disk: str | Path, leave: int = 0) -> None:
    """Take all room but `leave` bytes."""
    left = shutil.disk_usage(disk).free - leave
    with (Path(disk) / "filled").open("wb", buffering=0) as file:
        try:
            while left > 0:
                left -= file.write(b"x" * min(left, 1 << 16))
        except OSError:
            pass


def failed(run: RunDir, stage: str, *parts: str) -> None:
    """The log itself ends in one line that says what the disk did, and nothing is half there."""
    *_, last = run.events()
    assert isinstance(last, ev.Failed), last
    assert (last.kind, last.stage) == ("disk", stage), last.message
    assert "\n" not in last.message
    for part in (*parts, f"run unlearn-tui resume {run.id}"):
        assert part in last.message
    assert status(run) == ("failed", last.message)
    assert not [p for p in run.path.rglob(".*") if p.name.endswith((".tmp", ".old"))]
    assert not (run.path / "engine.ballast").exists()


MEANWHILE = f"""
from __future__ import annotations
import shutil
from pathlib import Path
from unlearn_tui.engine import checkpoints

{inspect.getsource(fill)}
check_room = checkpoints.check_room

def looked(path, needed):
    check_room(path, needed)
    fill(%r, leave=3_000_000)

checkpoints.check_room = looked
"""
"""The room is there when it is looked at, and gone when it is used."""
SLUGGISH = """
import os, time

fsync = os.fsync

def slowly(fd):
    time.sleep(0.5)
    fsync(fd)

os.fsync = slowly
"""


def test_a_run_whose_disk_gives_out_in_every_way_goes_on_each_time_to_the_answers_of_an_unbroken_one(
    engines, spec, unbroken, disk
):
    run = RunDir.create(disk, spec, versions())

    # full to the last byte while answers are scored
    engines.start(run.path)
    when(run, lambda e: isinstance(e, ev.StageStarted) and e.stage == "load")
    fill(disk)
    assert engines.wait() == 1
    *_, last = run.events()
    failed(run, last.stage, str(run.path), "No space left on device", " is free and the run needs up to ")
    assert last.stage in ("load", "score_target")
    (disk / "filled").unlink()

    # no room for a save: seen before anything of it is written
    engines.start(run.path)
    when(run, lambda e: e.attempt == 2 and isinstance(e, ev.StageFinished) and e.stage == "score_target")
    fill(disk, leave=20 * MB)
    assert engines.wait() == 1
    failed(run, "unlearn", str(run.checkpoints / "training-"), "a save needs 34.", " MB is free")
    (disk / "filled").unlink()
    saves = [p.name for p in run.checkpoints.iterdir()]

    # gone in the middle of a save
    assert engines.run(run.path, first=MEANWHILE % str(disk)) == 1
    failed(run, "unlearn", str(run.checkpoints / "training-"), "No space left on device")
    assert [p.name for p in run.checkpoints.iterdir()] == saves
    (disk / "filled").unlink()

    # read-only: of a disk on which files are open only a mount can be turned so
    assert mount("--bind", run.checkpoints, run.checkpoints)
    try:
        assert mount("-o", "remount,bind,ro", run.checkpoints)
        assert engines.run(run.path) == 1
        failed(run, "unlearn", str(run.checkpoints), "Read-only file system", "make it writable")
    finally:
        subprocess.run(["umount", "-l", str(run.checkpoints)], check=True)

    # slow: whoever looks is not kept waiting by it
    engines.start(run.path, first=SLUGGISH)
    slowest = 0.0
    while is_alive(run) or not isinstance(list(run.events())[-1], ev.Finished):
        began = time.monotonic()
        status(run)
        assert list(run.events())
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.1)
    assert engines.wait() == 0
    assert answers(run) == answers(unbroken)
    assert run.result().scores == unbroken.result().scores
    assert [p.name for p in run.checkpoints.iterdir()] == ["unlearned"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_fails_the_run_in_words(engines, spec, tmp_path):
    run = RunDir.create(tmp_path, spec, versions())
    run.checkpoints.mkdir(mode=0o500)
    assert engines.run(run.path) == 1
    failed(run, "unlearn", str(run.checkpoints), "Permission denied", "make it writable")


def test_a_run_that_is_removed_while_it_trains_ends_and_nothing_of_it_comes_back(engines, spec, tmp_path):
    from msgspec.structs import replace

    other = RunDir.create(tmp_path, spec, versions())
    run = RunDir.create(tmp_path, replace(spec, steps=100_000), versions())
    engines.start(run.path)
    when(run, lambda e: isinstance(e, ev.Saved))
    while run.path.exists():  # a save may be under way
        shutil.rmtree(run.path, ignore_errors=True)
    assert engines.wait() == 1
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [other.id]
    assert [p.name for p in other.path.iterdir()] == ["spec.toml"]
    assert not is_alive(run)
    (made_up,) = [e for e in follow(run) if e]
    assert isinstance(made_up, ev.Failed)


def test_a_home_that_is_removed_while_a_run_goes_on_does_not_come_back_either(engines, spec, tmp_path):
    from msgspec.structs import replace

    home = tmp_path / "home"
    run = RunDir.create(home, replace(spec, cache=True), versions())
    engines.start(run.path)
    when(run, lambda e: isinstance(e, ev.Loaded))
    while home.exists():
        shutil.rmtree(home, ignore_errors=True)
    assert engines.wait() == 1
    assert not home.exists()
