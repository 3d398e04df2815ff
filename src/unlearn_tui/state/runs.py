"""The runs screen's list: every run of a home, how it stands or ended, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from unlearn_tui.state.listing import Listing, fits, put


@dataclass(frozen=True)
class Run:
    """One run. `size` in bytes, `created` in seconds since the epoch, `left` in seconds. Texts are untrusted."""

    id: str
    path: str
    status: str
    """new, running, finished, stopped, failed or died."""
    reason: str = ""
    name: str = ""
    task: str = "unlearn"
    method: str = ""
    weights: str = ""
    model: str = ""
    corpus: str = ""
    created: float = 0.0
    size: int = 0
    stage: str = ""
    """The stage at work, or the one that it ended in; `done` of `total` units, 0 when unknown."""
    done: int = 0
    total: int = 0
    left: float | None = None
    full: str = ""
    """The precision of `target` and `forget`: KnowMem forget, 0-100; None where not scored."""
    target: float | None = None
    forget: float | None = None
    four: str = ""
    """The precision of 4 bits that `back` and `verdict` speak of."""
    back: float | None = None
    verdict: str = ""
    explanation: str = ""
    peak: int = 0
    """Most memory that it held, in bytes."""
    seconds: float = 0.0

    @property
    def live(self) -> bool:
        """True while its engine works."""
        return self.status == "running"

    @property
    def share(self) -> float | None:
        """How much of the stage at work is done, 0-1; None when unknown."""
        return min(self.done / self.total, 1.0) if self.total else None


@dataclass(frozen=True)
class Runs:
    """All runs, and those shown: live ones first, then newest first."""

    rows: tuple[Run, ...] = ()
    filter: str = ""
    list: Listing[Run] = field(default_factory=Listing)

    @property
    def live(self) -> tuple[Run, ...]:
        """Those whose engine works."""
        return tuple(run for run in self.rows if run.live)


def refreshed(state: Runs, rows: Sequence[Run]) -> Runs:
    """New facts; the cursor stays on its run."""
    return _arranged(replace(state, rows=tuple(rows)))


def filtered(state: Runs, words: str) -> Runs:
    """Only runs with all of these words in id, status, method, model, corpus or reason."""
    return _arranged(replace(state, filter=words))


def _arranged(state: Runs) -> Runs:
    fitting = [run for run in state.rows if fits(state.filter, _texts(run))]
    fitting.sort(key=lambda run: (not run.live, -run.created))
    return replace(state, list=put(state.list, fitting))


def _texts(run: Run) -> tuple[str, ...]:
    return (run.id, run.status, run.method, run.weights, run.model, run.corpus, run.reason, run.verdict)


def can_resume(run: Run) -> bool:
    """Whether there is anything to go on with."""
    return run.status in ("new", "stopped", "failed", "died")
