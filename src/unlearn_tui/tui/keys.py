"""Every key of the app, once: bindings, footer, palette, help and the tests that press them all read this."""

from __future__ import annotations

from dataclasses import dataclass

VIEWS = {"models": "1", "setup": "2", "run": "3", "compare": "4", "weights": "5", "inspect": "6", "runs": "0"}
"""The screens and the digits that bring them to the front."""


@dataclass(frozen=True)
class Key:
    """One key. `view` is "" where it works everywhere; `action` is the method action_<action> of the view or the app;
    `footer` ranks it in the footer (1 first; 0: only in `?`)."""

    view: str
    key: str
    action: str
    label: str
    help: str
    footer: int = 0


def _moves(view: str, what: str, *, columns: bool = False) -> tuple[Key, ...]:
    made = [
        Key(view, "up", "up", "↑↓", f"the {what} above"),
        Key(view, "down", "down", "↑↓", f"the {what} below"),
        Key(view, "pageup", "page_up", "PgUp", "a page up"),
        Key(view, "pagedown", "page_down", "PgDn", "a page down"),
        Key(view, "home", "first", "Home", "to the first"),
        Key(view, "end", "last", "End", "to the last"),
    ]
    if columns:
        made += [
            Key(view, "left", "left", "←→", "the column to the left"),
            Key(view, "right", "right", "←→", "the column to the right"),
        ]
    return tuple(made)


KEYS: tuple[Key, ...] = (
    Key("", "1", "view('models')", "models", "Models: what can be unlearned, checked, compared"),
    Key("", "2", "view('setup')", "setup", "Setup: a new run, and what it will take"),
    Key("", "3", "view('run')", "run", "Run: unlearning and scoring as they happen"),
    Key("", "4", "view('compare')", "compare", "Compare: answers side by side at every precision"),
    Key("", "5", "view('weights')", "weights", "Weights: why it happened"),
    Key("", "6", "view('inspect')", "inspect", "Inspect: one prompt token by token, questions of your own, attacks"),
    Key("", "0", "view('runs')", "runs", "Runs: live, finished, failed"),
    Key("", "question_mark", "keys", "keys", "every key of this screen", 8),
    Key("", "h", "help", "what is this", "this screen in plain words"),
    Key("", "colon", "palette", "commands", "find a command by typing", 7),
    Key("", "ctrl+p", "palette", "commands", "find a command by typing"),
    Key("", "q", "leave", "quit", "close what is open; from a screen: quit, runs go on"),
    Key("", "escape", "cancel", "back", "close what is open, leave a filter"),
    Key("", "D", "detach", "detach", "leave at once; the run goes on"),
    Key("", "A", "attach", "attach", "go to the run that is going on"),
    Key("", "y", "copy", "copy", "copy what is under the cursor to the terminal's clipboard"),
    Key("", "e", "export", "export", "write this screen's table as CSV, JSON or Markdown"),
    Key("", "ctrl+z", "suspend_process", "suspend", "back to the shell for a while; fg returns"),
    Key("", "T", "tour", "tour", "a guided tour: from a question to its explanation, on a recorded run"),
    Key("", "f2", "theme", "theme", "choose colours"),
    Key("", "f8", "picture", "picture", "write this screen as an SVG picture"),
    *_moves("models", "model"),
    Key("models", "enter", "choose", "unlearn it", "set up a run with this model", 1),
    Key("models", "u", "choose", "unlearn it", "set up a run with this model"),
    Key("models", "v", "check", "check", "has this unlearned model truly forgotten? Check it against its target", 2),
    Key("models", "c", "compare", "compare", "the answers of its run side by side", 3),
    Key("models", "a", "ask", "ask", "ask it a question of your own", 4),
    Key("models", "plus", "add", "add", "add a folder or a hub id", 5),
    Key("models", "minus", "forget", "forget", "take an added folder off the list (the files stay)"),
    Key("models", "s", "sort", "sort", "sort by the next column"),
    Key("models", "slash", "filter", "filter", "show only rows with these words", 6),
    Key("models", "space", "fold", "precisions", "show or hide the rows of each run's precisions"),
    Key("models", "l", "log", "log", "what the engine of this failed run said"),
    Key("models", "R", "replay", "replay", "see the run that it is from again as it happened"),
    Key("setup", "up", "up", "↑↓", "the row above"),
    Key("setup", "down", "down", "↑↓", "the row below"),
    Key("setup", "tab", "forward", "next", "the next field", 1),
    Key("setup", "shift+tab", "backward", "shift+tab", "the field before"),
    Key("setup", "enter", "edit", "edit", "change this field", 2),
    Key("setup", "left", "previous", "←→", "the choice, option or field before"),
    Key("setup", "right", "next", "←→", "the next choice, option or field"),
    Key("setup", "space", "flip", "switch", "switch it on or off; unfold"),
    Key("setup", "p", "preset", "preset", "fill in a preset", 3),
    Key("setup", "f", "paper", "paper's value", "use the paper's value in the field that is pointed out", 4),
    Key("setup", "r", "start", "start", "start this run", 5),
    Key("setup", "w", "save", "save", "write these settings as a file that `unlearn-tui run` reads", 6),
    Key("run", "space", "freeze", "freeze", "hold the view still; the run goes on (a replay waits)", 1),
    Key("run", "g", "scale", "log scale", "losses on a linear or a logarithmic scale", 5),
    Key("run", "l", "log", "log", "a larger log, and back", 4),
    Key("run", "w", "warnings", "warnings", "only warnings in the log"),
    Key("run", "k", "save", "save now", "write a checkpoint to resume from after this step", 6),
    Key("run", "x", "stop", "stop", "stop after this step; it can be resumed", 2),
    Key("run", "X", "kill", "stop now", "stop at once; it can be resumed from the last save", 3),
    Key("run", "r", "resume", "resume", "go on with a run that stopped or failed", 1),
    Key("run", "R", "replay", "replay", "see a run that has ended again as it happened; a replay from its beginning"),
    Key("run", "full_stop", "step", "one event", "replay: the next event, and hold"),
    Key("run", "greater_than_sign", "stage_on", "next stage", "replay: to where the next stage begins"),
    Key("run", "less_than_sign", "stage_back", "stage before", "replay: to where this stage, or the one before, began"),
    Key("run", "plus", "faster", "faster", "replay: faster"),
    Key("run", "minus", "slower", "slower", "replay: slower"),
    Key("run", "up", "up", "↑↓", "scroll the log up"),
    Key("run", "down", "down", "↑↓", "scroll the log down"),
    *_moves("compare", "prompt", columns=True),
    Key("compare", "enter", "open", "read", "the whole answers to this prompt", 1),
    Key("compare", "i", "inspect", "inspect", "this prompt token by token, from here step through the others", 2),
    Key("compare", "a", "ask", "ask", "ask these models a question of your own"),
    Key("compare", "t", "set", "set", "forget questions, retain questions, passages", 3),
    Key("compare", "m", "metric", "metric", "the next metric"),
    Key("compare", "s", "sort", "sort", "sort by the next order", 4),
    Key("compare", "f", "changed", "changed only", "only prompts whose answer changed", 6),
    Key("compare", "d", "diff", "diff", "two columns word by word", 5),
    Key("compare", "space", "pin", "pin", "hold this column as the base of the diff"),
    Key("compare", "b", "pane", "pane", "the picture of all scores, or the answers"),
    Key("compare", "slash", "filter", "filter", "only prompts and answers with these words", 7),
    Key("compare", "n", "next", "next", "the next match"),
    Key("compare", "N", "previous", "previous", "the match before"),
    *_moves("weights", "cell", columns=True),
    Key("weights", "b", "quantizer", "quantizer", "the next quantizer", 1),
    Key("weights", "m", "measure", "measure", "kept, same value, cosine, changed", 2),
    Key("weights", "w", "all", "all layers", "every layer, or a few of them", 3),
    Key("weights", "s", "sort", "sort", "by layer, or by how little is kept", 4),
    Key("inspect", "up", "up", "↑↓", "the column above; among attacks, the attack above"),
    Key("inspect", "down", "down", "↑↓", "the column below; among attacks, the attack below"),
    Key("inspect", "left", "left", "←→", "the token to the left"),
    Key("inspect", "right", "right", "←→", "the token to the right"),
    Key("inspect", "home", "first", "Home", "to the first token"),
    Key("inspect", "end", "last", "End", "to the last token"),
    Key("inspect", "enter", "open", "ask, read", "ask this prompt; once it is asked, its whole answers", 1),
    Key("inspect", "a", "ask", "own question", "ask a question of your own", 2),
    Key("inspect", "k", "attacks", "attacks", "ask it in ways that may bring back more; and back", 3),
    Key("inspect", "n", "next", "next", "the next prompt", 4),
    Key("inspect", "N", "previous", "previous", "the prompt before"),
    Key("inspect", "pagedown", "next", "next", "the next prompt"),
    Key("inspect", "pageup", "previous", "previous", "the prompt before"),
    Key("inspect", "tab", "tokens", "gold/said", "walk over the gold answer's tokens, or over what is said", 5),
    Key("inspect", "t", "template", "template", "worked examples, chat template, or the text itself", 6),
    Key("inspect", "g", "sample", "sample", "greedy, or sampled with a seed"),
    Key("inspect", "G", "gold", "right answer", "give the right answer to this question"),
    Key("inspect", "p", "precisions", "precisions", "which precisions are asked"),
    Key("inspect", "r", "again", "again", "ask the same again; among attacks, with those that were not tried"),
    Key("inspect", "space", "pin", "pin", "compare the others with this column"),
    Key("inspect", "o", "history", "history", "what was asked before"),
    Key("inspect", "w", "keep", "keep", "keep your own questions as a corpus, with the command that scores it"),
    Key("inspect", "m", "memory", "memory", "what the inspector holds in memory"),
    *_moves("runs", "run"),
    Key("runs", "enter", "open", "open", "watch it, or read its answers", 1),
    Key("runs", "r", "resume", "resume", "go on with it", 2),
    Key("runs", "c", "compare", "compare", "its answers side by side", 3),
    Key("runs", "X", "stop", "stop", "stop it after its current step", 4),
    Key("runs", "x", "remove", "remove", "remove it with all its files", 5),
    Key("runs", "l", "log", "log", "what its engine said"),
    Key("runs", "R", "replay", "replay", "see it again as it happened"),
    Key("runs", "S", "sweeps", "sweeps", "sweeps: grids of runs, and the map of what comes back where"),
    *_moves("sweeps", "sweep, or the row of cells", columns=True),
    Key(
        "sweeps",
        "enter",
        "open",
        "cells, run",
        "into the grid; there: watch this cell's run, or read its answers",
        1,
    ),
    Key("sweeps", "tab", "other", "list/grid", "from the list into the grid, and back", 2),
    Key("sweeps", "p", "precision", "precision", "the cells' figures at the next precision", 3),
    Key("sweeps", "m", "map", "map", "the recovery map: learning rate by quantizer by update mode", 4),
    Key("sweeps", "r", "resume", "go on", "run the cells that are left, one after the other", 5),
    Key("sweeps", "X", "stop", "stop", "stop the run at work after its step, and the sweep with it", 6),
    Key("runs", "slash", "filter", "filter", "show only runs with these words", 6),
)

NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "full_stop": ".",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "plus": "+",
    "minus": "-",
    "enter": "⏎",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "escape": "esc",
    "f2": "F2",
    "f8": "F8",
}
"""Keys as people call them."""


def name(key: str) -> str:
    """The key as it is printed on keyboards."""
    return NAMES.get(key, key)


def of(view: str) -> tuple[Key, ...]:
    """The keys that work on a screen: its own, then those that work everywhere."""
    return (*(k for k in KEYS if k.view == view), *(k for k in KEYS if not k.view))
