"""Checkpoints of the Hugging Face hub: ids, the local cache, and fetching what is not there yet.

An id may carry a revision: 'org/name@revision' (a branch, a tag or a whole commit hash).
"""

from __future__ import annotations

import errno
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from unlearn_tui.errors import Refused
from unlearn_tui.files import SMALL, read_limited
from unlearn_tui.sources.checks import free_space
from unlearn_tui.sources.folders import TOKENIZER_FILES, weight_files
from unlearn_tui.sources.wording import plain, shown

WANTED = ("config.json", "generation_config.json", "model*.safetensors", "*.safetensors.index.json", *TOKENIZER_FILES)
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,95})"
_ID = re.compile(rf"({_NAME}(?:/{_NAME})?)(?:@([A-Za-z0-9._/-]+))?", re.ASCII)


class HubId(NamedTuple):
    """A repository and a revision of it."""

    repo: str
    revision: str


def parse(ref: str) -> HubId | None:
    """The hub id that `ref` could be, or None; nothing that could lead out of the cache folder passes."""
    match = _ID.fullmatch(ref)
    if match is None or ".." in ref or "--" in match[1]:
        return None
    return HubId(match[1], match[2] or "main")


def cached(hub_id: HubId) -> Path | None:
    """The snapshot in the local cache that holds config and weights whole, or None. Reads no network."""
    found = snapshot(hub_id)
    return found if found is not None and _whole(found) else None


def snapshot(hub_id: HubId, kind: str = "models") -> Path | None:
    """Where the local cache keeps a revision of a repository (kind "models" or "datasets"), there or not.

    Layout: models--ORG--NAME/refs/REVISION holds a commit hash; snapshots/COMMIT holds the files. None for a revision
    that would lead out of it.
    """
    repo = _cache() / f"{kind}--{hub_id.repo.replace('/', '--')}"
    try:
        commit = read_limited(repo / "refs" / hub_id.revision, SMALL).decode().strip()
    except (OSError, UnicodeDecodeError):
        commit = hub_id.revision
    return repo / "snapshots" / commit if re.fullmatch(r"[\w.-]+", commit) else None


def cached_models() -> list[tuple[str, Path]]:
    """Id and snapshot of every model whose main revision is whole in the local cache, by name."""
    found = []
    cache = _cache()
    for repo in sorted(cache.glob("models--*")) if cache.is_dir() else []:
        hub_id = parse(repo.name.removeprefix("models--").replace("--", "/"))
        snapshot = cached(hub_id) if hub_id else None
        if hub_id and snapshot:
            found.append((hub_id.repo, snapshot))
    return found


def is_offline() -> bool:
    """True where HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def reachable(seconds: float = 2.0) -> bool:
    """Whether the hub's address answers in time. Behind a proxy that cannot be told, and the answer is yes."""
    from huggingface_hub import constants

    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=seconds):
            return True
    except OSError:
        return False


def fetch(hub_id: HubId, on_progress: Callable[[int, int], None] | None = None, field: str = "model") -> Path:
    """Download config, tokenizer and safetensors into the Hugging Face cache and return the snapshot.

    `onprogress(done, total)` counts bytes; it is called from the downloading threads. Raises Refused for an unknown,
    private or gated repository, one without safetensors, no network, and a disk without room.
    """
    from huggingface_hub import snapshot_download

    def ask(**options: Any) -> Any:
        # '*/*': repositories keep copies in other formats in folders
        return snapshot_download(
            hub_id.repo, revision=hub_id.revision, allow_patterns=list(WANTED), ignore_patterns=["*/*"], **options
        )

    try:
        listed = ask(dry_run=True, tqdm_class=progress(0, None))
        if not any(file.filename.endswith(".safetensors") for file in listed):
            raise Refused(f"{hub_id.repo} has no safetensors weights on the hub: convert them and give a folder", field)
        missing = sum(file.file_size or 0 for file in listed if file.will_download)
        free_space(_cache(), missing, f"downloading {hub_id.repo}", field)
        return Path(ask(tqdm_class=progress(missing, on_progress)))
    except Refused:
        raise
    # the hub client raises its own errors, those of its HTTP library and plain OSErrors
    except Exception as error:
        raise Refused(why(hub_id, error), field) from error


def progress(total: int, report: Callable[[int, int], None] | None) -> type[Any]:
    """A class that looks like tqdm to the hub client, shows nothing and reports bytes."""

    lock = threading.Lock()
    # the client counts bytes received and bytes written, each in a bar of its own
    most = 0

    class Bar:
        format_dict: dict[str, Any] = {}  # noqa: RUF012

        def __init__(self, *_: Any, **options: Any) -> None:
            self.bytes = options.get("unit") == "B"
            self.total = options.get("total")
            self.n = options.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            nonlocal most
            with lock:
                self.n += int(n or 0)
                if self.bytes and report:
                    most = min(max(most, self.n), total)
                    report(most, total)

        def nothing(self, *_: Any, **__: Any) -> None:
            pass

        refresh = close = set_description = set_description_str = set_postfix_str = nothing

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    return Bar


def why(hub_id: HubId, error: Exception, what: str = "model") -> str:
    """What the hub client's error means for whoever asked."""
    from huggingface_hub import errors

    # a dry run hides the reason behind an error of its own
    cause = error.__cause__ if isinstance(error, errors.DryRunError) and error.__cause__ else error
    if isinstance(cause, errors.GatedRepoError):
        return f"{hub_id.repo} is gated: accept its terms on its page, then log in with `hf auth login`"
    if isinstance(cause, errors.RepositoryNotFoundError):
        return f"the hub has no {what} {hub_id.repo} (or it is private): check the name, or log in with `hf auth login`"
    if isinstance(cause, errors.RevisionNotFoundError):
        return f"{hub_id.repo} has no revision {hub_id.revision}: give a branch, a tag or a whole commit hash"
    if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
        return f"the disk of {shown(_cache())} is full: free some room, then ask again"
    reason = plain(str(cause).partition("\n")[0] or type(cause).__name__)
    return f"{hub_id.repo} could not be downloaded ({reason}): check the network, or give a local folder"


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _whole(snapshot: Path) -> bool:
    try:
        if not (snapshot / "config.json").is_file():
            return False
        files, _ = weight_files(snapshot)
        # weights in another format are whole as well; `check` says that they are of no use
        return all(file.is_file() for file in files) if files else any(snapshot.glob("*.bin"))
    except (OSError, Refused):
        return False
