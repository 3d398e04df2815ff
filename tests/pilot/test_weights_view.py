"""Screen 5 by its keys: a finished run's map, a run in the middle, and runs that have nothing to show."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import weights_data as recorded
from driver import opened, presses, screen, shows, until
from story import events, write_run

from unlearn_tui.protocol import events as ev
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.state.weights import WeightsState
from unlearn_tui.tui.app import UnlearnApp
from unlearn_tui.tui.views import weights as view


@pytest.fixture
def run(finished: RunDir) -> RunDir:
    """The hand-made run with the weights of a recorded one."""
    recorded.write(finished.path / "weights.jsonl", recorded.matrices())
    write_atomic(finished.result_path, msgspec.json.encode(recorded.result(finished.id)))
    return finished


def state(app: UnlearnApp) -> WeightsState:
    found = app.view("weights").state  # type: ignore[attr-defined]
    assert found is not None
    return found


def drawn(app: UnlearnApp) -> Callable[[], Any]:
    return lambda: app.view("weights").state is not None  # type: ignore[attr-defined]


@presses("weights", "up", "down", "left", "right", "pageup", "pagedown", "home", "end")
async def test_the_cursor_goes_where_its_keys_say(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        assert shows(app, "layer 0 q_proj · 256 × 256 · 12.9 % changed")
        for key, cell in (
            ("down", (1, "q_proj")),
            ("right", (1, "k_proj")),
            ("right", (1, "v_proj")),
            ("left", (1, "k_proj")),
            ("up", (0, "k_proj")),
            ("end", (3, "k_proj")),
            ("home", (0, "k_proj")),
            ("pagedown", (3, "k_proj")),
            ("pageup", (0, "k_proj")),
        ):
            await pilot.press(key)
            assert state(app).cursor == cell, key
        await until(pilot, lambda: shows(app, "layer 0 k_proj"))


@presses("weights", "b")
async def test_b_goes_to_the_next_quantizer(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        assert shows(app, "survives bnb-fp4", "0.17▂", "▲ came back", "─ did not come", "knowledge came back")
        await pilot.press("b")
        await until(pilot, lambda: shows(app, "survives bnb-int8", "bnb-int8 keeps 1.00"))
        await pilot.press("b")
        await until(pilot, lambda: shows(app, "survives bnb-fp4"))


@presses("weights", "m")
async def test_m_goes_through_the_measures(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        for title, number in (
            ("weights that bnb-fp4 rounds as before, %", "97.58"),
            ("is the edit's direction the same", "0.26▃"),
            ("weights that unlearning moved at all, %", "12.94"),
            ("how much of the edit survives", "0.14▂"),
        ):
            await pilot.press("m")
            await until(pilot, lambda title=title, number=number: shows(app, title, number))


@presses("weights", "s")
async def test_s_puts_the_layers_first_that_keep_least(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        assert [row.split()[0] for row in screen(app)[3:7]] == ["0", "1", "2", "3"]
        await pilot.press("s")
        await until(pilot, lambda: shows(app, "least kept first"))
        kept = {}
        for layer in range(4):
            rows = [m for m in recorded.matrices() if f".{layer}." in m.tensor]
            edits = [(m.edit_norm or 0.0) ** 2 for m in rows]
            dots = [(m.precisions["bnb-fp4"].kept or 0.0) * e for m, e in zip(rows, edits, strict=True)]
            kept[str(layer)] = sum(dots) / sum(edits)
        assert [row.split()[0] for row in screen(app)[3:7]] == sorted(kept, key=kept.__getitem__)
        assert list(kept) != sorted(kept, key=kept.__getitem__)
        await pilot.press("s")
        assert state(app).order == "layer"


@presses("weights", "w")
async def test_w_shows_every_layer_and_a_few_of_them_again(home: Path, run: RunDir) -> None:
    rows = [
        msgspec.structs.replace(recorded.matrices()[0], tensor=f"model.layers.{i}.self_attn.q_proj") for i in range(32)
    ]
    recorded.write(run.path / "weights.jsonl", rows)
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        few = [row.split()[0] for row in screen(app)[3:8]]
        assert few[0] == "0"
        assert "31" in few
        assert shows(app, "of 32 layers")
        await pilot.press("w")
        await until(pilot, lambda: [row.split()[0] for row in screen(app)[3:15]] == [str(i) for i in range(12)])
        await pilot.press("end")
        await until(pilot, lambda: any(row.split()[:1] == ["31"] for row in screen(app)))
        await pilot.press("w")
        assert not state(app).every


async def test_y_copies_the_chosen_matrix(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        copied = []
        app.copy = lambda text, what: copied.append((text, what))  # type: ignore[method-assign]
        await pilot.press("down", "y")
        assert copied == [
            (
                "model.layers.1.self_attn.q_proj  changed 0.1264\n"
                "bnb-int8  kept 1.0003  same_value 0.8952  cosine 0.9834\n"
                "bnb-fp4  kept 0.1430  same_value 0.9761  cosine 0.2290\n",
                "matrix",
            )
        ]


async def test_e_writes_every_cell(home: Path, run: RunDir, tmp_path: Path) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        await pilot.press("e", "enter")
        await pilot.press("enter")
        path = tmp_path / f"{run.id}-weights.csv"
        await until(pilot, path.exists)
    rows = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    assert len(rows) == 2 * 28
    found = next(r for r in rows if (r["precision"], r["layer"], r["module"]) == ("bnb-fp4", "3", "down_proj"))
    assert float(found["kept"]) == 0.12559941
    assert int(found["weights"]) == 256 * 640


async def test_quantizer_and_measure_are_remembered(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        await pilot.press("b", "m")
        settings = home / "app.json"
        await until(pilot, lambda: settings.exists() and "same_value" in settings.read_text())
    assert json.loads((home / "app.json").read_text())["choices"]["weights_quantizer"] == "bnb-int8"
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        assert shows(app, "weights that bnb-int8 rounds as before")


async def test_a_click_chooses_a_cell_and_the_wheel_a_layer(home: Path, run: RunDir) -> None:
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        at = screen(app)[5].index("0.33")
        await pilot.click("#view-weights", offset=(at, 4))
        assert state(app).cursor == (2, "o_proj")
        app.view("weights").scrolled(-1)
        assert state(app).cursor == (1, "o_proj")


async def test_a_live_run_shows_the_matrices_that_its_log_has_named(home: Path) -> None:
    told = events("live")
    at = next(i for i, e in enumerate(told) if isinstance(e, ev.WeightsMatrix))
    run = write_run(home, upto=at + 1)
    (run.path / "weights.jsonl").write_text("of an earlier attempt\n")
    async with opened(home, size=(100, 30), view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        assert shows(app, "so far 1 of 3 matrices", "0.18")
        await pilot.press("m")
        assert state(app).measure == "changed"


KEYS = ("down", "b", "m", "w", "s", "y", "e", "left")


async def test_a_live_run_without_a_map_says_what_it_waits_for(home: Path) -> None:
    run = write_run(home, upto=3)
    async with opened(home, view="weights") as (app, pilot):
        assert shows(app, "No run is open")
        with RunLock(run):
            app.open(run, "weights")
            await until(pilot, lambda: shows(app, "Weights are compared once", "load the model."))
            await pilot.press(*KEYS)
            assert shows(app, "Weights are compared once")


async def test_a_run_that_died_before_says_why(home: Path) -> None:
    run = write_run(home, upto=3)
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, lambda: shows(app, "failed before its weights were compared: the engine ended"))
        await pilot.press(*KEYS)
        assert app.is_running


async def test_a_finished_run_without_its_file_says_so(home: Path, finished: RunDir) -> None:
    lines = finished.events_path.read_text().splitlines(keepends=True)
    kept = [json.loads(line) for line in lines if "weights_matrix" not in line]
    finished.events_path.write_text("".join(json.dumps(e | {"seq": n}) + "\n" for n, e in enumerate(kept)))
    async with opened(home, view="weights", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "missing"))


async def test_another_run_brings_its_own_map(home: Path, run: RunDir) -> None:
    other = write_run(home, "other")
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        app.open(other, "weights")
        await until(pilot, lambda: shows(app, "layer 0 q_proj · 15.0 % changed"))
        assert state(app).run == other.id


async def test_hostile_rows_are_left_out_and_counted(home: Path, run: RunDir) -> None:
    path = run.path / "weights.jsonl"
    evil = json.dumps({"tensor": "model.layers.9.\u202e\x1b[2J", "changed": 0.1})
    path.write_text(path.read_text() + "{torn\n[1]\n" + evil + "\n")
    async with opened(home, size=(160, 48), view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))
        assert shows(app, "2 damaged lines of weights.jsonl are left out", "⟨202e⟩")
        assert "\x1b" not in "".join(screen(app))


def test_a_file_without_end_is_read_only_as_far_as_allowed(tmp_path: Path) -> None:
    path = tmp_path / "weights.jsonl"
    recorded.write(path, recorded.matrices())
    some, note = view.load(path, most=20_000)
    assert 0 < len(some) < 28
    assert f"its first {len(some)} matrices" in note or f"first {len(some)} matrices" in note
    few, note = view.load(path, rows=5)
    assert len(few) == 5
    assert "more than 5 matrices" in note
    every, note = view.load(path)
    assert (len(every), note) == (28, "")
    path.write_bytes(b"x" * 50_000)
    assert view.load(path, most=20_000)[0] == []


async def test_something_else_in_the_files_place_is_no_map(home: Path, run: RunDir) -> None:
    path = run.path / "weights.jsonl"
    path.unlink()
    os.mkfifo(path)
    async with opened(home, view="weights", run=run) as (app, pilot):
        await until(pilot, drawn(app))  # what the log has named is left
        assert len(state(app).matrices) == 1


def test_what_was_expected_is_exported_where_it_was_said() -> None:
    from unlearn_tui.report.export import to_csv
    from unlearn_tui.state.weights import build

    old = view.tables(build(recorded.result(), recorded.matrices(), "knowmem_forget"))["quantizers"]
    assert not any("expected" in name for name in old.columns)
    foretold = recorded.result(predictions=recorded.FORETOLD)
    made = view.tables(build(foretold, recorded.matrices(), "knowmem_forget"))["quantizers"]
    rows = {row["precision"]: row for row in csv.DictReader(to_csv(made).splitlines())}
    said = {p: (row["expected"], row["expected_kept"], row["foreseen"]) for p, row in rows.items()}
    assert said == {"bnb-int8": ("stays", "1.0", "right"), "bnb-fp4": ("returns", "0.27", "right")}
