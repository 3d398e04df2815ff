"""What every screen shares: switching, help, palette, themes, copying, exporting, leaving."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driver import opened, presses, screen, shows, until

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.tui import keys, settings


@presses("", "1", "2", "3", "4", "5", "0")
async def test_digits_bring_their_screen_to_the_front(home: Path) -> None:
    async with opened(home) as (app, pilot):
        for view, digit in reversed(keys.VIEWS.items()):
            await pilot.press(digit)
            await until(pilot, lambda view=view, digit=digit: shows(app, f"[{digit} {view}]"))
            assert [v.id for v in app.query("View") if v.display] == [f"view-{view}"]


@presses("", "question_mark")
async def test_every_key_of_a_screen_is_listed_and_q_closes_the_list(home: Path) -> None:
    for view in keys.VIEWS:
        async with opened(home, size=(100, 80), view=view) as (app, pilot):
            await pilot.press("?")
            await until(pilot, lambda view=view: shows(app, f"keys · {view}"))
            assert all(shows(app, key.help) for key in keys.of(view)), view
            await pilot.press("q")
            await until(pilot, lambda: not shows(app, "keys · "))
            assert app.is_running


@presses("", "h")
async def test_each_screen_explains_itself_in_plain_words(home: Path) -> None:
    async with opened(home) as (app, pilot):
        for view, digit in keys.VIEWS.items():
            await pilot.press(digit, "h")
            await until(pilot, lambda view=view: shows(app, f"{view} in plain words"))
            assert len("".join(screen(app))) > 200
            await pilot.press("escape")
            await until(pilot, lambda: not shows(app, "in plain words"))


@presses("", "colon", "ctrl+p")
async def test_the_palette_finds_a_command_by_typing(home: Path) -> None:
    async with opened(home) as (app, pilot):
        for key in (":", "ctrl+p"):
            await pilot.press(key)
            await until(pilot, lambda: shows(app, "commands", "type to filter"))
            await pilot.press(*"precision", "enter")
            await until(pilot, lambda: shows(app, "[4 compare]"))
            await pilot.press("1")


async def test_the_palette_offers_only_what_makes_sense_now(home: Path) -> None:
    async with opened(home, view="run") as (app, pilot):
        await pilot.press(":")
        await until(pilot, lambda: shows(app, "commands"))
        await pilot.press(*"stop after")
        await until(pilot, lambda: shows(app, "nothing fits"))


@presses("", "q", "D")
async def test_q_and_d_leave_with_exit_code_0(home: Path) -> None:
    for key in ("q", "D"):
        async with opened(home) as (app, pilot):
            await pilot.press(key)
            await pilot.pause()
            assert app.return_code == 0
            assert not app.is_running


async def test_ctrl_c_says_how_to_leave_instead_of_leaving(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("ctrl+c")
        await until(pilot, lambda: shows(app, "q leaves"))
        assert app.is_running


@presses("", "ctrl+z")
async def test_ctrl_z_is_no_end(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("ctrl+z", "2")
        await until(pilot, lambda: shows(app, "[2 setup]"))


async def test_old_news_gives_way_to_the_keys_when_one_is_pressed(home: Path) -> None:
    async with opened(home) as (app, pilot):
        app.say("old news")
        await pilot.press("down")
        assert shows(app, "old news")  # too young to be old
        await pilot.pause(1.1)
        await pilot.press("down")
        await until(pilot, lambda: shows(app, "? keys"))
        assert not shows(app, "old news")


@pytest.mark.parametrize("width", [80, 160])
async def test_a_live_run_is_told_of_beside_one_that_has_ended(home: Path, finished: RunDir, width: int) -> None:
    async with opened(home, size=(width, 24), view="compare", run=finished) as (app, _):
        app.live_elsewhere = 2
        app.chrome()
        assert screen(app)[0].endswith("● 2 live: A")
        assert ("✓" in screen(app)[0]) is (width == 160)


async def test_a_list_puts_names_before_what_is_said_of_others_and_says_the_rest_below(home: Path) -> None:
    from unlearn_tui.tui.dialogs import Option

    heard: list[str] = []
    options = [Option("a", "effect", "as the paper's code does"), Option("b", "paper-news", "settings " * 9 + "end")]
    async with opened(home) as (app, pilot):
        app.pick("preset", options, heard.append)
        await until(pilot, lambda: shows(app, "type to filter"))
        await pilot.press(*"paper")
        await until(pilot, lambda: shows(app, "▸ paper-news", "settings end"))
        await pilot.press("enter")
        await until(pilot, lambda: heard == ["b"])


async def test_what_is_none_of_a_list_is_taken_as_typed_where_that_is_free(home: Path) -> None:
    from unlearn_tui.tui.dialogs import Option

    heard: list[str] = []
    async with opened(home) as (app, pilot):
        for free, said in ((False, "nothing fits"), (True, "⏎ takes what is typed")):
            app.pick("corpus", [Option("=pocket", "pocket")], heard.append, free=free)
            await until(pilot, lambda: shows(app, "type to filter"))
            await pilot.press(*"/data/news", "enter")
            await until(pilot, lambda said=said: heard or shows(app, said))
            await pilot.press("escape")
            await pilot.pause()
    assert heard == ["=/data/news"]


async def test_a_page_can_open_at_its_end(home: Path) -> None:
    async with opened(home) as (app, pilot):
        app.read("log", lambda width: [[(f"line {n}", "")] for n in range(100)], end=True)
        await until(pilot, lambda: shows(app, "line 99", "100 of 100"))
        await pilot.press("home")
        await until(pilot, lambda: shows(app, "line 0", "22 of 100"))


@presses("", "escape")
async def test_escape_closes_a_dialog_and_never_the_app(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("f2")
        await until(pilot, lambda: shows(app, "unlearn-light"))
        await pilot.press("escape", "escape", "escape")
        await until(pilot, lambda: not shows(app, "unlearn-light"))
        assert app.is_running


@presses("", "A")
async def test_a_without_a_live_run_says_so(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("A")
        await until(pilot, lambda: shows(app, "no run is live"))


@presses("", "f2")
async def test_a_chosen_theme_is_there_at_the_next_start(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("f2")
        await pilot.press(*"unlearn-light", "enter")
        await until(pilot, lambda: app.theme == "unlearn-light")
        await until(pilot, lambda: settings.load(home).theme == "unlearn-light")
    async with opened(home) as (app, _):
        assert app.theme == "unlearn-light"


async def test_every_theme_can_be_shown(home: Path) -> None:
    async with opened(home) as (app, pilot):
        for theme in app.available_themes:
            app.theme = theme
            await pilot.pause()
        assert shows(app, "[1 models]")


@presses("", "f8")
async def test_f8_writes_the_screen_as_svg(home: Path, tmp_path: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("f8")
        await until(pilot, lambda: shows(app, "wrote"))
        await pilot.press("f8")
        await until(pilot, lambda: len(list(tmp_path.glob("*.svg"))) == 2)
    assert all("<svg" in path.read_text() for path in tmp_path.glob("unlearn-tui-models-*.svg"))


@presses("", "y")
async def test_y_where_there_is_nothing_to_copy_says_so(home: Path) -> None:
    async with opened(home, view="weights") as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: shows(app, "nothing to copy"))


async def test_what_is_copied_goes_to_the_terminal_and_a_file(home: Path) -> None:
    async with opened(home, size=(160, 24)) as (app, pilot):
        app.copy("knowledge ☃", "answer")
        await until(pilot, lambda: shows(app, "answer sent to the terminal"))
        assert app.clipboard == "knowledge ☃"
        assert (home / "last-copy.txt").read_text() == "knowledge ☃"
        app.copy("x" * 100_000, "answers")
        await until(pilot, lambda: shows(app, "too long for a terminal"))
        assert len((home / "last-copy.txt").read_text()) == 100_000


@presses("", "e")
async def test_e_where_there_is_nothing_to_export_says_so(home: Path) -> None:
    async with opened(home, view="weights") as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: shows(app, "nothing to export"))


async def test_an_export_asks_before_it_replaces_a_file(home: Path, tmp_path: Path) -> None:
    from unlearn_tui.report.export import Table

    tables = {"scores": Table(columns=["precision", "value"], rows=[["fp16", 1.5]])}
    (tmp_path / "scores.json").write_text("mine")
    async with opened(home) as (app, pilot):
        app.export("scores", tables)
        await until(pilot, lambda: shows(app, "export as"))
        await pilot.press(*"json", "enter")
        await until(pilot, lambda: shows(app, "write as json"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "Replace it?"))
        await pilot.press("n")
        await until(pilot, lambda: not shows(app, "Replace it?"))
        assert (tmp_path / "scores.json").read_text() == "mine"
        app.export("scores", tables)
        await until(pilot, lambda: shows(app, "export as"))
        await pilot.press(*"json", "enter")
        await until(pilot, lambda: shows(app, "write as json"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "Replace it?"))
        await pilot.press("y")
        await until(pilot, lambda: (tmp_path / "scores.json").read_text() != "mine")
    assert json.loads((tmp_path / "scores.json").read_text())


async def test_a_terminal_too_small_is_told_and_comes_back(home: Path, finished: RunDir) -> None:
    async with opened(home, size=(80, 24), view="compare", run=finished) as (app, pilot):
        for size in ((39, 24), (80, 11), (10, 3), (1, 1)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.resize_terminal(39, 24)
        await until(pilot, lambda: shows(app, "terminal too small", "needs 40x12"))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: shows(app, "[4 compare]"))
        assert not shows(app, "too small")


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
async def test_header_and_footer_fit_their_row(home: Path, finished: RunDir, width: int) -> None:
    for view in keys.VIEWS:
        async with opened(home, size=(width, 24), view=view, run=finished) as (app, _):
            rows = screen(app)
            assert view in rows[0]
            assert "? keys" in rows[-1]
            assert rows[-1].count("  ") <= 7


async def test_a_fault_of_the_program_is_one_line_and_a_file(home: Path) -> None:
    async with opened(home) as (app, pilot):
        app.work(lambda: 1 / 0)
        await until(pilot, lambda: shows(app, "unforeseen: ZeroDivisionError"))
    [path] = (home / "crashes").iterdir()
    assert "Traceback" in path.read_text()
    path.unlink()


async def test_a_newer_job_of_a_group_drops_the_older_result(home: Path) -> None:
    import threading

    heard: list[str] = []
    gate = threading.Event()
    async with opened(home) as (app, pilot):
        app.work(lambda: gate.wait(10) and "old", heard.append, group="g")
        app.work(lambda: "new", heard.append, group="g")
        await until(pilot, lambda: heard)
        gate.set()
        await pilot.pause(0.2)
    assert heard == ["new"]


def test_damaged_settings_are_the_defaults(home: Path) -> None:
    for text in ("", "{", "[]", '{"theme": 3}', "\0" * 100, '{"theme": "no-such"}'):
        (home / "app.json").write_text(text)
        assert settings.load(home).folders == []


async def test_an_unknown_remembered_theme_gives_the_default_one(home: Path) -> None:
    (home / "app.json").write_text('{"theme": "no-such"}')
    async with opened(home) as (app, _):
        assert app.theme == "unlearn-dark"
