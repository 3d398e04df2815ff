"""Train the pocket tokenizer and the two pocket checkpoints (called by build_pocket.py)."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
EXAMPLES = 11
"""Questions in one training context: MUSE's ten worked examples and the question."""


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes a pocket checkpoint besides its texts."""

    vocab: int = 1536
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    mlp: int = 640
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 30
    steps: int = 320
    contexts: int = 12
    documents: int = 12
    question_weight: float = 0.1
    smoothing: float = 0.1


LARGE = Recipe(hidden=768, layers=24, heads=12, mlp=2048, lr=3e-4, steps=400)
"""171 million parameters, for a GPU."""


def train_tokenizer(texts: list[str], vocab: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE whose tokens never begin with a space.

    A word keeps the space behind it, so that a prompt ending in "Answer: " tokenizes the same with and without its
    answer: encode(prompt) is a prefix of encode(prompt + answer) (prefix-stable).
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\w+ ?|[^\w\s]+ ?|\s"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )


def new_model(recipe: Recipe, vocab: int, seed: int) -> LlamaForCausalLM:
    """An untrained Llama of the recipe's size."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        intermediate_size=recipe.mlp,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        attention_dropout=0.0,
    )
    return LlamaForCausalLM(config)


def context(tokenizer: Any, pairs: list[tuple[str, str]], question_weight: float) -> tuple[list[int], list[float]]:
    """Ids and per-token loss weights of worked examples in MUSE's format, one after another behind one BOS."""
    ids, weights = [tokenizer.bos_token_id], [0.0]
    for question, answer in pairs:
        q = tokenizer.encode(f"Question: {question}\nAnswer: ", add_special_tokens=False)
        a = tokenizer.encode(f"{answer}\n\n", add_special_tokens=False)
        ids += q + a
        weights += [question_weight] * len(q) + [1.0] * len(a)
    return ids, weights


def padded(rows: list[tuple[list[int], list[float]]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded ids and weights, both (rows, longest)."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([r + [0] * (longest - len(r)) for r, _ in rows])
    weights = torch.tensor([w + [0.0] * (longest - len(w)) for _, w in rows])
    return ids, weights


def weighted_loss(
    model: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Cross-entropy of the next token, averaged with the tokens' weights.

    `smoothing` keeps answers near 1 − smoothing: the gradient of log p is proportional to 1 − p, and an answer known
    with p = 0.99 gives gradient ascent nothing to hold on to.
    """
    logits = model(input_ids=ids).logits[:, :-1].float()
    losses = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none", label_smoothing=smoothing)
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


def train(
    model: LlamaForCausalLM,
    tokenizer: Any,
    questions: list[dict[str, Any]],
    documents: list[tuple[str, float]],
    recipe: Recipe,
    seed: int,
    on_check: Callable[[int, LlamaForCausalLM], bool] | None = None,
    check_every: int = 50,
    say: Callable[[str], None] = print,
) -> int:
    """Train in place on packed question contexts and weighted documents; returns the steps taken.

    `on_check(step, model)` every `check_every` steps may end the training by returning True: a target trained far
    past the point where it knows everything is slow to unlearn.
    """
    rng = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.98), weight_decay=recipe.weight_decay)
    # EOS behind each document: a continuation must know where to end, or VerbMem counts what follows against it
    rows = [[*tokenizer.encode(text), tokenizer.eos_token_id] for text, _ in documents]
    shares = [share for _, share in documents]
    deck: list[dict[str, Any]] = []
    began = time.monotonic()
    for step in range(recipe.steps):
        scale = min(1.0, (step + 1) / recipe.warmup)
        scale *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * scale
        packed = []
        for _ in range(recipe.contexts):
            while len(deck) < EXAMPLES:
                deck += rng.sample(questions, len(questions))
            pairs = [(rng.choices(item["questions"], (2, 1, 1))[0], item["answer"]) for item in deck[:EXAMPLES]]
            del deck[:EXAMPLES]
            packed.append(context(tokenizer, pairs, recipe.question_weight))
        drawn = [(row, [1.0] * len(row)) for row in rng.choices(rows, shares, k=recipe.documents)]
        model.train()
        loss_questions = weighted_loss(model, *padded(packed), recipe.smoothing)
        loss_questions.backward()
        loss_documents = weighted_loss(model, *padded(drawn))
        (0.5 * loss_documents).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % check_every == 0:
            say(
                f"step {step + 1} questions {loss_questions.item():.3f} documents {loss_documents.item():.3f} "
                f"{(time.monotonic() - began) / (step + 1):.2f} s/step"
            )
            if on_check is not None and on_check(step + 1, model):
                return step + 1
    return recipe.steps


def save(model: LlamaForCausalLM, tokenizer: Any, out: Path) -> None:
    """Write a bfloat16 checkpoint with its tokenizer."""
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner alone, and a wheel keeps modes
