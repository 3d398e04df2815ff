"""doctor: what it says of libraries that break, of the terminal and the home, and what it never says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from unlearn_tui import cli
from unlearn_tui.commands.checks import Check, looked, machine, places, software, terminal
from unlearn_tui.masking import masked

SECRET = "s3cr3t-marker-0451"
WORKS = {
    "torch": {"built_for": "", "cards": [], "bf16": False, "threads": 2},
    "bitsandbytes": {"native": True, "cuda": False},
}


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch loads, without the seconds that it takes."""
    monkeypatch.setattr(software, "probe", lambda seconds: ({k: dict(v) for k, v in WORKS.items()}, ""))


def found(args: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, dict[str, Any]]:
    assert cli._run(["doctor", "--json", *args]) == code
    return {check["what"]: check for check in json.loads(capsys.readouterr().out)}


def fake(name: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name, found before the real one."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))


def loaded() -> dict[str, Check]:
    return {check.what: check for check in software.libraries_that_load(20)}


def test_a_machine_that_can_run_is_described_in_full(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["doctor", "--plain"]) == 0
    out, err = capsys.readouterr()
    assert "loading torch" in err
    rows = {line.split("  ")[0]: line for line in out.splitlines()[1:]}
    for what in (
        "unlearn-tui",
        "system",
        "python",
        "torch",
        "bitsandbytes",
        "gpu",
        "extras",
        "disk",
        "tmux",
        "clipboard",
    ):
        assert what in rows
    assert "threads" in rows["torch"]
    assert "textual" in rows["screen libraries"]
    assert all(line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize("form", ["--plain", "--json"])
def test_no_secret_is_ever_said(
    form: str, home: Path, no_probe: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", f"hf_{SECRET}")
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRET}@proxy.example:3128")
    monkeypatch.setenv("https_proxy", f"http://{SECRET}@proxy.example")
    monkeypatch.setenv("MY_API_KEY", SECRET)
    # even where a library puts one into its message
    answers = {**WORKS, "torch": {"error": f"ProxyError: {SECRET} and http://you:pa55@elsewhere/"}}
    monkeypatch.setattr(software, "probe", lambda seconds: (answers, ""))
    assert cli._run(["doctor", form]) == 1
    said = "".join(capsys.readouterr())
    assert SECRET not in said
    assert "pa55" not in said
    assert "HF_TOKEN set" in said
    assert "HTTP_PROXY, HTTPS_PROXY set" in said
    assert "proxy.example" not in said


def test_masking_leaves_other_words_alone() -> None:
    environ = {"HF_TOKEN": "hf_abcdefghijklmnopqrstu", "KEY": "python", "EDITOR": "a-long-editor"}
    text = "python a-long-editor http://x/y@z hf_abcdefghijklmnopqrstu hf_zzzzzzzzzzzzzzzzzzzzz"
    assert masked(text, environ) == "python a-long-editor http://x/y@z <HF_TOKEN> <token>"


def test_a_torch_that_does_not_import_is_one_line_and_exit_1(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("torch", "raise ImportError('libcudart.so.99: no such\\nfile \\x1b[31m')", tmp_path / "p", monkeypatch)
    done = subprocess.run([sys.executable, "-m", "unlearn_tui", "doctor"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    [row] = [line for line in done.stdout.splitlines() if "libcudart" in line and line.startswith("torch ")]
    assert "fail" in row
    assert "no such␊file ␛[31m" in row
    assert "pip install --force-reinstall torch" in row


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV while it loaded"),
        ("import os; os._exit(3)", "exit code 3 while it loaded"),
        ("raise SystemExit(4)", "cannot be used: SystemExit: 4"),
        (
            "import sys; sys.stdout.write('{}\\nnull\\n[1]\\n\\xff'); sys.exit('gone')",
            "cannot be used: SystemExit: gone",
        ),
    ],
)
def test_a_torch_that_crashes_is_one_line(
    code: str, said: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("torch", code, tmp_path / "p", monkeypatch)
    checks = loaded()
    assert said in checks["torch"].found
    assert not checks["torch"].ok
    assert not checks["bitsandbytes"].ok


def test_a_torch_that_hangs_is_cut_off_with_whatever_it_started(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the grandchild holds the pipe, which must keep nobody waiting
    pid = tmp_path / "pid"
    child = (
        f"import subprocess, time; p = subprocess.Popen(['sleep', '120']); open({str(pid)!r}, 'w').write(str(p.pid))"
    )
    fake("torch", f"{child}\ntime.sleep(120)", tmp_path / "p", monkeypatch)
    monkeypatch.setattr(software, "PATIENCE", 3.0)
    begun = time.monotonic()
    checks = {check.what: check for check in software.libraries_that_load()}
    assert time.monotonic() - begun < 15
    assert "no answer within 3 s" in checks["torch"].found
    assert "not tried" in checks["bitsandbytes"].found
    state = Path(f"/proc/{pid.read_text()}/stat")
    assert not state.exists() or state.read_text().split(") ")[1][0] == "Z"


def test_what_torch_started_in_a_session_of_its_own_keeps_nobody_waiting(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = "import subprocess, time; subprocess.Popen(['sleep', '30'], start_new_session=True); time.sleep(30)"
    fake("torch", child, tmp_path / "p", monkeypatch)
    begun = time.monotonic()
    found, why = software.probe(2.0)
    assert time.monotonic() - begun < 15
    assert (found, why) == ({}, "no answer within 2 s")


def test_ctrl_c_while_torch_hangs_ends_both(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r} + '.new', 'w').write(str(os.getpid()))"
    fake(
        "torch", f"{code}; os.rename({str(pid)!r} + '.new', {str(pid)!r}); time.sleep(60)", tmp_path / "p", monkeypatch
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "unlearn_tui", "doctor"],
        stderr=subprocess.PIPE,
        text=True,
        # in the background of a shell, interrupts would be ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 20
    while not pid.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=15)[1]
    assert process.returncode == 130
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_bitsandbytes_that_breaks_leaves_what_torch_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("bitsandbytes", "import os; os.abort()", tmp_path / "p", monkeypatch)
    checks = loaded()
    assert checks["torch"].ok
    assert "killed by SIGABRT" in checks["bitsandbytes"].found


def test_a_card_that_torch_cannot_use_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    class Memory:
        free, total = 10**10, 2 * 10**10

    for name, value in {
        "nvmlInit": None, "nvmlDeviceGetCount": 1, "nvmlDeviceGetHandleByIndex": 0, "nvmlDeviceGetName": "Test Card",
        "nvmlDeviceGetMemoryInfo": Memory, "nvmlSystemGetDriverVersion": "570.1", "nvmlSystemGetCudaDriverVersion_v2": 12080,
    }.items():  # fmt: skip
        monkeypatch.setattr(pynvml, name, lambda *_, value=value: value)
    gpu, driver = machine.cards(Check("torch", True, "2.7.0, CPU build, 2 threads"))
    assert not gpu.ok
    assert "0: Test Card, 10.0 GB of 20.0 GB free; torch cannot use it" in gpu.found
    assert driver.found == "NVIDIA 570.1, for CUDA 12.8 and older"
    gpu, _ = machine.cards(Check("torch", True, "2.7.0, built for CUDA 12.6, sees Test Card (9.0), bf16"))
    assert gpu.ok


def seen(environ: dict[str, str]) -> dict[str, Check]:
    return {check.what: check for check in terminal.terminal(environ)}


def test_inside_tmux_copying_goes_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "tmux"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "tmux $FAKE" || echo external\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    environ = {"TERM": "tmux-256color", "TMUX": "/tmp/tmux-1/default,1,0"}
    monkeypatch.setenv("FAKE", "3.4")
    checks = seen(environ)
    assert checks["tmux"].found == "3.4, inside it, set-clipboard external"
    assert checks["clipboard"].ok
    assert "load-buffer -w" in checks["clipboard"].found
    monkeypatch.setenv("FAKE", "2.9a")
    assert not seen(environ)["clipboard"].ok
    assert seen({"TERM": "xterm"})["tmux"].found == "2.9a, not inside it"


def test_a_tmux_that_has_gone_is_a_warning(tmp_path: Path) -> None:
    checks = seen({"TERM": "tmux-256color", "TMUX": f"{tmp_path}/nothing,1,0"})
    assert not checks["tmux"].ok
    assert "inside it" in checks["tmux"].found


@pytest.mark.parametrize(
    ("environ", "colours", "clipboard"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "16 million colours", True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "256 colours, NO_COLOR set: not used", True),
        ({"TERM": "xterm-256color", "TMUX": "", "STY": ""}, "256 colours", True),
        ({"TERM": "linux"}, "16 colours", False),
        ({"TERM": "dumb"}, "none", False),
        ({"TERM": "xterm-256color", "STY": "1.pts"}, "256 colours", False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "256 colours", False),
    ],
)
def test_colours_and_clipboard_follow_the_terminal(environ: dict[str, str], colours: str, clipboard: bool) -> None:
    checks = seen(environ)
    assert checks["colours"].found == colours
    assert checks["clipboard"].ok is clipboard


def test_what_a_terminal_calls_itself_cannot_steer_one(
    home: Path, no_probe: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM_PROGRAM", "evil\x1b]52;c;aGk=\x07" + "x" * 500)
    monkeypatch.setenv("SSH_CONNECTION", "10.1.2.3 1 10.1.2.4 22")
    said = found([], capsys)["kind"]["found"]
    assert "over SSH yes" in said
    assert "10.1.2" not in said
    assert said.isprintable()
    assert len(said) < 150


def test_a_home_that_anybody_may_write_is_a_warning(
    home: Path, no_probe: None, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    home.chmod(0o777)
    said = found([], capsys)["home's permissions"]
    assert not said["ok"]
    assert said["found"].startswith("mode 0777, owned by you")
    assert said["todo"] == f"chmod o-w {home}"
    home.chmod(0o755)
    assert found([], capsys)["home's permissions"]["ok"]


def test_a_runtime_folder_that_is_not_ours_alone_is_a_warning(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unlearn-tui").mkdir(mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("unlearn_tui.runs.home.SOCKET_PATH_LIMIT", 1000)
    checks = {check.what: check for check in places.places(None)}
    assert not checks["runtime folder"].ok
    assert "chmod 700" in checks["runtime folder"].found


def test_a_look_that_breaks_is_one_line() -> None:
    def look() -> list[Check]:
        raise OSError(5, "Input/output error")

    assert looked("disk", look) == [
        Check("disk", False, "cannot be looked at: OSError: [Errno 5] Input/output error", "put this into a report")
    ]
