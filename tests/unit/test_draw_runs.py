"""The runs screen as lines of text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from models_data import HOSTILE, NOW, run

from unlearn_tui.state import runs as state
from unlearn_tui.state.listing import move
from unlearn_tui.state.runs import Run, Runs
from unlearn_tui.tui import lines
from unlearn_tui.tui.draw import runs

SIZES = [(40, 10), (60, 14), (80, 22), (119, 30), (120, 30), (160, 46)]


def listed(*found: Run, at: int = 0) -> Runs:
    made = state.refreshed(Runs(), found)
    return replace(made, list=move(made.list, at))


def drawn(found: Runs, width: int = 80, height: int = 22, loaded: bool = True) -> list[str]:
    made = runs.draw(found, width, height, NOW, loaded)
    assert len(made) <= height
    assert all(lines.width(row) <= width for row in made), [lines.text(r) for r in made if lines.width(r) > width]
    return [lines.text(row).rstrip() for row in made]


def every() -> list[Run]:
    return [
        run("live", "running", stage="unlearn", done=103, total=250, left=125.0),
        run("starting", "running"),
        run("done"),
        run("forgotten", verdict="no", back=12.0),
        run("bad", "failed", reason="loss is not finite at step 3: try a smaller --lr", stage="unlearn"),
        run("dead", "died", reason="the engine ended without a word"),
        run("halted", "stopped", stage="unlearn", done=100, total=250),
        run("fresh", "new"),
        run("unscored", forget=None, back=None, verdict=""),
    ]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_line_is_wider_than_asked_whatever_is_under_the_cursor(width: int, height: int) -> None:
    hostile = run(HOSTILE * 3, "failed", reason=HOSTILE * 9, method=HOSTILE, model=HOSTILE * 5, stage=HOSTILE)
    told = run("told", explanation=HOSTILE * 30, path=HOSTILE * 9)
    found = [*every(), hostile, told]
    for index in range(len(found)):
        text = "\n".join(drawn(listed(*found, at=index), width, height))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    drawn(listed(), width, height)


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("live", r"● live +ga_klr +unlearn  41 %  2:05 left +7\.6 MB +1h"),
        ("starting", r"● starting +ga_klr +starting +7\.6 MB"),
        ("done", r"✓ done +ga_klr +12\.5 → INT4 97\.0 ▲ came back"),
        ("forgotten", r"✓ forgotten +ga_klr +12\.5 → INT4 12\.0 not back"),
        ("bad", r"✗ bad +ga_klr +loss is not finite at step 3"),
        ("dead", r"✗ dead +ga_klr +the engine ended without a word"),
        ("halted", r"◐ halted +ga_klr +stopped in unlearn at 100/250"),
        ("fresh", r"○ fresh +ga_klr +has not begun"),
        ("unscored", r"✓ unscored +ga_klr +finished"),
    ],
)
def test_every_run_says_in_its_row_how_it_stands(id: str, said: str) -> None:
    row = next(line for line in drawn(listed(*every())) if re.match(rf".. ?{id} ", line))
    assert re.search(said, row)


def test_numbers_of_a_live_run_stay_where_they_are() -> None:
    rows = [
        drawn(listed(run("live", "running", stage="unlearn", done=done, total=1000, left=5.0)))[2]
        for done in (3, 60, 1000)
    ]
    assert len({row.index("%") for row in rows}) == 1


@pytest.mark.parametrize(("width", "height"), [(80, 22), (160, 46)])
def test_a_live_runs_pane_has_a_bar_and_time_left(width: int, height: int) -> None:
    text = "\n".join(drawn(listed(*every()), width, height))
    assert re.search(r"unlearn  103/250", text)
    assert re.search(r"█+░+  41 %  2:05 left", text)
    assert "X stops it after its current step" in text


def test_a_failed_runs_pane_has_the_whole_reason_and_how_to_go_on() -> None:
    reason = "one " * 40 + "end"
    text = "\n".join(drawn(listed(run("bad", "failed", reason=reason))))
    assert "end" in text
    assert "r goes on with it from its last save" in text


@pytest.mark.parametrize(("width", "height"), [(80, 22), (160, 46)])
def test_a_finished_runs_pane_has_scores_and_the_sentence(width: int, height: int) -> None:
    text = "\n".join(drawn(listed(run("done", peak=700_000_000)), width, height))
    assert re.search(r"target +FP16 +100\.0 █{20}", text)
    assert re.search(r"unlearned +INT4 +97\.0 █+.* ▲ came back", text)
    assert "FP4 keeps 0.18 of the edit." in text
    assert "7.6 MB on disk · took 1:05 · at most 700.0 MB of memory" in " ".join(text.split())


def test_a_check_is_named_as_one() -> None:
    text = "\n".join(drawn(listed(run("c", task="check", method="check", weights=""))))
    assert " check · pocket-target · pocket" in text


def test_empty_screens_say_what_to_do() -> None:
    assert any("no runs yet: 2 sets one up" in line for line in drawn(listed()))
    assert any("looking for runs" in line for line in drawn(listed(), loaded=False))
    assert any("nothing fits 'zzz'" in line for line in drawn(state.filtered(listed(*every()), "zzz")))


def test_the_first_line_counts_runs_and_those_that_are_live() -> None:
    assert drawn(listed(*every()))[0].endswith("9 runs, 2 live")
    assert drawn(listed(run("a")))[0].endswith("1 run")
    assert re.search(r"RUNS  / bad +1 of 9 runs", drawn(state.filtered(listed(*every()), "bad"))[0])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_click_hits_the_run_that_is_painted_there(width: int, height: int) -> None:
    found = listed(*(run(f"run{i:02}", created=i) for i in range(60)), at=30)
    text = drawn(found, width, height)
    hits = [(y, runs.row_at(found, width, height, 5, y)) for y in range(height)]
    assert len([i for _, i in hits if i is not None]) == runs.list_height(found, width, height)
    assert all(found.list.rows[i].id in text[y] for y, i in hits if i is not None)


def test_ten_thousand_runs_are_drawn_as_quickly_as_ten() -> None:
    import time

    found = listed(*(run(f"run{i:05}", created=i) for i in range(10_000)), at=5_000)
    began = time.perf_counter()
    for _ in range(10):
        drawn(found, 160, 46)
    assert (time.perf_counter() - began) / 10 < 0.05
