"""What unlearning reads: chunks as MUSE cuts them, answers as TOFU masks them, order by seed."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from unlearn_tui.engine.prompting import qa_prompt
from unlearn_tui.engine.unlearning.data import Item, chunk_text, collate, passes, qa_items
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import QA


class Letters:
    """A tokenizer of single characters; BOS is 1. `glue` makes it take "space + letter" as one token."""

    bos_token_id = 1
    eos_token_id = None
    eos_token = None

    def __init__(self, glue: bool = False) -> None:
        self.glue = glue

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        ids, i = ([1] if add_special_tokens else []), 0
        while i < len(text):
            step = 2 if self.glue and text[i] == " " and i + 1 < len(text) else 1
            ids.append(hash(text[i : i + step]) % 10_000 + 2 if step == 2 else ord(text[i]))
            i += step
        return ids


def test_chunks_are_full_and_the_last_is_wrapped_round_with_the_beginning():
    items = chunk_text(Letters(), "abcdefgh", 4, "forget")
    assert [bytes(i.ids[1:]).decode() for i in items] == ["abc", "def", "gha"]
    assert all(i.ids[0] == 1 and len(i.ids) == 4 and all(i.counts) for i in items)


def test_a_text_shorter_than_a_chunk_is_one_short_chunk():
    (item,) = chunk_text(Letters(), "ab", 10, "forget")
    assert item.ids == [1, ord("a"), ord("b")]


@pytest.mark.parametrize("glue", [False, True])
def test_only_answer_tokens_count_even_where_the_tokenizer_is_not_prefix_stable(glue):
    tokenizer = Letters(glue)
    (item,) = qa_items(tokenizer, (QA("Who?", "Ann"),), 100, "forget")
    assert item.ids == tokenizer.encode(qa_prompt("Who?") + "Ann")
    assert sum(item.counts) == 3  # A, n, n - or, glued, " A", n, n
    assert item.counts[-3:] == [True] * 3


def test_a_question_longer_than_max_length_is_refused_with_the_flag_to_change():
    with pytest.raises(Refused, match="--max-length"):
        qa_items(Letters(), (QA("Who?" * 50, "Ann"),), 100, "forget")


def test_every_pass_holds_every_item_once_and_a_late_start_joins_the_same_order():
    items = [Item(str(i), [1], [True]) for i in range(7)]
    drawn = [i.id for i in islice(passes(items, 3), 21)]
    assert all(sorted(drawn[k : k + 7]) == sorted(i.id for i in items) for k in (0, 7, 14))
    assert drawn[:7] != drawn[7:14]
    for start in (0, 3, 7, 12):
        assert [i.id for i in islice(passes(items, 3, start), 21 - start)] == drawn[start:]
    assert [i.id for i in islice(passes(items, 4), 21)] != drawn


def test_collate_pads_on_the_right_and_shifts_the_mask_to_predictions():
    batch = collate(
        [Item("a", [1, 5, 6], [False, False, True]), Item("b", [1, 7], [False, True])], 0, torch.device("cpu")
    )
    assert batch.ids.tolist() == [[1, 5, 6], [1, 7, 0]]
    assert batch.attention.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.mask.tolist() == [[False, True], [True, False]]
