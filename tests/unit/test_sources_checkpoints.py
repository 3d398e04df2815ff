from __future__ import annotations

import os
import shutil
from pathlib import Path

import fake_checkpoints as fake
import huggingface_hub.constants
import pytest
from fake_checkpoints import refusal

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources.checkpoints import check, list_local, resolve, same_shape, shapes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "runs").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hf-cache"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return cache


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return fake.make_checkpoint(tmp_path / "model")


def make_run(home: Path, name: str, unlearned: bool = True) -> Path:
    run = home / "runs" / name
    run.mkdir(parents=True)
    (run / "spec.toml").write_text("schema = 1\n")
    if unlearned:
        fake.make_checkpoint(run / "checkpoints" / "unlearned")
    return run


def test_every_shipped_name_of_the_catalog_resolves_and_passes(home: Path) -> None:
    for name in catalog.CHECKPOINTS:
        try:
            found = resolve(name, home)
        except Refused:
            pytest.skip("the pocket checkpoints are not built")
        assert (found.name, found.source) == (name, "shipped")
        check(found)


def test_a_home_relative_path_and_a_link_name_the_folder_they_lead_to(
    model: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(model.parent))
    (model.parent / "link").symlink_to(model)
    assert resolve("~/model", home).path == model
    assert resolve(str(model.parent / "link"), home).path == model


@pytest.mark.parametrize("ref", ["/no/such", "./no", "../no", "~/no", "no/", "a/b/c", "~nobody-here/x"])
def test_a_path_that_leads_nowhere_is_refused_as_a_path(home: Path, ref: str) -> None:
    assert "there is no folder" in refusal(lambda: resolve(ref, home))


def test_a_file_is_refused_where_a_folder_is_needed(model: Path, home: Path) -> None:
    assert "is a file" in refusal(lambda: resolve(str(model / "model.safetensors"), home))


def test_a_misspelt_shipped_name_offers_the_right_one(home: Path) -> None:
    assert "did you mean pocket-target" in refusal(lambda: resolve("pocket-targt", home))


@pytest.mark.parametrize("ref", ["", "  ", "zzzz", "a\nb", "\x00", "x" * 5000, "../" * 2000, "--", "a--b", "..", "é"])
def test_no_name_however_odd_does_more_than_be_refused(home: Path, ref: str) -> None:
    if ref == "..":
        assert "no config.json" in refusal(lambda: check(resolve(ref, home)))
    else:
        assert len(refusal(lambda: resolve(ref, home))) < 1000


def test_a_run_stands_for_its_unlearned_checkpoint(home: Path) -> None:
    older, newer = make_run(home, "npo-1"), make_run(home, "ga-2")
    os.utime(older / "spec.toml", (1, 1))
    for ref, run in (("npo-1", older), ("np", older), ("last", newer), (str(newer), newer)):
        found = resolve(ref, home)
        assert (found.name, found.source, found.path) == (run.name, "run", run / "checkpoints" / "unlearned")
        check(found)


def test_a_run_that_has_not_unlearned_yet_is_refused(home: Path) -> None:
    make_run(home, "young", unlearned=False)
    assert "run 'young' has no unlearned checkpoint" in refusal(lambda: resolve("young", home))


def test_an_ambiguous_run_names_both(home: Path) -> None:
    make_run(home, "twin-a")
    make_run(home, "twin-b")
    message = refusal(lambda: resolve("twin", home))
    assert "twin-a" in message
    assert "twin-b" in message


def test_a_hub_id_in_the_cache_is_found_there(home: Path, cache: Path) -> None:
    snapshot = fake.put_in_cache(cache, "org/name")
    found = resolve("org/name", home, offline=True)
    assert (found.name, found.source, found.path) == ("org/name", "cache", snapshot)
    assert found.fingerprint
    check(found)


def test_a_name_without_an_owner_in_the_cache_yields_to_a_run(home: Path, cache: Path) -> None:
    fake.put_in_cache(cache, "gpt2")
    assert resolve("gpt2", home).source == "cache"
    make_run(home, "gpt2")
    assert resolve("gpt2", home).source == "run"


def test_a_hub_id_that_is_not_here_waits_for_its_download(home: Path) -> None:
    found = resolve("org/name", home)
    assert (found.source, found.path, found.parameters) == ("hub", None, 0)
    assert (found.fingerprint, found.tokenizer_fingerprint, shapes(found)) == ("", "", {})
    check(found)
    same_shape(found, found)


def test_a_hub_id_that_is_not_here_is_refused_offline(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the network is off" in refusal(lambda: resolve("org/name", home, offline=True))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "the network is off" in refusal(lambda: resolve("org/name", home))


def test_everything_local_is_listed_with_its_source(home: Path, cache: Path) -> None:
    fake.put_in_cache(cache, "org/name")
    fake.put_in_cache(cache, "org/partial")
    shutil.rmtree(cache / "models--org--partial" / "blobs")
    (cache / "datasets--org--data").mkdir()
    (cache / "models--evil\nname").mkdir()
    make_run(home, "npo-1")
    make_run(home, ".gone-npo-2")
    make_run(home, "young", unlearned=False)
    found = {(one.name, one.source) for one in list_local(home) if one.source != "shipped"}
    assert found == {("org/name", "cache"), ("npo-1", "run")}


def test_nothing_local_is_an_empty_list(tmp_path: Path) -> None:
    assert [one for one in list_local(tmp_path / "nowhere") if one.source != "shipped"] == []
