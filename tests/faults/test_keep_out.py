"""What nobody else may see or do: a real run with secrets around it and every way to the network shut."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from unharmed import corpus

import unlearn_tui
from unlearn_tui.runs.store import list_runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SOURCES = Path(unlearn_tui.__file__).parents[1]
MARK = "hf_TheSecretThatNoFileHolds"
SECRETS = {
    "HF_TOKEN": MARK,
    "HUGGING_FACE_HUB_TOKEN": MARK,
    "AWS_SECRET_ACCESS_KEY": MARK,
    "WANDB_API_KEY": MARK,
    "HTTPS_PROXY": f"http://someone:{MARK}@127.0.0.1:9",
}
SHUT = '''
import os, sys

def shut(event, args):
    """Of sockets, those of this machine alone may be used."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto", "socket.sendmsg"):
        if event.startswith("socket.get") or args[0].family.name in ("AF_INET", "AF_INET6"):
            with open(os.environ["TRIED"], "a") as file:
                file.write(f"{event} {args[1:]} {sys.argv}\\n")
            raise OSError(101, "no network in this test")

sys.addaudithook(shut)
'''
"""As sitecustomize, every Python process of the test begins with it, engines too."""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Short, since a socket stands in it."""
    with tempfile.TemporaryDirectory(prefix="ut-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def surroundings(place) -> dict[str, str]:
    (place / "site").mkdir()
    (place / "site" / "sitecustomize.py").write_text(SHUT)
    (place / "runtime").mkdir(mode=0o700)
    env = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")}
    return env | SECRETS | {
        "UNLEARN_TUI_HOME": str(place / "home"),
        "XDG_RUNTIME_DIR": str(place / "runtime"),
        "HF_HOME": str(place / "hub"),
        "PYTHONPATH": os.pathsep.join([str(place / "site"), str(SOURCES)]),
        "TRIED": str(place / "tried"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def said(place, surroundings) -> dict[str, str]:
    """What each command said, both streams; a run first, by an umask that would open everything to everybody."""
    questions = corpus(place / "corpus", 4, 1)
    found = {}
    asked = (
        "run",
        "--offline",
        "--corpus",
        str(questions),
        "--steps",
        "2",
        "--batch",
        "4",
        "--precision",
        "fp16,bnb-fp4",
    )
    for command in (
        (*asked, "--metric", "knowmem_forget", "--plain"),
        ("run", "--offline", "--model", "org/not-here"),
        ("ask", "last", "Which town does Kessra Tarmund live in?", "--offline", "--precision", "fp16", "--plain"),
        ("models", "--plain"),
        ("doctor", "--json"),
        ("report", "last", "--out", str(place / "report.html")),
    ):
        process = subprocess.run(
            [sys.executable, "-m", "unlearn_tui", *command],
            env=surroundings, cwd=place, capture_output=True, text=True, timeout=200, umask=0,
        )  # fmt: skip
        found[" ".join(command[:2])] = process.stdout + process.stderr
        expected = 2 if "org/not-here" in command else 0
        assert process.returncode == expected, (command, process.stdout, process.stderr)
    return found


def test_offline_nobody_asks_the_network(said, surroundings):
    tried = Path(surroundings["TRIED"])
    assert not tried.exists(), tried.read_text()
    assert (
        "the network is off" in said["run --offline"] or "not whole in the Hugging Face cache" in said["run --offline"]
    )


def test_the_network_is_shut_in_this_test(place, surroundings):
    look = "import socket; socket.create_connection(('127.0.0.1', 9))"
    env = surroundings | {"TRIED": str(place / "control")}
    process = subprocess.run([sys.executable, "-c", look], env=env, capture_output=True, text=True)
    assert "no network in this test" in process.stderr
    assert (place / "control").exists()


def test_a_run_is_its_users_alone(said, place):
    home = place / "home"
    run = list_runs(home)[0].path
    assert run.stat().st_mode & 0o777 == 0o700
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "cache").stat().st_mode & 0o777 == 0o700
    for file in ("spec.toml", "events.jsonl", "result.json", "engine.json", "engine.lock"):
        assert (run / file).stat().st_mode & 0o777 == 0o600, file
    assert (place / "runtime" / "unlearn-tui").stat().st_mode & 0o777 == 0o700


def test_no_file_and_no_output_holds_a_secret(said, place):
    for command, text in said.items():
        assert MARK not in text, command
    files = [p for p in [*(place / "home").rglob("*"), place / "report.html"] if p.is_file()]
    assert len(files) > 10
    for file in files:
        assert MARK.encode() not in file.read_bytes(), file


def test_serve_listens_on_this_machine_alone():
    from unlearn_tui.commands.serve import HOST

    assert socket.inet_aton(HOST)[0] == 127
