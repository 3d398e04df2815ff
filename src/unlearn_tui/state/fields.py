"""The fields of the setup form, in order: what each is called, what may be put in, and what it means in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unlearn_tui import catalog

Kind = Literal["choice", "open", "number", "text", "toggles"]
BOTH = ("unlearn", "check")
ALL = (*BOTH, "memorise")
TRAIN = ("unlearn", "memorise")


@dataclass(frozen=True)
class Field:
    """One RunSpec field in the form. A value is text; that of toggles is a comma list.

    `kind`: "open" is a choice that also takes other text. `share` fields go on one row. `more`: folded away at first.
    """

    name: str
    label: str
    group: str
    kind: Kind
    help: str
    options: tuple[str, ...] = ()
    share: int = 1
    tasks: tuple[str, ...] = ("unlearn",)
    more: bool = False


_NEW, _HOW, _THEN, _WATCH, _MORE = "new run", "unlearn", "then quantize, and score", "watch it happen", "more"
_ON_OFF = ("on", "off")

FIELDS: tuple[Field, ...] = (
    Field(
        *("task", "task", _NEW, "choice"),
        "unlearn: take a model and make it forget, then quantize it. "
        "check: a model that somebody else unlearned is quantized and scored beside the model it came from. "
        "memorise: a model is taught all that a corpus holds, so that there is something to unlearn.",
        ALL,
        tasks=ALL,
    ),
    Field(
        *("model", "model", _NEW, "open"),
        "The target: the model that still knows what is to be forgotten. A shipped name, a folder in Hugging Face "
        "format, an id on the Hugging Face hub (org/name), or an earlier run.",
        (*catalog.CHECKPOINTS, *catalog.PACKAGED),
        tasks=ALL,
    ),
    Field(
        *("unlearned", "unlearned", _NEW, "open"),
        "The model that somebody has unlearned, made from the target above: has it truly forgotten?",
        tuple(catalog.CHECKPOINTS),
        tasks=("check",),
    ),
    Field(
        *("corpus", "corpus", _NEW, "open"),
        "What to forget and what to keep, with the questions that tell: pocket, facts (for smollm2), MUSE and TOFU by "
        "name, or your own: JSON Lines of question and answer, a folder of them, or MUSE's or TOFU's layout.",
        (*catalog.CORPORA, *catalog.HUB_CORPORA),
        tasks=ALL,
    ),
    Field(
        *("method", "method", _HOW, "choice"),
        "The loss that makes the model forget; ga and npo alone also destroy the rest, gdr and klr hold on to it.",
        tuple(catalog.METHODS),
    ),
    Field(
        *("weights", "updates", _HOW, "choice"),
        "How an update reaches the stored weights. bf16 has so few digits that small updates of large weights are "
        "lost; what is left of the edit is small, and 4-bit rounding undoes it.",
        tuple(catalog.UPDATE_MODES),
        tasks=TRAIN,
    ),
    Field(*("lr", "lr", _HOW, "number"), "Learning rate: the size of AdamW's steps, constant.", share=3, tasks=TRAIN),
    Field(*("steps", "steps", _HOW, "number"), "Optimizer steps; or say epochs instead.", share=3, tasks=TRAIN),
    Field(*("epochs", "epochs", _HOW, "number"), "Passes over the forget set, instead of steps.", share=3, tasks=TRAIN),
    Field(
        *("batch", "batch", _HOW, "number"),
        "Forget items in a micro batch; as many retain items go with them.",
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("max_length", "length", _HOW, "number"),
        "Tokens in a sequence; raw text is cut into such pieces.",
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("alpha", "alpha", _HOW, "number"),
        "Weight of the retain term against the forget term; ga and npo alone have none.",
        share=3,
    ),
    Field(
        *("beta", "beta", _HOW, "number"),
        "Temperature of NPO and DPO: how soon they let go of what is forgotten; simnpo's own default is 4.5.",
        share=3,
    ),
    Field(
        *("forget_text", "text", _HOW, "choice"),
        "What unlearning reads: raw documents as in the paper, or qa, questions with their answers.",
        ("raw", "qa"),
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("seed", "seed", _HOW, "number"),
        "Seed of everything random; the same seed gives the same run.",
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("precision", "quantize", _THEN, "toggles"),
        "The target and the unlearned model are scored at each of these; one must be a full precision (16 or 32 bits), "
        "what comes back is measured against the first of them. … types the list: bnb-fp4:block=128+double names options, "
        "as precisions (the command) lists them.",
        tuple(catalog.PRECISIONS),
        tasks=ALL,
    ),
    Field(
        *("metric", "score", _THEN, "toggles"),
        "What is asked at each precision: of what should be forgotten, and of what should be kept.",
        tuple(catalog.METRICS),
        tasks=ALL,
    ),
    Field(
        *("canary", "canary", _WATCH, "text"),
        "A question that is asked again and again while it unlearns, so that its answer can be seen to dissolve: the "
        "number of a forget question, counted from 0, or a question of your own.",
        tasks=TRAIN,
    ),
    Field(
        *("canary_every", "every", _WATCH, "number"),
        "Steps between canary questions; 0 for never.",
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("probe_every", "probe", _WATCH, "number"),
        "Steps between KnowMem probes, 16 forget and 16 retain questions; 0 for never.",
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("save_every", "save", _WATCH, "number"),
        "Steps between saves to resume from; 0 for none.",
        share=3,
        tasks=TRAIN,
    ),
    Field(
        *("stop_rule", "stop rule", _MORE, "choice"),
        "After each epoch KnowMem forget is scored: score says it, muse also ends training at the first epoch that knows "
        "no more than the retrained model. With keep saves on, every epoch's weights stay.",
        ("", *catalog.STOP_RULES),
        share=2,
        more=True,
    ),
    Field(
        *("stop_at", "stop at", _MORE, "number"),
        "The score at which muse stops, instead of the retrained model's.",
        share=2,
        more=True,
    ),
    Field(
        *("sure", "SURE", _MORE, "choice"),
        "The paper's remedy: only parts whose forget gradient is large may move. It uses a larger learning rate with it "
        "(1e-4 for 7B models, ours is 7e-6) and a larger alpha.",
        ("", *catalog.SURE),
        share=3,
        more=True,
    ),
    Field(
        *("sure_unit", "of", _MORE, "choice"),
        "What SURE selects: rows of matrices, or whole tensors.",
        tuple(catalog.SURE_UNITS),
        share=3,
        more=True,
    ),
    Field(
        *("sure_percentile", "above", _MORE, "number"),
        "Percentile of saliency from which on a unit may move: 90 leaves a tenth of them.",
        share=3,
        more=True,
    ),
    Field(
        *("lora_rank", "LoRA rank", _MORE, "number"),
        "Train a LoRA adapter of this rank on every linear layer, in float32, and merge it at the end; 0 trains the weights "
        "themselves. Adapters want a larger learning rate: 1e-4 is usual.",
        share=2,
        tasks=TRAIN,
        more=True,
    ),
    Field(
        *("lora_alpha", "LoRA scale", _MORE, "number"),
        "LoRA's alpha: its product counts alpha / rank times.",
        share=2,
        tasks=TRAIN,
        more=True,
    ),
    Field(
        *("resist", "resist", _MORE, "choice"),
        "Rounding-aware: after training in pure bf16, edits inside this quantizer's zero bin are carried across its edge, "
        "seldom and at random, so that on average the quantized weights hold the edit.",
        ("", *(p.id for p in catalog.PRECISIONS.values() if p.implementation in catalog.RESISTIBLE)),
        more=True,
    ),
    Field(*("name", "name", _MORE, "text"), "How the run's id begins.", tasks=ALL, more=True),
    Field(
        *("retrain", "retrain", _MORE, "open"),
        "A model that never saw what is to be forgotten, if you have one: the best that forgetting could reach.",
        tuple(catalog.CHECKPOINTS),
        tasks=BOTH,
        more=True,
    ),
    Field(
        *("template", "template", _MORE, "choice"),
        "How questions are put, in training and scoring: muse is KnowMem's format, chat the tokenizer's chat template; "
        "auto takes chat where there is one.",
        catalog.TEMPLATES,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("ablate", "ablate", _MORE, "toggles"),
        "Also score the model with only that part of the edit that lies inside, then outside, these quantizers' zero "
        "bins: shows which half of the edit does the forgetting.",
        tuple(p for p, record in catalog.PRECISIONS.items() if record.has_bins),
        tasks=BOTH,
        more=True,
    ),
    Field(
        *("device", "device", _MORE, "open"),
        "Where to compute: auto takes a GPU if there is one.",
        ("auto", "cpu", "cuda"),
        share=3,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("threads", "cpus", _MORE, "number"),
        "CPU threads; 0 for all usable cores.",
        share=3,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("memory_limit", "max GB", _MORE, "number"),
        "The most memory that the engine may hold, and of a GPU's; what asks for more fails in words and the machine stays "
        "usable. 0 for no limit.",
        share=3,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("min_k", "min-k %", _MORE, "choice"),
        "What share of a text's least likely tokens the AUC of membership (PrivLeak) looks at; MUSE takes 40.",
        tuple(map(str, catalog.MIN_K)),
        share=2,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("eval_batch", "eval batch", _MORE, "number"),
        "Prompts that are answered in one batch.",
        share=2,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("cache", "reuse", _MORE, "choice"),
        "Take the target's scores from an earlier run where everything agrees.",
        _ON_OFF,
        share=2,
        tasks=BOTH,
        more=True,
    ),
    Field(*("offline", "offline", _MORE, "choice"), "Never ask the network.", _ON_OFF, share=2, tasks=ALL, more=True),
    Field(
        *("pickle_weights", "pickles", _MORE, "choice"),
        "Read weights that PyTorch pickled too: as data alone (weights_only), running none of their code.",
        _ON_OFF,
        share=2,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("trust_remote_code", "its code", _MORE, "choice"),
        "Run the Python files that the checkpoint brings along, with all that you may do on this machine: read them first. "
        "Said anew for every run.",
        _ON_OFF,
        share=2,
        tasks=ALL,
        more=True,
    ),
    Field(
        *("keep_checkpoint", "keep saves", _MORE, "choice"),
        "Keep every training save, not just the last.",
        _ON_OFF,
        share=2,
        more=True,
        tasks=TRAIN,
    ),
    Field(
        *("grad_accum", "accumulate", _MORE, "number"),
        "Micro batches in one optimizer step.",
        share=2,
        more=True,
        tasks=TRAIN,
    ),
    Field(
        *("clip", "clip", _MORE, "number"), "Largest gradient norm; 0 for no clipping.", share=2, more=True, tasks=TRAIN
    ),
    Field(*("weight_decay", "decay", _MORE, "number"), "AdamW's weight decay.", share=2, more=True, tasks=TRAIN),
    Field(
        *("optimizer_state", "moments", _MORE, "choice"),
        "How Adam's two moments are kept: bf16 takes half the memory, 8bit a quarter, paged none of a GPU's.",
        tuple(catalog.MOMENTS),
        share=2,
        more=True,
        tasks=TRAIN,
    ),
    Field(
        *("checkpointing", "recompute", _MORE, "choice"),
        "Gradient checkpointing: layers are computed again in the backward pass. Much less memory, a third more time.",
        _ON_OFF,
        share=2,
        more=True,
        tasks=TRAIN,
    ),
    Field(
        *("gamma", "gamma", _MORE, "number"),
        "Weight of the forget term; simnpo's own default is 0.125.",
        share=2,
        more=True,
    ),
    Field(
        *("delta", "delta", _MORE, "number"),
        "SimNPO's margin in nats a token: a sequence counts as forgotten once its mean log-probability is below -delta.",
        share=2,
        more=True,
    ),
    Field(
        *("task_alpha", "task alpha", _MORE, "number"),
        "How far task_vector goes the other way from the target, in lengths of what fine-tuning moved; how much whp "
        "holds back.",
        share=2,
        more=True,
    ),
    Field(
        *("rmu_layer", "RMU at", _MORE, "number"),
        "The layer whose hidden states RMU turns, from 0; empty: 7 of 32, as far up in other models.",
        share=3,
        more=True,
    ),
    Field(
        *("rmu_coefficient", "coeff", _MORE, "number"),
        "Length of the vector that RMU turns hidden states to.",
        share=3,
        more=True,
    ),
    Field(
        *("rmu_weights", "trains", _MORE, "choice"),
        "What RMU trains: down-projections of its layer and the two below, or all weights.",
        tuple(catalog.RMU_WEIGHTS),
        share=3,
        more=True,
    ),
    Field(
        *("npo_length", "NPO length", _MORE, "choice"),
        "NPO's log-probability: the sum over the sequence, or its mean, which is not standard.",
        ("sum", "mean"),
        share=2,
        more=True,
    ),
)
BY_NAME = {field.name: field for field in FIELDS}
FOLD = "more"
"""The name of the row that unfolds the rest."""


def fields_of(task: str, more: bool) -> tuple[Field, ...]:
    """The fields that a form of this task shows."""
    return tuple(f for f in FIELDS if task in f.tasks and (more or not f.more))


def rows_of(task: str, more: bool) -> tuple[tuple[str, ...], ...]:
    """Names of the fields, row by row; the fold comes before what it folds."""
    rows: list[tuple[str, ...]] = []
    before: Field | None = None
    for field in fields_of(task, more):
        together = before is not None and before.group == field.group and before.share == field.share > len(rows[-1])
        if together:
            rows[-1] += (field.name,)
        else:
            rows.append((field.name,))
        before = field
    fold = next((i for i, row in enumerate(rows) if BY_NAME[row[0]].more), len(rows))
    return (*rows[:fold], (FOLD,), *rows[fold:])


def label(name: str, task: str) -> str:
    """What the form calls a field."""
    return "target" if (name, task) == ("model", "check") else BY_NAME[name].label


def option_label(name: str, option: str) -> str:
    """An option of a toggle list as people call it."""
    if name in ("precision", "ablate"):
        return catalog.precision(option).label
    if name == "metric":
        return catalog.METRICS[option].label
    return option


def about(name: str, option: str) -> str:
    """What the catalog says of one option; "" where it says nothing."""
    match name:
        case "sure":
            return catalog.SURE.get(option, "everything may move")
        case "sure_unit":
            return catalog.SURE_UNITS.get(option, "")
        case "stop_rule":
            return catalog.STOP_RULES.get(option, "epochs are not scored")
        case "optimizer_state":
            return _said(catalog.MOMENTS, option)
        case "rmu_weights":
            return catalog.RMU_WEIGHTS.get(option, "")
        case "method":
            return _said(catalog.METHODS, option)
        case "weights":
            return _said(catalog.UPDATE_MODES, option)
        case "precision" | "ablate" | "resist":
            found = catalog.find_precision(option)
            return found.summary if found else ""
        case "metric":
            return _said(catalog.METRICS, option)
        case "corpus":
            hub = catalog.HUB_CORPORA.get(option)
            return hub.summary if hub else catalog.CORPORA.get(option, "")
        case "model" | "unlearned" | "retrain":
            return catalog.CHECKPOINTS.get(option) or catalog.PACKAGED.get(option, ("", ""))[1]
    return ""


def _said(table: Mapping[str, Any], option: str) -> str:
    record = table.get(option)
    return str(record.summary) if record else ""
