"""Disks that are full, homes that cannot be written, logs cut or damaged at any byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unlearn_tui
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.events import Failed, Finished, Log, encode
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.home import home
from unlearn_tui.runs.log import LogReader, last_event
from unlearn_tui.runs.store import info, status
from unlearn_tui.runs.writer import EventWriter


def lines(count: int) -> list[bytes]:
    return [encode(Log(seq=seq, attempt=1, level="info", text=f"é {seq}\n")) for seq in range(count)]


@pytest.mark.parametrize("place", ["a_file", "below_a_file", "proc", "nul", "tilde"])
def test_a_home_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    given = {
        "a_file": str(tmp_path / "file"),
        "below_a_file": str(tmp_path / "file" / "home"),
        "proc": "/proc/unlearn-tui",
        "nul": "/tmp/a\0b",
        "tilde": "~nosuchuser/home",
    }[place]
    with pytest.raises(Refused, match="cannot be used") as refused:
        home(given)
    assert refused.value.field == "home"
    assert "\n" not in str(refused.value)
    assert "\0" not in str(refused.value)


def test_a_read_only_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o500)
    if os.access(tmp_path / "runs", os.W_OK):
        pytest.skip("this user writes everywhere")
    with pytest.raises(Refused, match="read-only"):
        home(tmp_path)


def test_a_run_that_cannot_be_created_leaves_nothing(tmp_path: Path) -> None:
    folder = home(tmp_path)
    with pytest.raises(Refused, match="cannot be created"):
        RunDir.create(folder, RunSpec(model="name-\udcff"), {})
    assert list((folder / "runs").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be created"):
        RunDir.create(tmp_path / "file", RunSpec(), {})


def test_a_failed_atomic_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


FULL_DISK = """
import resource, sys
from pathlib import Path
from unlearn_tui.protocol.events import Failed, Log
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.writer import EventWriter

writer = EventWriter(RunDir(Path(sys.argv[1])))
writer.write(Log(level="info", text="before"))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    writer.write(Log(level="info", text="x" * 5000))
except OSError as error:
    print(error.errno)
writer.write(Failed(kind="disk", message="no room"))
writer.close()
"""


def test_a_disk_full_in_the_middle_of_a_line_is_an_oserror_and_the_log_stays_whole(tmp_path: Path) -> None:
    # a limit on the file's size stops a write in its middle exactly as a full disk does
    source = str(Path(unlearn_tui.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().isdigit(), done.stderr
    first, second = RunDir(tmp_path).events()
    assert (first.seq, second.seq) == (0, 1)
    assert isinstance(second, Failed)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_an_oserror(tmp_path: Path) -> None:
    with EventWriter(RunDir(tmp_path)) as writer:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, writer._fd)
        os.close(full)
        with pytest.raises(OSError, match="No space left"):
            writer.write(Finished(seconds=1))
        assert writer.seq == 0
        again = os.open(tmp_path / "events.jsonl", os.O_WRONLY | os.O_APPEND)
        os.dup2(again, writer._fd)
        os.close(again)
        writer.write(Finished(seconds=1))
    assert [event.seq for event in RunDir(tmp_path).events()] == [0]


@given(cut=st.integers(0, len(b"".join(lines(5)))), garbage=st.sampled_from([b"", b"\0\0\0", b"\xff{", b'{"event":']))
def test_a_log_cut_at_any_byte_keeps_its_whole_events_and_is_written_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    rundir = RunDir(tmp_path_factory.mktemp("run"))
    whole = b"".join(lines(5))
    rundir.events_path.write_bytes(whole[:cut] + garbage)
    expected = whole[:cut].count(b"\n")
    assert [event.seq for event in rundir.events()] == list(range(expected))
    last = last_event(rundir.events_path)
    assert (last.seq if last else -1) == expected - 1
    with EventWriter(rundir) as writer:
        writer.write(Finished(seconds=1))
    assert [event.seq for event in rundir.events()] == list(range(expected + 1))
    assert rundir.events_path.read_bytes().startswith(b"".join(lines(expected)))


@pytest.mark.parametrize(
    "garbage",
    [
        b"not json\n",
        b"\n",
        b'{"event":"from the future","seq":2}\n',
        b"\xff\xfe\n",
        b"\0" * 100 + b"\n",
        b"[" * 100_000 + b"\n",
        b'{"event":"step","seq":2,"step":1,"total":1,"loss":null,"forget_loss":1,"grad_norm":1}\n',
    ],
)
def test_reading_stops_at_damage_in_the_middle_says_so_and_a_new_writer_cuts_it(tmp_path: Path, garbage: bytes) -> None:
    run = RunDir(tmp_path)
    run.events_path.write_bytes(b"".join(lines(2)) + garbage + lines(4)[3])
    reader = LogReader(run.events_path)
    assert [event.seq for event in reader.read()] == [0, 1]
    assert reader.read() == []
    assert reader.damaged
    *events, end = [event for event in follow(run) if event]
    assert [event.seq for event in events] == [0, 1]
    assert isinstance(end, Failed)
    assert (end.kind, end.seq) == ("torn", 2)
    assert "after event 1" in end.message
    with EventWriter(run) as writer:
        writer.write(Finished(seconds=1))
    assert [event.seq for event in follow(run) if event] == [0, 1, 2]


def test_a_line_without_end_is_taken_for_damage_instead_of_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(1)[0])
    os.truncate(path, 1 << 28)
    reader = LogReader(path)
    assert len(reader.read()) == 1
    before = read_bytes()
    assert reader.read() == []
    assert reader.damaged
    assert last_event(path) is None
    assert read_bytes() - before < 1 << 27


def read_bytes() -> int:
    """Bytes that this process has read from files so far."""
    try:
        text = Path("/proc/self/io").read_text()
    except OSError:
        pytest.skip("no /proc/self/io here")
    return int(text.split("rchar:")[1].split()[0])


def test_the_status_of_a_run_with_a_log_of_100_mb_reads_only_its_tail(tmp_path: Path) -> None:
    run = RunDir.create(home(tmp_path), RunSpec(), {})
    with run.events_path.open("wb") as file:
        file.truncate(100_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + encode(Failed(seq=7, kind="nan", message="loss is NaN")))
    before = read_bytes()
    assert status(run) == ("failed", "loss is NaN")
    assert read_bytes() - before < 100_000
    assert info(run).size > 100_000_000


def test_a_damaged_spec_or_result_is_refused_in_one_line_and_still_listed(tmp_path: Path) -> None:
    run = RunDir.create(home(tmp_path), RunSpec(), {})
    run.result_path.write_text('{"run": 3')
    with pytest.raises(Refused, match=r"result\.json is damaged"):
        run.result()
    for text in ("lr = ", 'lr = "fast"', "unknown = 1"):
        run.spec_path.write_text(text)
        with pytest.raises(Refused, match=r"spec\.toml is damaged") as refused:
            run.spec()
        assert "\n" not in str(refused.value)
        assert "damaged" in info(run).reason
    run.spec_path.unlink()
    with pytest.raises(Refused, match="is no run"):
        run.spec()


@pytest.mark.parametrize("kind", ["lost", "twice", "swapped"])
def test_a_log_with_a_line_out_of_place_is_read_up_to_there(tmp_path: Path, kind: str) -> None:
    run = RunDir.create(tmp_path, RunSpec(), {})
    with EventWriter(run) as writer:
        for number in range(6):
            writer.write(Log(level="info", text=str(number)))
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    one, two = lines[3], lines[4]
    lines[3:5] = {"lost": [two], "twice": [one, one, two], "swapped": [two, one]}[kind]
    run.events_path.write_bytes(b"".join(lines))
    reader = LogReader(run.events_path)
    read = reader.read()
    assert [e.seq for e in read] == list(range(4 if kind == "twice" else 3))
    assert not reader.read()
    assert reader.damaged
