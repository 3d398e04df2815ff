"""RunSpec: everything that decides a run's outcome, complete and flat, one field per command-line flag."""

from __future__ import annotations

import msgspec

from unlearn_tui.protocol import SCHEMA


class RunSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """What a run was asked to do. Defaults are those of the effect preset (catalog.PRESETS).

    Units: `lr` is AdamW's step size; `steps` are optimizer steps and win over `epochs` (passes over the forget
    items) when both are given by mistake nowhere: validation refuses both. `batch` counts forget items per micro
    batch (as many retain items go with them); one step accumulates `grad_accum` micro batches. `max_length` and
    `save_every`, `probe_every`, `canary_every` count tokens and steps. 0 in an `..._every` field means never.
    """

    schema: int = SCHEMA
    task: str = "unlearn"
    """"unlearn" runs every stage; "check" scores somebody else's unlearned model (`unlearned`) instead; "memorise" makes
    a target: `model` is trained on all of the corpus, then scored."""
    name: str = ""
    preset: str = ""
    model: str = "pocket-target"
    unlearned: str = ""
    retrain: str = ""
    corpus: str = "pocket"
    method: str = "ga_klr"
    forget_text: str = "qa"
    lr: float = 7e-6
    steps: int | None = 250
    epochs: float | None = None
    batch: int = 10
    grad_accum: int = 1
    gamma: float = 1.0
    """Weight of the forget term."""
    alpha: float = 1.0
    """Weight of the retain term."""
    beta: float = 0.1
    """Temperature of NPO, SimNPO and DPO; SimNPO's own default is another (catalog.Method.values)."""
    delta: float = 0.0
    """SimNPO's margin, nats a token: a sequence counts as forgotten below a mean log-probability of -delta."""
    task_alpha: float = 1.0
    """How far task_vector goes the other way, in lengths of the vector; how much whp holds back."""
    rmu_layer: int | None = None
    """The layer whose hidden states RMU turns, from 0; unset: seven thirty-seconds of the way up, written out as soon as
    the model is here."""
    rmu_coefficient: float = 2.0
    """Length of the vector that RMU turns them to."""
    rmu_weights: str = "mlp"
    """What RMU trains: "mlp", down-projections up to the layer, or "all"."""
    npo_length: str = "sum"
    """NPO's log-probability: "sum" over the sequence (standard) or "mean" (non-standard)."""
    template: str = "auto"
    """How questions are put, in training and scoring: "muse" (KnowMem's format), "chat" (the tokenizer's chat template),
    "auto" (chat where there is one)."""
    max_length: int = 2048
    clip: float = 0.0
    weight_decay: float = 0.0
    weights: str = "bf16"
    stop_rule: str = ""
    """After each epoch, KnowMem forget is scored: "score" says it, "muse" also ends training at the first epoch whose
    score is at or below that of `retrain`, or `stop_at`; "": not scored. With `keep_checkpoint` each one's weights stay."""
    stop_at: float | None = None
    """The score, 0-100, at which "muse" stops, instead of the retrained model's."""
    sure: str = ""
    """SURE: "once" or "each" lets only the units move whose forget gradient is large, chosen once at the target's weights
    or at every step; "" lets all move."""
    sure_unit: str = "row"
    """SURE's units: "row" of matrices, or whole tensors, "module"."""
    sure_percentile: float = 90.0
    lora_rank: int = 0
    """LoRA: a float32 adapter of this rank trains on every linear layer of the frozen model and is merged at the end,
    rounded once as `weights` says; 0 trains the weights themselves."""
    lora_alpha: float = 32.0
    """LoRA's product counts alpha / rank times."""
    resist: str = ""
    """A quantizer whose zero bin is not to swallow the edit: after training in pure bf16, edits inside it are carried across
    its edge, seldom and unbiased (engine/unlearning/resist.py); "" leaves them."""
    optimizer_state: str = "fp32"
    """How Adam's moments are kept: one of catalog.MOMENTS."""
    checkpointing: bool = False
    """Gradient checkpointing: layers are computed again in the backward pass."""
    precision: list[str] = msgspec.field(default_factory=lambda: ["fp16", "bnb-int8", "bnb-fp4"])
    metric: list[str] = msgspec.field(default_factory=lambda: ["knowmem_forget", "knowmem_retain", "verbmem_forget"])
    min_k: int = 40
    """PrivLeak looks at this percentage of a text's least likely tokens (catalog.MIN_K; MUSE: 40)."""
    ablate: list[str] = msgspec.field(default_factory=list)
    """Precisions whose zero bin splits the edit into an inside and an outside part, each scored alone."""
    canary: str = "0"
    """An index into the forget questions, or a question of one's own."""
    canary_every: int = 25
    probe_every: int = 50
    save_every: int = 100
    eval_batch: int = 64
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    """CPU threads of the engine; 0 is written out as the number of usable cores when the run is created."""
    memory_limit: float = 0.0
    """The most that the engine may hold of main memory, and of a GPU's, in GB (10^9 bytes); 0 for no limit."""
    pickle_weights: bool = False
    """Weights that PyTorch pickled may be read, with weights_only=True, which runs none of the code that they may hold."""
    trust_remote_code: bool = False
    """The Python files of the checkpoint are run. Never taken from a file alone: the command line must say it too."""
    offline: bool = False
    cache: bool = True
    keep_checkpoint: bool = False


def to_toml(spec: RunSpec, versions: dict[str, str] | None = None) -> str:
    """The spec as TOML with every value written out; unset `steps`/`epochs` are left out (TOML has no null)."""
    import tomli_w

    table = {k: v for k, v in msgspec.to_builtins(spec).items() if v is not None}
    if versions:
        table["versions"] = versions
    return tomli_w.dumps(table)


def from_table(table: dict[str, object]) -> RunSpec:
    """RunSpec from a parsed TOML or JSON table; a `versions` table is allowed and ignored.

    Raises msgspec.ValidationError with the field's path for a wrong type or an unknown field.
    """
    table = {k: v for k, v in table.items() if k != "versions"}
    # a spec that names epochs means "no fixed number of steps"
    if "epochs" in table and "steps" not in table:
        table["steps"] = None
    return msgspec.convert(table, RunSpec)
