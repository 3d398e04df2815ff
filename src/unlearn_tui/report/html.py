"""A run as one HTML page that needs nothing else: no script, no address; light and dark, wide and narrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from unlearn_tui import catalog
from unlearn_tui.protocol.result import Result, ScoreRow
from unlearn_tui.report import page as pg
from unlearn_tui.report import pictures
from unlearn_tui.report.elements import Html, el, join, void
from unlearn_tui.report.page import Page
from unlearn_tui.report.pictures import Bar, Curve, Span
from unlearn_tui.report.sections import (
    HALVED,
    HALVED_NOTE,
    VERDICTS,
    Grid,
    grids,
    headline,
    is_groups,
    main_metric,
    metric_label,
    precision_label,
)
from unlearn_tui.report.text import brief, number, safe
from unlearn_tui.state.table import arranged

SPANS = 12
"""Zero bins that are drawn at most."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MARKED = re.compile(r"⟦([^⟧]*)⟧")


def html(page: Page) -> str:
    """The whole page, ending in a newline. The same run gives the same bytes."""
    result = page.result
    head = el(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=Html(_POLICY)),
        void("meta", name="generator", content="unlearn-tui"),
        el("title", f"{pg.statement(result)} – {result.run}"),
        el("style", Html(files("unlearn_tui.report").joinpath("page.css").read_text("utf-8"))),
    )
    sections = [_top, _scores, _answers, _why, _training, _tables, _made, _words]
    body = el("body", *(section(page) for section in sections), _foot(page))
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _top(page: Page) -> Html:
    result = page.result
    found = pg.verdicts(result)
    by: dict[tuple[str, str], list[str]] = {}
    for verdict in found:
        by.setdefault((verdict.kind, verdict.words), []).append(precision_label(verdict.precision))
    chips = [
        el("li", el("b", f"{pg.SIGNS.get(kind, '–')} {', '.join(labels)}"), words, class_=kind)
        for (kind, words), labels in by.items()
    ]
    # of many precisions the bars below tell more than a sentence
    lead = headline(result) if len(found) <= pg.NAMES else headline(result).split("; ")[0] + "."
    return join(
        el("p", pg.kicker(result), class_="kicker"),
        el("h1", pg.statement(result)),
        el("p", brief(lead), class_="lead") if result.recovery else None,
        el("ul", *chips, class_="verdicts") if chips else None,
        el("p", brief(result.explanation, limit=4000)) if result.explanation else None,
    )


# -- answers -----------------------------------------------------------------------------------------------------------


def _answers(page: Page) -> Html:
    if not page.examples:
        return Html("")
    keys, head = pg.answer_columns(page)
    rows = []
    for example in page.examples:
        said = {(c.model, c.precision): c for c in example.cells}
        cells = [el("td", pg.shortened(example.prompt, 400), class_="q", data_column=head[0])]
        cells.append(el("td", el("span", pg.shortened(example.gold, 300)), data_column=head[1]))
        for name, key in zip(head[2:], keys, strict=True):
            cell = said.get(key)
            if cell is None:
                shown = el("span", "–")
            else:
                up = el("span", " ▲", class_="up") if cell.gain > 0 else None
                recall = el("span", " ", number(100 * cell.recall, ".0f"), up, class_="recall")
                shown = el("span", _marked(pg.shortened(cell.text, 300) or "–"), recall)
            cells.append(el("td", shown, data_column=name))
        rows.append(el("tr", *cells))
    table = el("table", el("thead", el("tr", *(el("th", h) for h in head))), el("tbody", *rows), class_="answers")
    note = "Underlined: words of the right answer that the unlearned model had lost at full precision. The number is ROUGE-L"
    return join(
        el("h2", pg.answers_title(page.result)),
        el("div", table, class_="wide"),
        el("p", note + " recall, 0–100; ▲ more than at full precision.", class_="note"),
    )


def _marked(text: str) -> Html:
    """⟦…⟧ as marks."""
    parts = _MARKED.split(text)
    return join(*(el("mark", part) if i % 2 else part for i, part in enumerate(parts)))


# -- pictures ----------------------------------------------------------------------------------------------------------


def _why(page: Page) -> Html:
    result = page.result
    shown = []
    if bins := pg.edit_bins(result):
        assert result.edit is not None
        picture = pictures.sizes(
            "Which weights changed, by their size", bins, _spans(result), result.edit.freeze_line_effective
        )
        said = (
            "Weights of the target from small (left) to large. Pale: how many there are; dark: per cent of them that "
            "unlearning changed. Bars below, on the same axis: what a quantizer stores as zero, or almost."
        )
        shown.append(_figure("Where the edit is", picture, said))
    found = {v.precision: v for v in pg.verdicts(result)}
    rated = pg.rated(result)
    kept = [
        Bar(
            f"{precision_label(w.precision)} ({safe(w.precision)})",
            w.kept,
            kind=v.kind if v else "plain",
            note=", ".join(filter(None, (v.words if v else "", rated.get(w.precision, "")))),
        )
        for w in result.weights
        for v in [found.get(w.precision)]
    ]
    if kept:
        most = max([1.0, *(b.value for b in kept if b.value is not None)])
        picture = pictures.bars("What each quantizer keeps of the edit", kept, most, ".2f", mark=1.0)
        said = "1 (the line): all of the edit is still there after rounding; 0: nothing."
        shown.append(_figure("What a quantizer keeps of it", picture, said))
    return join(el("h2", "Why"), el("div", *shown, class_="figures")) if shown else Html("")


def _spans(result: Result) -> list[Span]:
    kinds = {v.precision: v.kind for v in pg.verdicts(result)}
    made = []
    if result.edit and result.edit.freeze_line_nominal:
        line = result.edit.freeze_line_nominal
        made.append(Span(f"a bf16 step of size lr moves only these: ±{line:.2g}", line, "edit"))
    for row in result.weights[:SPANS]:
        known = catalog.find_precision(row.precision)
        if row.zero_bin_median > 0 and (known is None or known.zero):
            zero = known.zero if known else "zero"
            said = f"{precision_label(row.precision)} makes these {zero}: ±{row.zero_bin_median:.2g}"
            made.append(Span(said, row.zero_bin_median, kinds.get(row.precision, "plain")))
    return made


def _scores(page: Page) -> Html:
    result = page.result
    # a p value is no bar; the notes have it
    rows = [r for r in result.scores if r.metric not in (catalog.MEMORIZATION, catalog.FORGET_QUALITY)]
    verdict = {(r.precision, r.metric): r.verdict for r in result.recovery}
    order = arranged(((r.model, r.precision) for r in rows), result.full_precision)
    shown = []
    for metric in dict.fromkeys(r.metric for r in rows):
        found = {(r.model, r.precision): r for r in rows if r.metric == metric}
        made = [_bar(found[key], verdict, result.full_precision) for key in order if key in found]
        n = max(r.n for r in found.values())
        known = catalog.METRICS.get(metric)
        said = f"{known.summary[:1].upper()}{known.summary[1:]}; " if known else ""
        unit = "texts" if is_groups(metric) else "prompts"
        halved = f"; {HALVED_NOTE}" if any(r.batch for r in found.values()) else ""
        most = max([100.0, *(bar.value for bar in made if bar.value is not None)])  # bits of fluency pass 100
        picture = pictures.bars(f"{metric_label(metric)} by model and precision", made, most)
        shown.append(_figure(metric_label(metric), picture, f"{said}{n} {unit}, thin line: 95 % interval{halved}"))
    return join(el("h2", "Scores"), el("div", *shown, class_="figures")) if shown else Html("")


def _bar(row: ScoreRow, verdict: dict[tuple[str, str], str], full: str) -> Bar:
    found = verdict.get((row.precision, row.metric), "") if row.model == "unlearned" and row.precision != full else ""
    kind = pg.KINDS.get(found, "target" if row.model == "target" else "plain")
    note = VERDICTS.get(found, "")
    who = pg.who(row.model, row.precision) + (f" {HALVED}" if row.batch else "")
    return Bar(who, row.value, row.ci_low, row.ci_high, kind, note)


def _training(page: Page) -> Html:
    state = page.state
    losses = [Curve("forget", [(s.step, s.forget_loss) for s in state.steps], "forget")]
    retain = [(s.step, s.retain_loss) for s in state.steps if s.retain_loss is not None]
    losses += [Curve("retain", retain, "retain")] if retain else []
    losses = [c for c in losses if c.points]
    memory = []
    for metric, kind in (("knowmem_forget", "forget"), ("knowmem_retain", "retain")):
        points = [(p.step, p.value) for p in state.probes if p.metric == metric]
        memory += [Curve(metric_label(metric), points, kind, dots=True)] if points else []
    chance = [(c.step, 100 * c.probability) for c in state.canary]
    memory += [Curve("the pinned question", chance, "canary", dots=True)] if chance else []
    shown = []
    if losses:
        picture = join(pictures.key(losses), pictures.curves("Losses by step", losses))
        shown.append(
            _figure(
                "Loss", picture, "Of every step that was logged; a forget loss may fall without end: that is the aim."
            )
        )
    if memory:
        picture = join(pictures.key(memory), pictures.curves("What is remembered, by step", memory, low=0, high=100))
        said = "KnowMem of a few questions, 0–100; probability of the pinned question's right answer, in per cent."
        shown.append(_figure("What it still knows at full precision", picture, said))
    if told := pg.canary(state):
        head = el("tr", el("th", "step", class_="n"), el("th", "answer"), el("th", "probability", class_="n"))
        rows = [
            el(
                "tr",
                el("td", c.step, class_="n"),
                el("td", pg.shortened(safe(c.answer.strip()), 120) or "–"),
                el("td", f"{c.probability:.2g}", class_="n"),
            )
            for c in told
        ]
        title = el(
            "p",
            pg.shortened(safe(told[0].question.strip()), 300),
            " ",
            el("b", pg.shortened(safe(told[0].gold.strip()), 100)),
        )
        table = el("table", el("thead", head), el("tbody", *rows))
        shown.append(
            _figure(
                "The pinned question dissolves", join(title, table), "Asked again during training, each new answer."
            )
        )
    return join(el("h2", pg.training_title(page.result)), el("div", *shown, class_="figures")) if shown else Html("")


def _figure(title: str, picture: Html, said: str) -> Html:
    return el("figure", el("h3", title), picture, el("figcaption", said))


# -- tables and how it was made ----------------------------------------------------------------------------------------


def _tables(page: Page) -> Html:
    made = [_grid(g) for g in grids(page.result)]
    return join(el("h2", "All numbers"), *made) if made else Html("")


def _grid(grid: Grid) -> Html:
    shown = grid.columns

    def cell(i: int, text: str) -> Html:
        kinds = ["n" if i >= grid.left else "", pg.KINDS.get(text, "") if i < grid.left else ""]
        return el("td", text, class_=" ".join(filter(None, kinds)) or None)

    head = el("tr", *(el("th", grid.head[i], class_="n" if i >= grid.left else None) for i in shown))
    rows = [el("tr", *(cell(i, row[i]) for i in shown)) for row in grid.rows]
    table = el("table", el("thead", head), el("tbody", *rows))
    note = el("p", grid.note, class_="note") if grid.note else None
    return join(el("h3", grid.title), el("div", table, class_="wide"), note)


def _made(page: Page) -> Html:
    result = page.result
    command = pg.command(result)
    notes = [brief(note, limit=400) for note in result.notes[:50]]
    return join(
        el("h2", "How it was made"),
        _pairs(pg.facts(page)),
        join(el("p", "The same again:", class_="note"), el("pre", command)) if command else None,
        *(el("details", el("summary", title), _pairs(pairs)) for title, pairs in pg.made_with(result)),
        el("details", el("summary", "Notes"), el("ul", *(el("li", note) for note in notes))) if notes else None,
    )


def _words(_page: Page) -> Html:
    return join(el("h2", "What the words mean"), _pairs(pg.GLOSSARY))


def _pairs(pairs: Sequence[tuple[str, str]]) -> Html:
    return el("dl", *(join(el("dt", name), el("dd", brief(safe(value)))) for name, value in pairs))


def _foot(page: Page) -> Html:
    result = page.result
    version = result.versions.get("unlearn-tui", "")
    said = (
        f"Written by unlearn-tui from the run's own files (measured by version {version})."
        if version
        else "unlearn-tui"
    )
    return el("footer", el("p", said, f" Main measure: {metric_label(main_metric(result))}."))
