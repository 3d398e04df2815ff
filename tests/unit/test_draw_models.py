"""The Models screen as lines of text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from models_data import HOSTILE, NOW, ROOM, failed, family, target, unlearned

from unlearn_tui.state import models as state
from unlearn_tui.state.listing import go, move
from unlearn_tui.state.models import Models, Row
from unlearn_tui.tui import lines
from unlearn_tui.tui.draw import models, pages
from unlearn_tui.tui.draw.model import tail

SIZES = [(40, 10), (60, 14), (80, 22), (119, 30), (120, 30), (160, 46)]


def drawn(found: Models, width: int = 80, height: int = 22) -> list[str]:
    made = models.draw(found, ROOM, width, height, NOW)
    assert len(made) <= height
    assert all(lines.width(row) <= width for row in made), [lines.text(r) for r in made if lines.width(r) > width]
    return [lines.text(row).rstrip() for row in made]


def at(found: Models, id: str) -> Models:
    return replace(found, list=go(found.list, id))


def hostile() -> Models:
    row, *inner = unlearned("x", 5.0, 99.0)
    row = replace(
        row, name=HOSTILE * 3, method=HOSTILE, reason=HOSTILE, path=HOSTILE * 9, family=HOSTILE, dtype=HOSTILE
    )
    bad = failed(reason=HOSTILE * 20, name=HOSTILE)
    return state.refreshed(Models(), [target(name=HOSTILE), row, *inner, bad])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_line_is_wider_than_asked_whatever_is_under_the_cursor(width: int, height: int) -> None:
    for found in (Models(), family(), hostile(), state.filtered(family(), "no such thing")):
        for index in range(max(len(found.list.rows), 1)):
            drawn(replace(found, list=move(found.list, index)), width, height)


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    for index in range(5):
        found = hostile()
        text = "\n".join(drawn(replace(found, list=move(found.list, index)), 160, 46))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


@pytest.mark.parametrize(("width", "height"), [(80, 22), (160, 46)])
def test_a_row_says_what_was_forgotten_and_what_came_back(width: int, height: int) -> None:
    row = next(line for line in drawn(family(), width, height) if " effect" in line)
    assert re.search(r"● effect .*unlearned ga_klr .* 12\.5 +97\.0 ▲ +92\.0 +7\.0 MB +1h", row)


def test_signs_tell_scored_from_failed_without_colour() -> None:
    text = drawn(family())
    assert any(line.startswith("▸✗ broken") for line in text)
    assert any(line.startswith(" ◐   └ bnb-fp4") and "▲" in line for line in text)
    assert any(line.startswith(" ● target") for line in text)


def test_the_lineage_of_a_target_names_each_run_and_what_became_of_it() -> None:
    text = "\n".join(drawn(at(family(), "shipped:target"), 160, 46))
    assert re.search(r"├─ npo +1m  failed: CUDA out of memory", text)
    assert re.search(r"├─ ga_klr +1h +12\.5 █+░+ +→ INT4 +97\.0 ▲ came back", text)
    assert re.search(r"└─ ga_klr +2h +10\.0 █+░+ +→ INT4 +11\.0 +not back", text)


def test_a_long_lineage_says_how_many_more_there_are() -> None:
    many = [row for i in range(40) for row in unlearned(f"run{i}", 1.0, 1.0)]
    found = at(state.refreshed(Models(), [target(), *many]), "shipped:target")
    for height in (22, 46):
        text = "\n".join(drawn(found, 80 if height == 22 else 160, height))
        shown = len(re.findall(r"├─ ga_klr", text))
        assert f"└─ and {40 - shown} more" in text


def test_a_run_shows_its_target_and_every_precision() -> None:
    text = "\n".join(drawn(at(family(), "run:effect"), 80, 22))
    assert re.search(r"target +KM_f 100\.0 █+ .*its target", text)
    assert re.search(r"├─ FP16 +12\.5 █+░+", text)
    assert re.search(r"└─ INT4 +97\.0 █+.*▲ came back", text)


@pytest.mark.parametrize(("width", "height"), [(80, 22), (160, 46)])
def test_what_does_not_fit_into_what_is_free_is_marked(width: int, height: int) -> None:
    found = state.refreshed(Models(), [target(beside=13_000_000)])
    text = "\n".join(drawn(found, width, height))
    assert "40.0 MB of main memory free" in text
    assert re.search(r"FP16 +14\.0 MB ✓", text)
    assert re.search(r"(unlearn|bf16) +80\.0 MB ✗", text)
    if width == 160:
        assert re.search(r"FP32 +28\.0 MB ✗", text), "28 MB beside the 13 MB of the checkpoint"


def test_facts_name_family_parameters_dtype_shards_and_path() -> None:
    text = drawn(state.refreshed(Models(), [target(parameters=6_738_000_000, shards=3, size=13_500_000_000)]))
    assert " llama · 6.74 B parameters · bf16 · 3 shards, 13.5 GB · 4 layers × 256" in text
    assert " /models/target" in text


def test_a_failed_run_says_why_and_where_to_read_more() -> None:
    text = "\n".join(drawn(at(family(), "run:broken")))
    assert "CUDA out of memory" in text
    assert "l reads its log" in text


def test_an_added_folder_that_has_gone_says_how_to_forget_it() -> None:
    gone = Row("folder:/x/y", "y", "folder", "missing", path="/x/y", reason="this folder has gone", added=True)
    text = "\n".join(drawn(state.refreshed(Models(), [gone])))
    assert "this folder has gone" in text
    assert "- takes it off the list" in text


def test_empty_screens_say_what_to_do() -> None:
    assert any("+ adds a folder or a hub id" in line for line in drawn(Models()))
    loading = models.draw(Models(), None, 80, 22, NOW)
    assert any("looking for checkpoints" in lines.text(line) for line in loading)
    assert any("nothing fits 'zzz': esc shows all" in line for line in drawn(state.filtered(family(), "zzz")))


def test_the_first_line_counts_and_tells_order_and_filter() -> None:
    assert re.search(r"MODELS +8   sort: modified ▼", drawn(family())[0])
    assert re.search(r"MODELS  / effect +3 of 8 ", drawn(state.filtered(family(), "effect"))[0])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_click_hits_the_row_that_is_painted_there(width: int, height: int) -> None:
    many = [row for i in range(40) for row in unlearned(f"run{i:02}", 1.0, 1.0)]
    found = at(state.refreshed(Models(), [target(), *many]), "run:run20")
    text = drawn(found, width, height)
    hit = [models.row_at(found, width, height, 5, y) for y in range(height)]
    assert hit[:2] == [None, None]
    assert len([i for i in hit if i is not None]) == models.list_height(found, width, height)
    for y, index in enumerate(hit):
        if index is not None:
            assert found.list.rows[index].name in text[y]
    assert models.row_at(found, 160, 46, 120, 5) is None


def test_the_end_of_a_long_path_is_what_is_shown() -> None:
    assert tail("/a/b/c", 10) == "/a/b/c"
    cut = tail("/very/long/way/to/the/checkpoint", 12)
    assert cut.startswith("…")
    assert "/very/long/way/to/the/checkpoint".endswith(cut[1:])
    assert len(cut) <= 12


def test_a_log_ends_with_the_reason_and_has_no_control_characters() -> None:
    made = pages.log("no memory", ["Traceback", "\x1b[31m" + "x" * 500, "tab\there"], 40)
    text = [lines.text(row) for row in made]
    assert text[-1] == " no memory"
    assert all(lines.width(row) <= 40 for row in made)
    assert "\x1b" not in "".join(text)
    assert " the engine printed nothing" in [lines.text(row) for row in pages.log("", [], 40)]


def test_without_any_run_a_newcomer_is_told_what_to_press() -> None:
    shipped = replace(target(), id="shipped:pocket-target", name="pocket-target", ref="pocket-target", kind="shipped")
    for width, height in ((80, 22), (160, 46)):
        text = "\n".join(drawn(state.refreshed(Models(), [shipped]), width, height))
        assert "New here? ⏎ on pocket-target, then r:" in text
        assert "no network" in " ".join(text.split()).replace("│ ", "")
    with_run = state.refreshed(Models(), [shipped, *unlearned("effect", 5.0, 99.0)])
    assert "New here?" not in "\n".join(drawn(with_run))
    assert "New here?" not in "\n".join(drawn(state.refreshed(Models(), [target()])))
