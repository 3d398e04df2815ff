"""The app in a browser: textual-serve starts it once for every page that is opened, and the page is a terminal for it.

Whoever can speak to the server can do what its user can (start, read and remove runs), and a loopback address is open to
every user of the machine and to every page in its browsers. So all of it lies under an address that nobody can guess.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from pathlib import Path

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from unlearn_tui.report.elements import Html, el, void

SHUTDOWN_SECONDS = 3.0
"""How long apps have to end by themselves once the server was told to."""
CLOSING_SECONDS = 1.0
"""How long a page has to take leave."""
_STYLE = """
@font-face { font-family: "Roboto Mono"; src: url("static/fonts/RobotoMono-VariableFont_wght.ttf"); }
html, body { margin: 0; height: 100%; background: #121212; color: #d0d0d0; font-family: "Roboto Mono", monospace; }
#ended { display: none; position: fixed; inset: 0; place-content: center; text-align: center; z-index: 9; }
body.-closed #ended { display: grid; background: #121212ee; }
#ended a { color: #87afd7; }
"""
_FOCUS = """
const focus = () => document.body.classList.contains("-loaded")
  ? document.querySelector(".xterm-helper-textarea")?.focus() : setTimeout(focus, 50);
addEventListener("load", focus);
"""
"""Keys are heard without a click into the page first; textual.js says -loaded once the app can be spoken to."""


class _App(AppService):
    """One app; whichever way it ends, its page is told."""

    async def run(self) -> None:
        """Pass on what it says until it has ended."""
        try:
            await super().run()
        finally:
            await self.remote_close()


class Served(Server):
    """textual-serve's server with all of its addresses below `secret`, and a page that asks nobody else for anything."""

    def __init__(self, command: str, secret: str) -> None:
        super().__init__(command, title="unlearn-tui")
        self.secret = secret
        self._pages: set[web.WebSocketResponse] = set()

    async def _make_app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get(f"/{self.secret}/", self._page),
                web.get(f"/{self.secret}/ws", self.handle_websocket),
                web.get("/download/{key}", self.handle_download),  # its keys are as random
                web.static(f"/{self.secret}/static", self.statics_path),
            ]
        )
        app.on_shutdown.append(self.on_shutdown)
        return app

    async def on_shutdown(self, app: web.Application) -> None:
        """Let go of every page; their apps then end."""
        await asyncio.gather(*(websocket.close() for websocket in self._pages))

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One app for as long as one page is open; the page is told when the app has ended."""
        websocket = web.WebSocketResponse(heartbeat=15, timeout=CLOSING_SECONDS)
        await websocket.prepare(request)
        app = _App(
            self.command,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,  # type: ignore[arg-type]  # whether it was open is of no use there
            download_manager=self.download_manager,
        )
        self._pages.add(websocket)
        await app.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
        try:
            await self._process_messages(websocket, app)
        finally:
            self._pages.discard(websocket)
            await app.stop()
        return websocket

    async def _page(self, request: web.Request) -> web.Response:
        scheme = "wss" if request.secure else "ws"
        address = f"{scheme}://{request.host}/{self.secret}/ws"
        return web.Response(text=page(address), content_type="text/html", headers={"Referrer-Policy": "no-referrer"})

    def run(self, listening: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM; apps that are open then are told to quit."""
        web.run_app(self._make_app(), sock=listening, print=None, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)


def page(websocket: str) -> str:
    """The page whose terminal speaks to `websocket`."""
    font = "static/fonts/RobotoMono-VariableFont_wght.ttf"
    head = el(
        "head",
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", "unlearn-tui"),
        # letters are measured as soon as the page has loaded, so the font must have come by then
        void("link", rel="preload", href=font, as_="font", crossorigin="anonymous"),
        void("link", rel="stylesheet", href="static/css/xterm.css"),
        el("script", src="static/js/textual.js"),
        el("script", Html(_FOCUS)),
        el("style", Html(_STYLE)),
    )
    ended = el("div", el("p", "The app has ended; runs go on."), el("p", el("a", "Open it again", href="")), id="ended")
    terminal = el(
        "div", id="terminal", class_="textual-terminal", data_session_websocket_url=websocket, data_font_size=15
    )
    return f"<!DOCTYPE html>\n{el('html', head, el('body', ended, terminal), lang='en')}\n"


def command(home: Path, run: str, log: Path) -> str:
    """The shell command of one app; what it says beside the screen goes to `log`."""
    words = [sys.executable, "-m", "unlearn_tui", "--home", str(home), *(["--open", run] if run else [])]
    return f"exec {shlex.join(words)} 2>>{shlex.quote(os.fspath(log))}"
