"""What the writer writes, the reader reads: numbering, partial lines, windows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from unlearn_tui.protocol.events import Finished, Log, Progress, Step, encode
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.log import CHUNK, LogReader, last_event
from unlearn_tui.runs.writer import EventWriter


def test_the_writer_numbers_events_without_gaps_over_attempts(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for _ in range(3):
        with EventWriter(run) as writer:
            for _ in range(2):
                writer.write(Log(level="info", text="x"))
    events = list(run.events())
    assert [(event.seq, event.attempt) for event in events] == [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)]
    assert all(event.time > 1e9 and event.mono > 0 for event in events)
    with EventWriter(run, attempt=3) as writer:
        assert (writer.seq, writer.attempt) == (6, 3)


def test_events_can_be_read_from_a_number_on(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert list(run.events()) == []
    with EventWriter(run) as writer:
        for _ in range(5):
            writer.write(Log(level="info", text="x"))
    assert [event.seq for event in run.events(3)] == [3, 4]


def test_an_event_that_no_reader_could_decode_is_never_written(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with EventWriter(run) as writer:
        with pytest.raises(ValueError, match="lr"):
            writer.write(
                Step(
                    step=1,
                    total=2,
                    loss=1,
                    forget_loss=1,
                    grad_norm=1,
                    lr=None,  # type: ignore[arg-type]
                    adam_max=0,
                    adam_p99=0,
                )
            )
        writer.write(Finished(seconds=1))
    assert [event.seq for event in run.events()] == [0]


def test_writing_from_several_threads_keeps_every_line_whole(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with EventWriter(run) as writer:

        def work(name: int) -> None:
            for done in range(200):
                writer.write(Progress(stage=f"s{name}", done=done, total=200, note="n" * done))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [event.seq for event in run.events()] == list(range(600))


def test_a_line_that_arrives_in_pieces_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = LogReader(path)
    assert reader.read() == []
    line = encode(Log(seq=0, level="info", text="ä"))
    with path.open("wb", buffering=0) as file:
        for position in range(len(line) - 1):
            file.write(line[position : position + 1])
            assert reader.read() == []
            assert not reader.damaged
        file.write(b"\n")
        assert [event.seq for event in reader.read()] == [0]
    assert reader.offset == len(line)


def test_reading_while_another_thread_writes_gives_every_event_once_and_in_order(tmp_path: Path) -> None:
    run = RunDir(tmp_path)

    def work() -> None:
        with EventWriter(run) as writer:
            for done in range(2000):
                writer.write(Progress(stage="s", done=done, total=2000, note="x" * (done % 700)))

    thread = threading.Thread(target=work)
    thread.start()
    reader, seen = LogReader(run.events_path), []
    while len(seen) < 2000:
        seen += reader.read()
        assert not reader.damaged
    thread.join()
    assert [event.seq for event in seen] == list(range(2000))


def test_a_line_longer_than_a_chunk_is_read(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with EventWriter(run) as writer:
        writer.write(Log(level="info", text="x" * 3 * CHUNK))
        writer.write(Finished(seconds=1))
    assert [event.seq for event in run.events()] == [0, 1]
    with run.events_path.open("ab") as file:
        file.write(b"x" * 3 * CHUNK)
    assert isinstance(last_event(run.events_path), Finished)


def test_carriage_returns_and_line_separators_in_text_are_no_line_ends(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    text = "a\rb\u2028c\x85d\x1be\0f"
    with EventWriter(run) as writer:
        writer.write(Log(level="info", text=text))
    (event,) = run.events()
    assert isinstance(event, Log)
    assert event.text == text
