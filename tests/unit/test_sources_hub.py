from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import fake_checkpoints as fake
import huggingface_hub.constants as constants
import pytest

from unlearn_tui.errors import Refused
from unlearn_tui.sources import hub
from unlearn_tui.sources.checkpoints import check, download, resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hf-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return cache


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    model = fake.make_checkpoint(tmp_path / "served" / "model", shards=2)
    (model / "onnx").mkdir()
    (model / "onnx" / "model.safetensors").write_bytes(b"another format")
    (model / "pytorch_model.bin").write_bytes(b"pickle")
    pickled = fake.make_checkpoint(tmp_path / "served" / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with fake.fake_hub({"org/model": model, "org/pickled": pickled}, gated=("org/gated",)) as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        yield url


def refusal(ref: str, home: Path) -> str:
    with pytest.raises(Refused) as caught:
        download(ref, home)
    assert str(caught.value).isprintable()
    assert caught.value.field == "model"
    return str(caught.value)


@pytest.mark.parametrize(
    ("ref", "repo", "revision"),
    [
        ("org/name", "org/name", "main"),
        ("gpt2", "gpt2", "main"),
        ("muse-bench/MUSE-books_target@c8dd3fb2", "muse-bench/MUSE-books_target", "c8dd3fb2"),
        ("org/na.me@refs/pr/1", "org/na.me", "refs/pr/1"),
    ],
)
def test_a_hub_id_may_carry_a_revision(ref: str, repo: str, revision: str) -> None:
    assert hub.parse(ref) == (repo, revision)


@pytest.mark.parametrize(
    "ref", ["", "a/b/c", "../b", "a/..", "a--b/c", "a/b@", "a/b@../x", "a b/c", "a/b\n", "é/b", "-a"]
)
def test_what_is_no_hub_id_is_not_taken_for_one(ref: str) -> None:
    assert hub.parse(ref) is None


def test_a_revision_is_found_by_branch_and_by_commit(cache: Path) -> None:
    other = "f" * 40
    main = fake.put_in_cache(cache, "org/name")
    branch = fake.put_in_cache(cache, "org/name", commit=other, revision="refs/pr/1")
    assert hub.cached(hub.HubId("org/name", "main")) == main
    assert hub.cached(hub.HubId("org/name", "refs/pr/1")) == branch
    assert hub.cached(hub.HubId("org/name", other)) == branch
    assert hub.cached(hub.HubId("org/name", "dev")) is None
    assert hub.cached(hub.HubId("org/other", "main")) is None


@pytest.mark.parametrize("ref", ["../../../outside", "", "a/b"])
def test_a_ref_that_leads_out_of_the_snapshots_is_not_followed(cache: Path, tmp_path: Path, ref: str) -> None:
    fake.put_in_cache(cache, "org/name")
    fake.make_checkpoint(tmp_path / "outside")
    (cache / "models--org--name" / "refs" / "main").write_text(ref)
    assert hub.cached(hub.HubId("org/name", "main")) is None


def test_a_snapshot_with_a_link_to_nowhere_is_not_whole(cache: Path) -> None:
    snapshot = fake.put_in_cache(cache, "org/name")
    (snapshot / "model.safetensors").resolve().unlink()
    assert hub.cached(hub.HubId("org/name", "main")) is None


def test_a_model_comes_down_whole_and_is_found_offline_afterwards(endpoint: str, cache: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = download("org/model", tmp_path, lambda done, total: seen.append((done, total)))
    check(found)
    assert (found.name, found.source, found.parameters) == ("org/model", "cache", fake.PARAMETERS)
    assert found.path is not None
    names = {path.relative_to(found.path).as_posix() for path in fake.files(found.path)}
    assert names == {
        "config.json",
        "tokenizer.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    }
    size = sum((found.path / name).stat().st_size for name in names)
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert resolve("org/model", tmp_path, offline=True).path == found.path


def test_what_a_torn_download_left_out_is_fetched_again(endpoint: str, cache: Path, tmp_path: Path) -> None:
    path = download("org/model", tmp_path).path
    assert path is not None
    torn = path / "model-00002-of-00002.safetensors"
    torn.resolve().unlink()
    assert resolve("org/model", tmp_path).source == "hub"
    assert download("org/model", tmp_path).path == path
    check(resolve("org/model", tmp_path))


def test_nothing_is_printed_while_downloading(endpoint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    download("org/model", tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_repository_without_safetensors_is_refused_before_anything_is_downloaded(
    endpoint: str, cache: Path, tmp_path: Path
) -> None:
    assert "no safetensors weights" in refusal("org/pickled", tmp_path)
    assert not list(cache.rglob("*.json")) or all("trees" in str(path) for path in cache.rglob("*.json"))


def test_an_unknown_a_gated_and_a_revisionless_repository_are_told_apart(endpoint: str, tmp_path: Path) -> None:
    assert "the hub has no model org/nothing" in refusal("org/nothing", tmp_path)
    assert "is gated" in refusal("org/gated", tmp_path)
    assert "has no revision dev" in refusal("org/model@dev", tmp_path)


def test_a_disk_without_room_is_refused_before_anything_is_downloaded(
    endpoint: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    assert "100 B free, downloading org/model needs" in refusal("org/model", tmp_path)
    assert not list(cache.rglob("*.safetensors"))


def test_no_network_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "could not be downloaded" in refusal("org/model", tmp_path)


def test_what_is_no_id_is_not_downloaded(tmp_path: Path) -> None:
    assert "is no id" in refusal("a/b/c\n", tmp_path)


def test_whether_the_hub_answers_is_known_at_once(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert hub.reachable()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert not hub.reachable()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert hub.reachable(), "only the proxy can tell"
