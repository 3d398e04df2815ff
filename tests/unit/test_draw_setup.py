from __future__ import annotations

import pytest

from unlearn_tui.state import paper, setup
from unlearn_tui.state.estimate import plan
from unlearn_tui.state.fields import BY_NAME, FOLD
from unlearn_tui.state.plan import Facts
from unlearn_tui.state.setup import Form
from unlearn_tui.tui.draw.setup import Page, Sheet, lay_out
from unlearn_tui.tui.lines import STYLES, text, width

HOSTILE = "\x1b[31m\x07‮abc⁦漢字👩‍👩‍👧 é" * 40
SIZES = [(160, 46), (100, 28), (80, 22), (71, 22), (40, 10)]
FACTS = Facts(
    parameters=3_410_176,
    model="llama 3.41 M bf16",
    prompts={"knowmem_forget": 46, "knowmem_retain": 214, "verbmem_forget": 24},
    pairs=46,
    canary="Which town does Kessra Tarmund live in?",
    threads=2,
    free_memory=8_000_000_000,
    free_disk=50_000_000_000,
)


def sheet(form: Form, facts: Facts = FACTS) -> Sheet:
    made = plan(form.spec, facts, []) if form.spec else None
    return Sheet(form, facts, made, paper.hints(form, facts.pairs), setup.command(form))


def screen(page: Page) -> str:
    return "\n".join(text(row) for row in page.lines)


def drawn(form: Form, cells: int = 80, rows: int = 22, facts: Facts = FACTS) -> str:
    return screen(lay_out(sheet(form, facts), cells, rows))


def hostile() -> Form:
    form = setup.fill(Form(more=True), dict.fromkeys(("model", "corpus", "canary", "name", "precision"), HOSTILE))
    return setup.refuse(form, {"model": HOSTILE, "": HOSTILE, "lr": HOSTILE})


@pytest.mark.parametrize(("cells", "rows"), SIZES)
@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(more=True, at="clip"),
        setup.put(Form(), "lr", "1"),
        setup.put(Form(), "task", "check"),
        hostile(),
        setup.goto(hostile(), "canary"),
        setup.goto(setup.fill(Form(), dict.fromkeys(BY_NAME, "")), "name"),
    ],
    ids=["default", "more", "far", "check", "hostile", "hostile canary", "empty"],
)
def test_no_line_is_wider_and_no_page_higher_than_asked(form: Form, cells: int, rows: int) -> None:
    facts = Facts(canary=HOSTILE, model=HOSTILE) if "\x1b" in form.values["model"] else FACTS
    page = lay_out(sheet(form, facts), cells, rows)
    assert len(page.lines) <= rows
    assert max(width(row) for row in page.lines) <= cells
    assert all(ch.isprintable() for row in page.lines for ch in text(row) if ch != "‍")
    assert {name for row in page.lines for _, style in row for name in style.split()} <= set(STYLES)


@pytest.mark.parametrize(("cells", "rows"), SIZES)
def test_the_field_under_the_cursor_is_always_on_the_page(cells: int, rows: int) -> None:
    for task in ("unlearn", "check"):
        form = setup.put(Form(more=True), "task", task)
        for name in (name for row in form.rows for name in row):
            page = lay_out(sheet(setup.goto(form, name)), cells, rows)
            assert page.spot(name) is not None, name
            assert any("cursor" in style for row in page.lines for _, style in row), name


def test_everything_fits_80_by_24_while_folded() -> None:
    page = lay_out(sheet(Form()), 80, 22)
    assert {s.name for s in page.spots} == {name for row in Form().rows for name in row}
    said = screen(page)
    for wanted in ("preset: effect", "score target", "total", "memory", "disk", "unlearn-tui run", "▶ more"):
        assert wanted in said


def test_everything_fits_160_by_48_unfolded() -> None:
    page = lay_out(sheet(Form(more=True)), 160, 46)
    assert {s.name for s in page.spots} == {*BY_NAME, FOLD} - {"unlearned"}
    assert "LLM.int8" in screen(page)  # what is scored, spelt out
    assert "KL to the target" in screen(page)


def test_a_fault_stands_below_its_field_and_the_field_is_marked() -> None:
    rows = drawn(setup.put(Form(at="model"), "lr", "0")).splitlines()
    at = next(i for i, row in enumerate(rows) if "lr     0" in row)
    assert rows[at].startswith("!lr")
    assert rows[at + 1].startswith(" ! 0 is out of range")


def test_a_long_fault_is_told_in_full_beside_the_form() -> None:
    form = setup.refuse(Form(at="model"), {"model": "this is why " * 20 + "the end"})
    assert "the end" in drawn(form)


def test_what_no_field_is_to_blame_for_stands_beside_the_plan() -> None:
    assert "! the disk is full" in drawn(setup.refuse(Form(), {"": "the disk is full"}))


def test_a_value_far_from_the_papers_is_marked_with_the_key_that_takes_it() -> None:
    said = drawn(setup.put(Form(), "lr", "1e-3"), 160, 46)
    assert "! lr 1e-3 is 100 times the paper's 1e-5" in said
    assert "f uses the paper's value" in said
    assert "\n!lr     1e-3" in said
    assert "the paper's" not in drawn(Form())


def test_the_papers_value_comes_with_its_source_and_the_size_it_is_for() -> None:
    said = drawn(Form(at="lr"), 160, 46)
    assert "The paper's: 1e-5, for 7B models." in said
    assert "appendix D" in said
    assert "Allowed: more than 0 and at most 1." in said


def test_a_plan_without_runs_says_that_it_is_rough() -> None:
    assert "rough" in drawn(Form()).splitlines()[0]
    assert "No run here yet to learn from" in drawn(Form())


def test_what_is_not_enough_is_marked() -> None:
    said = drawn(Form(), facts=Facts(parameters=7_000_000_000, free_memory=10**9, free_disk=10**9))
    assert "!memory ~ " in said
    assert "!disk ~ " in said


def test_without_a_usable_form_there_is_no_plan_and_no_command() -> None:
    said = drawn(setup.put(Form(), "lr", "x"))
    assert "total" not in said
    assert "first correct what is marked" in said


def test_a_long_command_is_wrapped_and_at_last_cut() -> None:
    form = setup.fill(Form(), {"name": "n" * 60, "corpus": "/c/" + "o" * 60, "precision": ["fp16", "rtn-int4"]})
    rows = drawn(form).splitlines()
    assert rows[-2].startswith(" unlearn-tui run")
    assert rows[-1].endswith("…")
    assert "--precision fp16,rtn-int4" in drawn(form, 160, 46)


def test_narrow_terminals_keep_the_sum_of_the_plan() -> None:
    said = drawn(Form(), 60, 22)
    assert "plan  ~" in said
    assert "│" not in said


@pytest.mark.parametrize(("cells", "rows"), [(160, 46), (80, 22), (40, 20)])
def test_a_click_finds_the_field_or_the_option_at_a_cell(cells: int, rows: int) -> None:
    page = lay_out(sheet(Form(more=cells == 160)), cells, rows)
    for spot in page.spots:
        assert page.hit(spot.x, spot.y) == spot
        if spot.name == "steps":
            label = text(page.lines[spot.y]).index("steps")
            assert page.hit(label, spot.y) == spot
        if spot.option >= 0:
            shown = text(page.lines[spot.y])[spot.x : spot.x + spot.cells]
            assert shown[1] in "●○" or shown.strip(" ▸") == "…"
    assert page.hit(0, len(page.lines) - 1) is None


def test_only_what_the_method_uses_is_bright() -> None:
    def style(form: Form, name: str) -> str:
        page = lay_out(sheet(form), 80, 22)
        spot = page.spot(name)
        assert spot is not None
        at = 0
        for part, style in page.lines[spot.y]:
            if at <= spot.x < at + len(part):
                return style
            at += len(part)
        raise AssertionError

    assert style(Form(), "alpha") == ""
    assert style(setup.put(Form(), "method", "ga"), "alpha") == "dim"
    assert style(Form(), "beta") == "dim"
    assert style(setup.put(Form(), "method", "npo"), "beta") == ""
    assert style(Form(), "epochs") == "dim"
