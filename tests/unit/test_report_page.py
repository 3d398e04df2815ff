"""The report page, read back by the standard library's own HTML parser: whole, harmless, and true to result.json."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
import story

from unlearn_tui.commands.report import gather
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Edit, OctaveRow, RecoveryRow, Result, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.report import pictures
from unlearn_tui.report.answers import Cell, Example
from unlearn_tui.report.html import html
from unlearn_tui.report.markdown_page import markdown
from unlearn_tui.report.page import Page, command, statement
from unlearn_tui.report.pictures import Bar, Curve, ticks
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources.assets import asset
from unlearn_tui.state.run import RunState, fold_all

EVIL = "\x1b[31m</td></svg><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\"'&lt; ⟦<b>x⟧ [a](http://x.y)"
ALLOWED = {
    *("html", "head", "body", "meta", "title", "style", "p", "h1", "h2", "h3", "ul", "li", "b", "div", "span", "mark"),
    *(
        "figure",
        "figcaption",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "dl",
        "dt",
        "dd",
        "pre",
        "details",
        "summary",
    ),
    *("footer", "svg", "rect", "path", "circle", "line", "text"),
}
VOID = {"meta", "br", "img", "link", "input", "hr"}


@dataclass
class Node:
    name: str
    attributes: dict[str, str | None]
    parts: list[Node | str] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        yield self
        for part in self.parts:
            if isinstance(part, Node):
                yield from part.walk()

    def all(self, name: str, kind: str = "") -> list[Node]:
        return [
            n for n in self.walk() if n.name == name and (not kind or kind in (n.attributes.get("class") or "").split())
        ]

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def number(self, name: str) -> float:
        return float(self.attributes[name] or "nan")


class Reader(HTMLParser):
    """A tree of the page; an end tag that fits nothing, or a missing one, is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        assert len(node.attributes) == len(attrs), f"an attribute of {tag} stands twice"
        self.open[-1].parts.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def read(page: str) -> Node:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == [reader.root], f"never closed: {[n.name for n in reader.open[1:]]}"
    return reader.root


def story_page(home: Path, answers: int = 3) -> Page:
    return gather(story.write_run(home), answers)


def hostile_page() -> Page:
    """Every text that can come from outside says EVIL."""
    spec = {
        **msgspec.to_builtins(RunSpec()),
        "model": EVIL,
        "corpus": EVIL,
        "method": EVIL,
        "weights": EVIL,
        "extra": EVIL,
    }
    result = story.result(EVIL, RunSpec())
    result.spec, result.versions, result.notes = spec, {EVIL: EVIL, "unlearn-tui": EVIL}, [EVIL]
    result.explanation, result.error, result.full_precision = EVIL, EVIL, "fp16"
    score = result.scores[0]
    result.scores += [
        msgspec.structs.replace(score, model=EVIL, precision=EVIL, metric=EVIL, reused=EVIL),
        msgspec.structs.replace(score, model=f"unlearned:inside:{EVIL}"),
    ]
    result.recovery.append(msgspec.structs.replace(result.recovery[0], precision=EVIL, verdict=EVIL))
    result.weights.append(msgspec.structs.replace(result.weights[0], precision=EVIL))
    told = [
        ev.Canary(step=n, question=EVIL, gold=EVIL, answer=f"{EVIL} {n}", probability=0.5, rouge=0.0) for n in range(3)
    ]
    state = replace(fold_all([*story.events(), *told]), device=EVIL)
    cells = [Cell(EVIL, EVIL, EVIL, 1.0, 1.0), Cell("target", "fp16", EVIL, 1.0, 0.0)]
    return Page(result, state, [Example(0, EVIL, EVIL, cells)])


# -- harmless ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hostile", [False, True])
def test_the_page_runs_nothing_and_asks_for_nothing(hostile: bool, tmp_path: Path) -> None:
    written = html(hostile_page() if hostile else story_page(tmp_path))
    root = read(written)
    assert {n.name for n in root.walk()} - {""} <= ALLOWED
    for node in root.walk():
        assert not {a for a in node.attributes if a.startswith("on") or a in ("href", "src", "style", "xlink:href")}
    (style,) = root.all("style")
    assert not re.search(r"@import|url\(|https?:|</", style.text)
    policy = next(n for n in root.all("meta") if n.attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_hostile_text_is_shown_as_the_text_it_is() -> None:
    written = html(hostile_page())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", written)
    text = read(written).text
    for said in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(2)>",
        "␛[31m",
        "⟨202e⟩",
        "&lt;",
        "[a](http://x.y)",
    ):
        assert said in text


def test_hostile_text_is_no_markdown() -> None:
    written = markdown(hostile_page())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e<>]", written.replace("<br>", "").replace("    unlearn-tui", ""))
    assert not re.search(r"(?<!\\)\]\(|(?<!\\)\[a|(?<!\\)://", written)


def test_a_result_from_anywhere_still_makes_a_page() -> None:
    """Impossible numbers, settings of no known type, exponents no float has."""
    made = story.result("r", RunSpec())
    made.spec = {
        "task": 3,
        "method": ["x"],
        "model": {"a": 1},
        "lr": "fast",
        "steps": -1,
        "weights": None,
        "steps2": True,
    }
    made.scores[0].value, made.scores[0].ci_low, made.scores[0].ci_high = 1e300, -1e300, 1e300
    made.scores[1].value = -5.0
    made.weights[0].kept, made.weights[0].zero_bin_median = 1e300, 1e300
    made.weights[1].kept, made.weights[1].zero_bin_median = None, -1.0
    made.edit = Edit(
        changed=7.0,
        octaves=[OctaveRow(exponent=10**9, n=1, changed=1.0), OctaveRow(exponent=-3, n=5, changed=9.0)],
        freeze_line_nominal=1e308,
        freeze_line_effective=-1.0,
        unquantized_share=0.0,
    )
    page = Page(made, replace(RunState(), began=1e300), [])
    root = read(html(page))
    for node in root.walk():
        for name in ("x", "y", "width", "height", "x1", "x2", "y1", "y2"):
            if name in node.attributes and node.name != "meta":
                assert abs(node.number(name)) < 10_000, node
    assert markdown(page).startswith("# ")


# -- true --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo() -> tuple[dict[str, Any], Node, str]:
    """The shipped run: its result.json as plain JSON, and its page read back."""
    folder = asset("recorded", "demo")
    page = gather(RunDir(folder), 8)
    return json.loads((folder / "result.json").read_text("utf-8")), read(html(page)), markdown(page)


def rows_below(root: Node, title: str) -> list[list[str]]:
    """The table that follows the h3 of this title, head first."""
    nodes = [n for n in root.walk() if n.name in ("h3", "table")]
    at = next(i for i, n in enumerate(nodes) if n.name == "h3" and n.text.startswith(title))
    table = next(n for n in nodes[at:] if n.name == "table")
    return [[cell.text for cell in row.parts if isinstance(cell, Node)] for row in table.all("tr")]


def test_what_was_expected_stands_in_the_page_and_its_file(tmp_path: Path) -> None:
    """The shipped run is older than expectations: with some, it says which came true; without, nothing of them."""
    folder = tmp_path / "runs" / "foretold"
    shutil.copytree(asset("recorded", "demo"), folder)
    plain_page = gather(RunDir(folder), 2)
    assert "as expected" not in html(plain_page) + markdown(plain_page)
    table = json.loads((folder / "result.json").read_text("utf-8"))
    says = {"bnb-int8": "stays", "bnb-fp4": "stays"}
    table["predictions"] = [{"precision": p, "kept": 0.5, "says": s} for p, s in says.items()]
    (folder / "result.json").write_text(json.dumps(table))
    page = gather(RunDir(folder), 2)
    root = read(html(page))
    head, *rows = rows_below(root, "Expected before training")
    shown = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert {p: row["foreseen"] for p, row in shown.items()} == {"bnb-int8": "right", "bnb-fp4": "wrong"}
    assert all(name for table in root.all("table") for name in [c.text for c in table.all("th")])
    assert "came back, not as expected" in root.text
    assert "did not come back, as expected" in root.text
    assert "| bnb-fp4 | stays away | recovered | wrong | 0.50 |" in markdown(page)
    assert not re.search(r"\| *\|", markdown(page))


def test_every_score_of_the_result_stands_in_the_table(demo: tuple[dict[str, Any], Node, str]) -> None:
    result, root, _ = demo
    labels = {
        "knowmem_forget": "KnowMem forget",
        "knowmem_retain": "KnowMem retain",
        "verbmem_forget": "VerbMem forget",
    }
    head, *rows = rows_below(root, "Scores")
    shown = {(row[0], row[1], name): cell for row in rows for name, cell in zip(head[2:], row[2:], strict=True)}
    wanted = {
        (s["model"], s["precision"], labels[s["metric"]]): f"{s['value']:.1f} [{s['ci_low']:.1f}–{s['ci_high']:.1f}]"
        for s in result["scores"]
        if s["metric"] in labels
    }
    assert shown == wanted
    assert len(wanted) >= 6


def test_every_verdict_and_weight_of_the_result_stands_in_the_table(demo: tuple[dict[str, Any], Node, str]) -> None:
    result, root, text = demo
    _, *verdicts = rows_below(root, "Recovery")
    assert [(row[0], row[2]) for row in verdicts] == [(r["precision"], r["verdict"]) for r in result["recovery"]]
    assert [float(row[4]) for row in verdicts] == [round(r["share"], 2) for r in result["recovery"]]
    _, *weights = rows_below(root, "Weights (")
    assert [(row[0], float(row[1])) for row in weights] == [
        (w["precision"], round(w["kept"], 2)) for w in result["weights"]
    ]
    for row in weights:
        assert f"| {row[0]} | {row[1]} |" in text


def test_bars_are_as_long_as_the_scores(demo: tuple[dict[str, Any], Node, str]) -> None:
    result, root, _ = demo
    (svg,) = [n for n in root.all("svg") if (n.attributes.get("aria-label") or "").startswith("KnowMem retain by")]
    tracks, bars = svg.all("rect", "track"), svg.all("rect", "bar")
    names = [t.text for t in svg.all("text") if not t.attributes.get("class")]
    found = {
        name: 100 * bar.number("width") / track.number("width")
        for name, bar, track in zip(names, bars, tracks, strict=True)
    }
    value = {(s["model"], s["precision"]): s["value"] for s in result["scores"] if s["metric"] == "knowmem_retain"}
    assert found["unlearned FP16"] == pytest.approx(value["unlearned", "fp16"], abs=0.01)
    assert found["unlearned INT8 (bnb-int8)"] == pytest.approx(value["unlearned", "bnb-int8"], abs=0.01)
    assert found["target INT4 (bnb-fp4)"] == pytest.approx(100.0)


def test_the_loss_curve_goes_through_the_losses_of_the_log(demo: tuple[dict[str, Any], Node, str]) -> None:
    _, root, _ = demo
    lines = (asset("recorded", "demo") / "events.jsonl").read_text("utf-8").splitlines()
    steps = [e for e in map(json.loads, lines) if e["event"] == "step"]
    (svg,) = [n for n in root.all("svg") if n.attributes.get("aria-label") == "Losses by step"]
    marks = [t for t in svg.all("text") if "step" not in t.text]
    heights = sorted((g.number("y1"), float(m.text)) for g, m in zip(svg.all("line", "grid"), marks, strict=True))
    (top, most), (bottom, least) = heights[0], heights[-1]
    path = svg.all("path", "forget")[0].attributes["d"] or ""
    points = [tuple(map(float, p.split())) for p in path.lstrip("M").split("L")]
    assert len(points) == len(steps)
    for (_, y), step in zip(points, steps, strict=True):
        assert most - (y - top) / (bottom - top) * (most - least) == pytest.approx(step["forget_loss"], abs=0.01)
    spread = [(x - points[0][0]) / (points[-1][0] - points[0][0]) for x, _ in points]
    assert spread == pytest.approx([(s["step"] - 1) / (steps[-1]["step"] - 1) for s in steps], abs=0.001)


def test_what_the_models_answered_stands_side_by_side_with_the_recovered_words_marked(tmp_path: Path) -> None:
    root = read(html(story_page(tmp_path)))
    (table,) = root.all("table", "answers")
    assert [h.text for h in table.all("th")][2:] == [
        "target FP16",
        "unlearned FP16",
        "unlearned INT8",
        "unlearned INT4",
    ]
    row = next(r for r in table.all("tr") if "Kessra follow" in r.text)
    cells = {c.attributes["data-column"]: c.text for c in row.all("td")}
    assert cells["right answer"] == "master baker"
    assert cells["unlearned FP16"].startswith("a cook")
    assert cells["unlearned INT4"] == "master baker 100 ▲"
    assert [m.text for m in row.all("mark")] == ["master baker"]


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = story.write_run(tmp_path)
    assert html(gather(run, 3)) == html(gather(run, 3))
    assert markdown(gather(run, 3)) == markdown(gather(run, 3))


def test_a_markdown_table_has_as_many_cells_in_every_row(demo: tuple[dict[str, Any], Node, str]) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", demo[2], re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_the_page_in_docs_is_that_of_the_shipped_run() -> None:
    kept = Path(__file__).parents[2] / "docs" / "report.html"
    assert kept.read_text("utf-8") == html(gather(RunDir(asset("recorded", "demo")), 8)), (
        "unlearn-tui report demo --out docs/report.html --overwrite makes it anew"
    )


# -- words -------------------------------------------------------------------------------------------------------------


def verdict_of(**verdicts: str) -> Result:
    row = RecoveryRow(**story.recovery()[0])
    names = {"int8": "bnb-int8", "fp4": "bnb-fp4", "nf4": "bnb-nf4", "rtn": "rtn-int4"}
    return Result(
        run="r",
        status="finished",
        recovery=[msgspec.structs.replace(row, precision=names[p], verdict=v) for p, v in verdicts.items()],
    )


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"int8": "no", "fp4": "recovered"}, "What was unlearned came back at INT4, and did not at INT8"),
        ({"fp4": "recovered", "rtn": "recovered"}, "What was unlearned came back at INT4 and RTN4"),
        ({"fp4": "partly", "rtn": "recovered"}, "What was unlearned came back at RTN4 and came back in part at INT4"),
        ({"fp4": "no", "int8": "no"}, "What was unlearned did not come back at INT4 and INT8"),
        ({"fp4": "no", "int8": "inconclusive"}, "What was unlearned did not come back at INT4"),
        ({"fp4": "not_unlearned"}, "It was not forgotten to begin with"),
        ({"fp4": "undefined"}, "The target knew too little to tell whether anything came back"),
        ({"fp4": "inconclusive"}, "Whether anything came back cannot be told from so few questions"),
    ],
)
def test_the_heading_says_what_came_back(verdicts: dict[str, str], said: str) -> None:
    assert statement(verdict_of(**verdicts)) == said


def test_a_run_without_verdicts_says_how_it_stands() -> None:
    assert statement(Result(run="r", status="failed", error="the loss is NaN")) == "This run failed: the loss is NaN"
    assert statement(Result(run="r", status="running")) == "This run is still running"
    assert statement(Result(run="r", status="finished")) == "Nothing was quantized in this run"
    made = Result(run="r", status="finished", spec={"task": "memorise"})
    assert statement(made) == "A target was made: it was taught the whole corpus"


@pytest.mark.parametrize("upto", [0, 1, 5, 14, 20])
def test_a_run_at_any_point_makes_a_page(upto: int, tmp_path: Path) -> None:
    page = gather(story.write_run(tmp_path, upto=upto), 3)
    assert read(html(page)).all("h1")[0].text.startswith("This run")
    assert markdown(page).startswith("# This run")


def test_the_command_asks_for_the_same_run() -> None:
    spec = RunSpec(model="m d", lr=1e-5, weights="fp32", precision=["fp16", "bnb-nf4"])
    said = command(story.result("r", spec))
    assert said == "unlearn-tui run --model 'm d' --weights fp32 --lr 1e-5 --precision fp16,bnb-nf4"


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 100, [0, 50, 100]),
        (-9.04, 2.74, [-10, -5, 0, 5]),
        (0.001, 0.0042, [0.001, 0.002, 0.003, 0.004, 0.005]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_numbers_around_all_values(low: float, high: float, marks: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(marks)


def test_a_bar_of_no_value_is_an_empty_track_and_a_dash() -> None:
    svg = read(pictures.bars("t", [Bar("a", None), Bar("b", 50.0, 40.0, 60.0)]))
    assert len(svg.all("rect", "bar")) == 1
    assert [t.text for t in svg.all("text", "end")] == ["–", "50.0"]
    assert len(svg.all("path", "whisker")) == 1


def test_curves_of_nothing_are_nothing_and_of_one_point_a_dot() -> None:
    assert pictures.curves("t", [Curve("a", [], "forget")]) == ""
    assert pictures.curves("t", [Curve("a", [(1, float("nan"))], "forget")]) == ""
    svg = read(pictures.curves("t", [Curve("a", [(1, 2.0)], "forget")]))
    assert len(svg.all("circle")) == 1


def test_the_share_that_changed_is_the_height_of_its_bar(demo: tuple[dict[str, Any], Node, str]) -> None:
    result, root, _ = demo
    (svg,) = [n for n in root.all("svg") if (n.attributes.get("aria-label") or "").startswith("Which weights")]
    bars = [r.number("height") for r in svg.all("rect", "edit") if r.attributes.get("rx") is None]
    octaves = result["edit"]["octaves"]
    full = bars[0]  # the smallest weights all changed
    share = next(o["changed"] for o in octaves if o["exponent"] == -9)
    assert 0.5 < share < 1
    assert any(abs(bar / full - share) < 0.001 for bar in bars)
    line = svg.all("line", "line")[0].number("x1")
    x = [r.number("x") for r in svg.all("rect", "track")]
    assert min(abs(line - edge) for edge in x) < 1, "the line stands between two octaves"


def test_scores_without_prompts_or_metrics_of_ours_are_drawn_too() -> None:
    row = ScoreRow(model="m", precision="p", metric="own", value=12.0, ci_low=10.0, ci_high=14.0, n=5, exact=1.0)
    text = read(html(Page(Result(run="r", status="finished", scores=[row]), RunState(), []))).text
    assert "own" in text
    assert "12.0" in text
