"""serve: the app in a browser, through textual-serve."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from typing import Annotated

from typer import Option

from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

HOST, PORT = "127.0.0.1", 8000


def serve(
    host: Annotated[str, Option("--host", metavar="HOST", help="The address to listen on.")] = HOST,
    port: Annotated[int, Option("--port", min=0, max=65535, help="0 for any that is free.")] = PORT,
    open_run: Annotated[
        str, Option("--open", metavar="RUN", help="Begin with this run (an id, a unique beginning, last or demo).")
    ] = "",
    home: o.Home = None,
) -> None:
    """Open the app in a browser, on this machine alone unless told otherwise."""
    try:
        from unlearn_tui.tui.served import Served, command
    except ModuleNotFoundError as error:
        raise Refused(f"serve needs {error.name}: pip install 'unlearn-tui[serve]' brings it") from None
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.home import runtime_dir
    from unlearn_tui.runs.store import find

    base = home_of(home)
    if open_run:
        find(base, open_run)
    log = runtime_dir() / "serve.log"
    listening = _listen(host, port)
    address, port = listening.getsockname()[:2]
    secret = secrets.token_urlsafe(16)
    if not ipaddress.ip_address(address).is_loopback:
        console.say(
            f"warning: {host} can be reached from other machines, unencrypted: whoever has the address below can start, "
            "read and remove your runs"
        )
    console.write(f"http://{_name(address)}:{port}/{secret}/\n")
    console.say("open this address in a browser; Ctrl-C ends the server, runs go on")
    Served(command(base, open_run, log), secret).run(listening)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises Refused (field "host" or "port")."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise Refused(
            f"no such address {host!r} ({getattr(error, 'strerror', error)}): name another --host", "host"
        ) from None
    try:
        return socket.create_server(address, family=family)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise Refused(f"{host} port {port} cannot be listened on: {said}; choose another with --port", "port") from None


def _name(address: str) -> str:
    """How a browser writes it; of an address that stands for all of the machine's, the machine's name."""
    if ipaddress.ip_address(address).is_unspecified:
        return socket.gethostname()
    return f"[{address}]" if ":" in address else address
