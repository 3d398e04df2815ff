"""Corpora of the Hugging Face hub: looked up in the local cache, fetched file by named file."""

from __future__ import annotations

from pathlib import Path

from unlearn_tui.catalog import HubCorpus
from unlearn_tui.errors import Refused
from unlearn_tui.sources import hub
from unlearn_tui.sources.reading import PARQUET, reads_parquet


def cached(record: HubCorpus) -> Path | None:
    """The snapshot in the local cache that has every file of the corpus, or None. Reads no network."""
    snapshot = hub.snapshot(hub.HubId(record.repo, "main"), "datasets")
    try:
        there = snapshot is not None and all((snapshot / name).is_file() for name in record.files)
    except OSError:
        there = False
    return snapshot if there else None


def needs_extra(record: HubCorpus) -> bool:
    """Whether a corpus is in a format that this installation cannot read."""
    return any(name.endswith(".parquet") for name in record.files) and not reads_parquet()


def fetch(record: HubCorpus, offline: bool = False, field: str = "corpus") -> Path:
    """Download the files of a corpus and nothing else into the Hugging Face cache; returns the snapshot. Raises Refused."""
    from huggingface_hub import snapshot_download

    if needs_extra(record):
        raise Refused(f"corpus {record.id} is Parquet, which needs pyarrow: {PARQUET}", field)
    if offline or hub.is_offline():
        raise Refused(
            f"corpus {record.id} is not on this machine and the network is forbidden: run "
            f"`unlearn-tui corpora fetch {record.id}` without --offline and HF_HUB_OFFLINE",
            field,
        )
    wanted = [*record.files, *record.more]
    try:
        snapshot_download(record.repo, repo_type="dataset", allow_patterns=wanted, tqdm_class=hub.progress(0, None))
    # the hub client raises its own errors, those of its HTTP library and plain OSErrors
    except Exception as error:
        raise Refused(hub.why(hub.HubId(record.repo, "main"), error, "data set"), field) from error
    found = cached(record)
    if found is None:
        raise Refused(f"{record.repo} has no longer the files of {record.id}: give a local copy", field)
    return found
