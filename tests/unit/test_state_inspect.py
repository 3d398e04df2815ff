"""What an inspector replies, folded; and the prompts, columns and tokens that the cursor walks over."""

from __future__ import annotations

from dataclasses import replace
from math import log

import inspect_data as data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state import inspect as ops
from unlearn_tui.state.asked import NOWHERE, Asked, asked, gain, heard, is_gain, label_of, parts
from unlearn_tui.state.inspect import InspectState, Prompt


def column(state: Asked, model: str, precision: str) -> int:
    return [c.key for c in state.columns].index((model, precision))


def test_columns_stand_there_before_anything_is_replied() -> None:
    state = asked(data.request())
    assert [c.key for c in state.columns] == data.COLUMNS
    assert not state.ended
    assert state.progress


def test_progress_is_said_until_the_answer_begins() -> None:
    state = heard(asked(data.request()), ins.Progress(1, "load target"))
    assert state.progress == "load target"
    state = heard(state, ins.Began(id=1, columns=data.COLUMNS, prompt="Q", gold="G", note="n"))
    assert (state.progress, state.prompt, state.gold, state.note) == ("", "Q", "G", "n")
    assert [c.key for c in state.columns] == data.COLUMNS


def test_tokens_come_one_by_one_into_their_column() -> None:
    state = asked(data.request())
    for text in (" Fen", "nel"):
        state = heard(state, ins.Said(1, 4, data.piece(text, 0.5)))
    assert [c.text for c in state.columns] == ["", "", "", "", " Fennel", ""]


def test_the_gold_answer_is_taught_with_its_product_and_mean_log() -> None:
    state = data.whole()
    taught = state.columns[3].taught
    assert taught is not None
    product = 0.02 * 0.31 * 0.64 * 0.05
    assert taught.product == pytest.approx(product)
    assert taught.mean_log == pytest.approx(log(product) / 4)
    assert [p.text for p in state.tokens] == list(data.TOKENS)


def test_a_whole_answer_has_its_recall_and_its_label() -> None:
    state = data.whole()
    assert [c.recall for c in state.columns] == [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    assert [label_of(state, c) for c in state.columns] == ["", "", "", "", "stays forgotten", "recovered"]
    assert state.ended
    assert state.done is not None
    assert state.done.first_token == 0.21


def test_without_gold_nothing_is_scored_and_nothing_labelled() -> None:
    state = data.whole(gold="")
    assert {c.recall for c in state.columns} == {None}
    assert {label_of(state, c) for c in state.columns} == {""}
    assert state.tokens == ()


def test_one_column_fails_and_the_others_go_on() -> None:
    state = asked(data.request())
    state = heard(state, ins.ColumnFailed(1, 2, "too large"))
    state = heard(state, ins.Said(1, 3, data.piece("a", 0.5)))
    assert state.columns[2].failed == "too large"
    assert state.columns[3].text == "a"
    assert not state.ended


def test_a_refusal_ends_a_request() -> None:
    state = heard(asked(data.request()), ins.Refusal(1, "no model fits"))
    assert state.ended
    assert state.refused == "no model fits"
    assert state.progress == ""


def test_what_is_cut_from_an_answer_does_not_count() -> None:
    state = asked(data.request())
    for text in (" Fen", "nelport", "\n", "Question"):
        state = heard(state, ins.Said(1, 0, data.piece(text, 0.9)))
    assert state.columns[0].counted == 4
    state = heard(state, ins.Answered(id=1, column=0, answer="Fennelport", recall=1.0))
    assert state.columns[0].counted == 2
    assert heard(state, ins.Answered(id=1, column=0, answer="")).columns[0].counted == 0


REPLIES = st.one_of(
    st.builds(ins.Progress, st.integers(0, 3), st.text(max_size=5)),
    st.builds(ins.Said, st.integers(0, 3), st.integers(-3, 9), st.just(data.piece("a", 0.5))),
    st.builds(ins.Answered, id=st.integers(0, 3), column=st.integers(-3, 9), answer=st.text(max_size=5)),
    st.builds(ins.ColumnFailed, st.integers(0, 3), st.integers(-3, 9), st.text(max_size=5)),
    st.builds(ins.Done, id=st.integers(0, 3), cancelled=st.booleans()),
    st.builds(ins.Refusal, st.integers(0, 3), st.text(max_size=5)),
    st.builds(ins.Began, id=st.integers(0, 3), columns=st.just([("model", "fp16")]), prompt=st.text(max_size=5)),
    st.builds(
        ins.Resident, id=st.integers(0, 3), models=st.just([]), used=st.just(0), budget=st.just(0), free=st.just(0)
    ),
)


@settings(max_examples=60)
@given(st.lists(REPLIES, max_size=30))
def test_replies_in_any_order_to_anybody_break_nothing(replies: list[ins.Reply]) -> None:
    state = ops.sent(data.state(), data.request(2))
    before = state.history[0]
    state = ops.replied(state, [r for r in replies if r.id != 1])
    assert state.history[0] == before, "replies to others change nothing"
    ended = {r.id for r in replies if isinstance(r, ins.Done | ins.Refusal)}
    assert state.history[1].ended == (2 in ended)


def test_where_an_answer_parts_from_another() -> None:
    state = data.whole()
    base = state.columns[0]
    assert [parts(c, base) for c in state.columns] == [NOWHERE, NOWHERE, NOWHERE, 0, 0, NOWHERE]
    assert parts(state.columns[4], state.columns[3]) == NOWHERE


def test_an_answer_that_ended_parts_where_the_other_goes_on() -> None:
    long = replace(data.whole().columns[0], answered=None)
    short = replace(long, said=long.said[:2])
    assert parts(short, long) == NOWHERE, "it may still say the same"
    ended = replace(short, answered=ins.Answered(id=1, column=0, answer="Fennel"))
    assert parts(ended, long) == 2
    assert parts(long, ended) == 2


def test_what_an_attack_brings_is_told_against_the_plain_prompt() -> None:
    plain = data.whole()
    attack = asked(data.request(2, "few-shot"))
    for reply in data.replies(attack.request, forgets=False):
        attack = heard(attack, reply)
    found = [gain(a, p) for a, p in zip(attack.columns, plain.columns, strict=True)]
    assert found == [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    assert [is_gain(x) for x in found] == [False, False, False, True, True, False]
    assert gain(attack.columns[0], None) is None
    assert is_gain(0.3)
    assert not is_gain(0.29)
    assert not is_gain(None)


# -- the screen's state ------------------------------------------------------------------------------------------------


def test_prompts_are_stepped_through_up_to_the_ends() -> None:
    state = data.state()
    visited = []
    for by in (1, 1, 1, -1, -9):
        state = ops.stepped(state, by)
        visited.append(state.at)
    assert visited == [1, 2, 2, 1, 0]


def test_a_prompt_that_was_asked_comes_back_with_its_answers() -> None:
    state = ops.stepped(data.state(), 1)
    assert state.asked is None
    state = ops.stepped(state, -1)
    assert state.asked is not None
    assert state.asked.request.question == data.QUESTION


def test_asked_in_another_way_it_is_another_request() -> None:
    state = ops.set_way(data.state(), template="chat")
    assert state.asked is None
    request = ops.request(state, 7)
    assert request is not None
    assert (request.template, request.id, request.gold) == ("chat", 7, data.GOLD)
    assert ops.set_way(state, template="auto").asked is not None


def test_a_seed_matters_only_where_something_is_drawn() -> None:
    assert ops.set_way(data.state(), seed=5).asked is not None
    assert ops.set_way(data.state(), seed=5, temperature=0.7).asked is None


def test_a_passage_is_continued_and_for_as_long_as_verbmem_asks() -> None:
    state = ops.looked(data.state(), Prompt("Once upon", "a time", 4, "free"))
    request = ops.request(ops.set_way(state, template="chat"), 1)
    assert request is not None
    assert (request.template, request.max_new_tokens) == ("free", 128)


def test_other_models_are_asked_as_their_run_was() -> None:
    spec = RunSpec(precision=["fp16"], corpus="/c", threads=1, device="cpu", template="chat")
    state = ops.models_of(data.state(), "run-2", (data.MODELS[0],), spec)
    assert (state.precisions, state.corpus, state.threads, state.device) == (("fp16",), "/c", 1, "cpu")
    assert state.template == "chat"
    assert state.prompt is None
    assert ops.request(state, 1) is None
    assert len(state.history) == 1


def test_what_is_cancelled_is_asked_anew() -> None:
    state = ops.sent(ops.stepped(data.state(), 1), data.request(2, question="Who keeps bees?"))
    state, ids = ops.cancelled(state)
    assert ids == [2], "what has ended is not cancelled"
    assert state.busy, "its last word is still to come"
    assert ops.find(state, "") is None
    state = ops.replied(state, [ins.Done(id=2, cancelled=True)])
    assert not state.busy
    assert ops.cancelled(state)[1] == []


def test_the_token_cursor_walks_over_the_gold_answer_or_what_is_said() -> None:
    state = data.state()
    assert not state.on_said
    assert ops.moved_token(state, 99).token == 3
    assert ops.moved_token(state, -1).token == 0
    said = ops.walking_said(replace(state, token=3), True)
    assert said.on_said
    assert said.token == 0
    free = ops.sent(ops.looked(state, Prompt("Hm?")), data.request(5, question="Hm?", gold=""))
    assert free.on_said, "there is no gold answer to walk over"
    assert ops.tokens(free) == 0
    assert ops.moved_token(free, 1).token == 0


def test_the_column_cursor_stops_at_the_ends() -> None:
    state = data.state()
    assert ops.moved_column(state, 99).column == 5
    assert ops.moved_column(state, -1).column == 0


def test_another_column_can_be_the_one_compared_with() -> None:
    state = ops.pinned(replace(data.state(), column=3))
    assert state.base == 3
    assert ops.pinned(state).base == 0


def test_attacks_stand_beside_the_plain_prompt() -> None:
    state = ops.in_pane(data.state(), "attacks")
    ids = ("paraphrase-1", "few-shot")
    request = ops.request(state, 2, "few-shot")
    assert request is not None
    state = ops.sent(state, request)
    assert state.asked is not None
    assert state.asked.request.attack == "", "the plain prompt stays in view"
    assert [(id, found is not None) for id, found in ops.attack_rows(state, ids)] == [
        ("", True),
        ("paraphrase-1", False),
        ("few-shot", True),
    ]
    state = ops.moved_attack(state, 2, ids)
    assert state.asked is not None
    assert state.asked.request.attack == "few-shot"
    state = ops.in_pane(state, "tokens")
    assert state.asked is not None
    assert state.asked.request.attack == ""


def test_the_history_brings_back_prompt_and_way() -> None:
    state = ops.set_way(ops.looked(data.state(), Prompt("Hm?")), temperature=0.5, seed=3)
    request = ops.request(state, 9)
    assert request is not None
    state = ops.sent(state, request)
    back = ops.recalled(state, 1)
    assert back.at == 0
    assert (back.temperature, back.shown) == (0.0, 1)
    again = ops.recalled(back, 9)
    assert again.prompt == Prompt("Hm?")
    assert (again.temperature, again.seed) == (0.5, 3)
    assert ops.recalled(again, 77) == again


def test_a_long_history_loses_its_oldest() -> None:
    state = data.state()
    for id in range(2, ops.HISTORY + 5):
        state = ops.sent(state, data.request(id))
    assert len(state.history) == ops.HISTORY
    assert state.history[-1].request.id == ops.HISTORY + 4


def test_own_questions_with_a_right_answer_can_be_kept() -> None:
    state = data.state()
    assert ops.own_questions(state) == [], "the corpus's own are not among them"
    for id, (question, gold) in enumerate((("Mine?", "yes"), ("No answer?", ""), ("Mine?", "no")), 2):
        state = ops.sent(state, data.request(id, question=question, gold=gold))
    assert ops.own_questions(state) == [("Mine?", "no")]


def test_nobody_to_ask_makes_no_request() -> None:
    assert ops.request(InspectState(), 1) is None
    assert ops.tokens(InspectState()) == 0
    assert ops.pinned(InspectState()) == InspectState()
    assert ops.stepped(InspectState(), 1) == InspectState()
