"""serve: the app behind an address nobody can guess, on this machine alone unless told otherwise."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import story
from test_cli_refusals import refused

pytest.importorskip("textual_serve")
aiohttp = pytest.importorskip("aiohttp")

Served = tuple[subprocess.Popen[str], str]


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    """A server of a home with one run, and the address that it printed."""
    story.write_run(home)
    process = subprocess.Popen(
        [sys.executable, "-m", "unlearn_tui", "serve", "--port", "0", "--open", "last"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def apps_of(server: int) -> list[int]:
    """The processes that a server has started."""
    import psutil

    return [child.pid for child in psutil.Process(server).children(recursive=True)]


async def painted(websocket: object, wanted: bytes, seconds: float = 60.0) -> None:
    """Wait until the app has written `wanted`."""
    seen = b""
    async with asyncio.timeout(seconds):
        async for message in websocket:  # type: ignore[attr-defined]
            seen += message.data if isinstance(message.data, bytes) else b""
            if wanted in seen:
                return
    raise AssertionError(f"closed before {wanted!r}: {seen[-500:]!r}")


async def test_the_app_paints_hears_keys_and_ends_with_its_page(served: Served) -> None:
    process, address = served
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(f"{address}ws?width=100&height=30") as websocket:
            await painted(websocket, b"story")
            await websocket.send_str(json.dumps(["stdin", "4"]))
            await painted(websocket, b"% interval")
            assert len(apps_of(process.pid)) == 1
        for _ in range(100):
            if not apps_of(process.pid):
                break
            await asyncio.sleep(0.1)
        assert apps_of(process.pid) == []


async def test_an_app_that_quits_ends_its_page_and_a_server_that_ends_its_apps(served: Served) -> None:
    process, address = served
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(f"{address}ws?width=100&height=30") as websocket:
            await painted(websocket, b"unlearn")
            await websocket.send_str(json.dumps(["stdin", "q"]))
            async with asyncio.timeout(30):
                async for _ in websocket:
                    pass
        async with client.ws_connect(f"{address}ws?width=100&height=30") as websocket:
            await painted(websocket, b"unlearn")
            (app,) = apps_of(process.pid)
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 30) == 0
    deadline = time.monotonic() + 10
    while Path(f"/proc/{app}").exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert not Path(f"/proc/{app}").exists()


async def test_nothing_is_served_without_the_whole_address(served: Served) -> None:
    _, address = served
    root, _, _ = address.rstrip("/").rpartition("/")
    assert address.startswith("http://127.0.0.1:")
    assert len(address.rstrip("/")) - len(root) > 20
    async with aiohttp.ClientSession() as client:
        for path in ("/", "/ws", "/static/js/textual.js", "/x/ws", "/download/x"):
            async with client.get(root + path) as reply:
                assert reply.status == 404, path
        async with client.get(address) as reply:
            page = await reply.text()
            assert (reply.status, reply.headers["Referrer-Policy"]) == (200, "no-referrer")
        assert "//" not in page.replace(address.replace("http:", "ws:"), "").replace("<!DOCTYPE html>", "")
        for static in ("static/js/textual.js", "static/css/xterm.css", "static/fonts/RobotoMono-VariableFont_wght.ttf"):
            assert static in page
            async with client.get(address + static) as reply:
                assert reply.status == 200, static


def test_a_port_that_is_taken_and_an_address_that_is_none_are_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "choose another with --port" in refused(["serve", "--port", port], home, capsys)
    assert "name another --host" in refused(["serve", "--host", "no such host"], home, capsys)
    assert "there is no run 'nobody'" in refused(["serve", "--open", "nobody"], home, capsys)


def test_an_address_that_others_reach_is_warned_of(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "unlearn_tui", "serve", "--port", "0", "--host", "0.0.0.0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    address = process.stdout.readline()
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert said.startswith("warning: 0.0.0.0 can be reached from other machines")
    assert address.startswith("http://")
    assert "0.0.0.0" not in address


def test_without_textual_serve_it_says_what_to_install(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "unlearn_tui.tui.served", raising=False)
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    monkeypatch.setitem(sys.modules, "textual_serve.app_service", None)
    said = refused(["serve"], home, capsys)
    assert "pip install 'unlearn-tui[serve]'" in said
