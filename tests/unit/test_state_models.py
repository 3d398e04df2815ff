"""The list of checkpoints and the list of runs: order, filter, cursor, lineage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from models_data import NOW, failed, family, run, target, unlearned

from unlearn_tui.state import models as state
from unlearn_tui.state import runs
from unlearn_tui.state.listing import Listing, go, move, put, scrolled, window
from unlearn_tui.state.models import Models, Score


def names(found: Models) -> list[str]:
    return [row.name for row in found.list.rows]


def at(found: Models, id: str) -> Models:
    return replace(found, list=go(found.list, id))


def test_the_newest_come_first_each_with_its_precisions_behind_it() -> None:
    order = ["broken", "effect", "bnb-int8", "bnb-fp4", "control", "bnb-int8", "bnb-fp4", "target"]
    assert names(family()) == order


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", ["alpha", "Beta", "gamma"]),
        ("size", ["gamma", "alpha", "Beta"]),
        ("KM forget", ["Beta", "alpha", "gamma"]),
        ("parameters", ["Beta", "gamma", "alpha"]),
        ("modified", ["gamma", "Beta", "alpha"]),
        ("no such order", ["gamma", "Beta", "alpha"]),
    ],
)
def test_every_order_puts_first_what_it_says(sort: str, order: list[str]) -> None:
    rows = [
        target("alpha", size=2, forget=50.0, parameters=1, modified=1.0),
        target("Beta", size=1, forget=0.0, parameters=3, modified=2.0),
        target("gamma", size=3, forget=None, parameters=2, modified=3.0),
    ]
    assert names(state.sorted_by(state.refreshed(Models(), rows), sort)) == order


def test_the_orders_follow_one_another_and_begin_again() -> None:
    seen, sort = [], "modified"
    for _ in state.SORTS:
        seen.append(sort)
        sort = state.next_sort(sort)
    assert seen == list(state.SORTS)
    assert sort == "modified"


def test_the_cursor_stays_on_its_row_when_others_come_and_the_order_changes() -> None:
    found = at(family(), "run:control")
    found = state.refreshed(found, [*unlearned("newest", 0.0, 0.0, modified=NOW), *found.rows])
    assert found.list.current is not None
    assert found.list.current.name == "control"
    assert state.sorted_by(found, "name").list.current == found.list.current


def test_the_cursor_stays_where_its_row_stood_when_that_has_gone() -> None:
    found = at(family(), "run:effect")
    without = [row for row in found.rows if "effect" not in row.id]
    assert state.refreshed(found, without).list.current == state.by_id(found, "run:control")
    assert state.refreshed(found, []).list.current is None


def test_a_run_is_shown_whole_if_it_fits_and_with_the_precisions_that_do() -> None:
    assert names(state.filtered(family(), "EFFECT")) == ["effect", "bnb-int8", "bnb-fp4"]
    assert names(state.filtered(family(), "fp4")) == ["effect", "bnb-fp4", "control", "bnb-fp4"]
    assert names(state.filtered(family(), "npo memory")) == ["broken"], "words in any order, the reason among them"
    assert names(state.filtered(family(), "nothing like it")) == []
    assert names(state.filtered(state.filtered(family(), "x"), "")) == names(family())


def test_hidden_precisions_leave_the_cursor_on_their_run() -> None:
    found = state.with_precisions(at(family(), "run:control:bnb-fp4"), False)
    assert names(found) == ["broken", "effect", "control", "target"]
    assert found.list.current == state.by_id(found, "run:control")
    assert found.count == 4
    assert names(state.with_precisions(found, True)) == names(family())


def test_a_target_is_the_root_of_what_was_made_from_it() -> None:
    found = family()
    root = found.rows[0]
    assert [row.name for row in state.made_from(found, root)] == ["broken", "effect", "control"]
    for id in ("shipped:target", "run:effect", "run:effect:bnb-fp4", "run:broken"):
        row = state.by_id(found, id)
        assert row is not None
        assert state.target_of(found, row) == root
    alone = target("alone")
    assert state.target_of(state.refreshed(found, [*found.rows, alone]), alone) is None


def test_only_a_checkpoint_that_is_there_can_be_unlearned() -> None:
    assert state.usable(target())
    assert not state.usable(failed())
    assert not state.usable(target(status="missing"))
    assert not state.usable(unlearned("effect", 0, 0)[1])
    assert not state.usable(unlearned("effect", 0, 0, status="live")[0])


def test_a_model_is_checked_against_others_of_its_size_targets_first() -> None:
    other, larger = target("other", modified=NOW), target("larger", parameters=9)
    found = state.refreshed(family(), [*family().rows, other, larger, target("hub", parameters=0, modified=1.0)])
    row = state.by_id(found, "run:effect")
    assert row is not None
    assert [p.name for p in state.partners(found, row)] == ["target", "other", "hub", "control"]


def test_four_bits_are_the_papers_where_they_were_scored() -> None:
    scores = [Score("fp16"), Score("bnb-nf4", 1.0), Score("bnb-fp4", 2.0), Score("unknown")]
    assert state.four_bit(scores) == scores[2]
    assert state.four_bit(scores[:2]) == scores[1]
    assert state.four_bit(scores[:1]) is None


@pytest.mark.parametrize(
    ("top", "at", "count", "first"),
    [
        (0, 3, 100, 0),
        (0, 9, 100, 0),
        (0, 10, 100, 1),
        (40, 45, 100, 40),
        (40, 39, 100, 39),
        (95, 99, 100, 90),
        (5, 1, 3, 0),
    ],
)
def test_the_list_scrolls_no_further_than_the_cursor_needs(top: int, at: int, count: int, first: int) -> None:
    rows = tuple(target(str(i)) for i in range(count))
    assert window(Listing(rows, at, top), 10) == first
    assert scrolled(Listing(rows, at, top), 10).top == first


def test_the_cursor_stops_at_either_end() -> None:
    listing = put(Listing[state.Row](), family().rows)
    assert move(listing, -1).at == 0
    assert move(listing, 1000).at == len(listing.rows) - 1
    assert move(Listing[state.Row](), 1).at == 0
    assert go(listing, "no such row") == listing


# -- runs --------------------------------------------------------------------------------------------------------------


def listed(*found: runs.Run) -> runs.Runs:
    return runs.refreshed(runs.Runs(), found)


def test_live_runs_stand_first_then_the_newest() -> None:
    found = listed(run("a", created=1), run("b", created=3), run("c", "running", created=2), run("d", "new", created=4))
    assert [r.id for r in found.list.rows] == ["c", "d", "b", "a"]
    assert [r.id for r in found.live] == ["c"]


def test_runs_are_found_by_status_method_model_and_reason() -> None:
    found = listed(run("a"), run("b", "failed", reason="loss is NaN"), run("c", method="npo"))
    for words, ids in (("nan", ["b"]), ("FINISHED", ["a", "c"]), ("npo pocket", ["c"]), ("", ["a", "b", "c"])):
        assert sorted(r.id for r in runs.filtered(found, words).list.rows) == ids


def test_only_what_did_not_finish_can_be_resumed() -> None:
    resumable = [s for s in ("new", "running", "finished", "stopped", "failed", "died") if runs.can_resume(run("a", s))]
    assert resumable == ["new", "stopped", "failed", "died"]


def test_the_share_of_a_stage_is_known_where_its_total_is() -> None:
    assert run("a", "running", done=1, total=4).share == 0.25
    assert run("a", "running", done=9, total=4).share == 1.0
    assert run("a", "running").share is None
