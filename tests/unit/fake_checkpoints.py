"""Small checkpoints and a small hub, written by hand, for the tests of unlearn_tui.sources."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from unlearn_tui.errors import Refused
from unlearn_tui.sources.checkpoints import CheckpointInfo, resolve

WIDTH = {"BF16": 2, "F16": 2, "F32": 4, "I64": 8, "U8": 1}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "vocab_size": 16,
    "tie_word_embeddings": True,
}
TENSORS = {
    "model.embed_tokens.weight": ("BF16", (16, 8)),
    "model.layers.0.mlp.down_proj.weight": ("BF16", (8, 12)),
    "model.layers.1.mlp.down_proj.weight": ("BF16", (8, 12)),
    "model.norm.weight": ("F32", (8,)),
}
PARAMETERS = 16 * 8 + 8 * 12 + 8 * 12 + 8
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def safetensors(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """8 bytes of header length, the header as JSON, the data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        end = at + WIDTH[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    return with_header(json.dumps(header).encode(), bytes(i % 251 for i in range(at)))


def with_header(header: bytes, data: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def tokenizer(tokens: int = 16, added: tuple[int, ...] = (0, 1)) -> dict[str, Any]:
    return {
        "model": {"type": "BPE", "vocab": {f"t{i}": i for i in range(tokens)}, "merges": []},
        "added_tokens": [{"id": i, "content": f"<{i}>"} for i in added],
    }


def make_checkpoint(folder: Path, shards: int = 1, tensors: dict[str, Any] | None = None, **config: Any) -> Path:
    """A whole checkpoint; `config` overrides config.json, a None takes an entry out."""
    folder.mkdir(parents=True)
    table = {k: v for k, v in {**CONFIG, **config}.items() if v is not None}
    (folder / "config.json").write_text(json.dumps(table))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    if tensors is None:
        size = tuple(table.get(name) or CONFIG[name] for name in ("vocab_size", "hidden_size"))
        tensors = {**TENSORS, "model.embed_tokens.weight": ("BF16", size)}
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors(tensors))
        return folder
    names = list(tensors)
    index = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        mine = {name: tensors[name] for name in names[shard::shards]}
        (folder / file).write_bytes(safetensors(mine))
        index.update(dict.fromkeys(mine, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def put_in_cache(cache: Path, repo: str, commit: str = COMMIT, revision: str = "main") -> Path:
    """A snapshot as huggingface_hub lays it out: links in snapshots/ to files in blobs/."""
    root = cache / f"models--{repo.replace('/', '--')}"
    snapshot = make_checkpoint(root / "snapshots" / commit)
    blobs = root / "blobs"
    blobs.mkdir(exist_ok=True)
    for file in snapshot.iterdir():
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        file.rename(blob)
        file.symlink_to(blob)
    ref = root / "refs" / revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(commit)
    return snapshot


def info(folder: Path) -> CheckpointInfo:
    return resolve(str(folder), folder.parent / "home")


def refusal(call: Callable[[], object]) -> str:
    """The message with which `call` refuses."""
    with pytest.raises(Refused) as caught:
        call()
    message = str(caught.value)
    assert message.isprintable(), "one line, nothing a terminal would obey"
    return message


@contextmanager
def fake_hub(repos: dict[str, Path], gated: tuple[str, ...] = ()) -> Iterator[str]:
    """Serves folders as the hub's HTTP API does; yields the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # data sets have the same tree one folder down
            path = unquote(urlsplit(self.path).path).replace("/api/datasets/", "/api/models/")
            path = "/" + path.removeprefix("/datasets/") if path.startswith("/datasets/") else path
            for repo in gated:
                if path.startswith((f"/api/models/{repo}/", f"/{repo}/")):
                    return self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
            for repo, folder in repos.items():
                if path.startswith(f"/api/models/{repo}/revision/") or path == f"/api/models/{repo}":
                    if not path.endswith(("/main", COMMIT, repo)):
                        return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                    return self.answer(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": []}).encode())
                if path.startswith(f"/api/models/{repo}/tree/"):
                    return self.answer(200, json.dumps([entry(folder, f) for f in files(folder)]).encode())
                prefix = f"/{repo}/resolve/{COMMIT}/"
                if path.startswith(prefix):
                    file = folder / path.removeprefix(prefix)
                    return self.answer(200, file.read_bytes(), {"ETag": f'"{oid(file)}"', "X-Repo-Commit": COMMIT})
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def do_HEAD(self) -> None:
            self.do_GET()

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


def entry(folder: Path, file: Path) -> dict[str, Any]:
    name = file.relative_to(folder).as_posix()
    return {"type": "file", "path": name, "size": file.stat().st_size, "oid": oid(file)}
