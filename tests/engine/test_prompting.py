"""Questions in KnowMem's format and in a chat template: what is asked, what is trained on, and that the two agree."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.prompting import prompt_ids, prompt_text, template_of
from unlearn_tui.engine.unlearning.data import qa_items
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import QA

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
EXAMPLES = tuple(QA(f"Q{i}?", f"A{i}") for i in range(12))


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, and a BOS that it puts in front by itself."""
    vocab = {character: i for i, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    fast = Tokenizer(models.BPE(vocab, []))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens(["<s>", "<end>", "<|user|>", "<|assistant|>"])
    return PreTrainedTokenizerFast(tokenizer_object=fast, bos_token="<s>", eos_token="<end>")


def test_auto_is_chat_where_the_tokenizer_has_a_template(tokenizer):
    assert template_of(tokenizer) == "muse"
    tokenizer.chat_template = CHAT
    assert [template_of(tokenizer, t) for t in ("auto", "muse", "chat")] == ["chat", "muse", "chat"]


def test_a_chat_without_a_template_is_refused(tokenizer):
    with pytest.raises(Refused, match="no chat template"):
        template_of(tokenizer, "chat")


def test_worked_examples_are_earlier_turns_and_no_more_than_ten(tokenizer):
    tokenizer.chat_template = CHAT
    (question,) = knowmem.questions(tokenizer, (QA("Who?", "Ann"),), EXAMPLES, "chat")
    turns = "".join(f"<|user|>Q{i}?<end><|assistant|>A{i}<end>" for i in range(10))
    assert tokenizer.decode(question.ids) == f"{turns}<|user|>Who?<end><|assistant|>"
    assert (question.shown, question.gold) == ("Who?", "Ann")


def test_what_is_trained_on_begins_with_what_is_asked_without_examples(tokenizer):
    tokenizer.chat_template = CHAT
    (item,) = qa_items(tokenizer, (QA("Who?", "Ann"),), 100, "forget", "chat")
    (question,) = knowmem.questions(tokenizer, (QA("Who?", "Ann"),), (), "chat")
    assert item.ids[: len(question.ids)] == question.ids
    assert tokenizer.decode([i for i, counts in zip(item.ids, item.counts, strict=True) if counts]) == "Ann"


def test_what_is_memorised_ends_where_an_answer_ends(tokenizer):
    tokenizer.chat_template = CHAT
    (item,) = qa_items(tokenizer, (QA("Who?", "Ann"),), 100, "all", "chat", "<end>")
    assert item.ids[-1] == tokenizer.eos_token_id
    assert item.counts[-1]
    assert sum(item.counts) == 4


def test_a_template_that_fails_is_refused_in_one_line(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('only\nsystem turns') }}"
    with pytest.raises(Refused, match="--template muse") as refused:
        prompt_text(tokenizer, "chat", "Who?")
    assert "\n" not in str(refused.value)


def test_the_other_template_is_untouched(tokenizer):
    text = prompt_text(tokenizer, "muse", "Who?", EXAMPLES[:1])
    assert text == "Question: Q0?\nAnswer: A0\n\nQuestion: Who?\nAnswer: "
    assert prompt_ids(tokenizer, "muse", text) == tokenizer.encode(text)
