from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state.baseline import BASELINE
from unlearn_tui.state.estimate import plan
from unlearn_tui.state.plan import Facts, Kept, Plan, Record, disk, items, memory, reused, steps

QUIET = RunSpec(canary_every=0, probe_every=0, save_every=0, precision=["fp16", "bnb-fp4"], metric=["knowmem_forget"])
"""Nothing but steps in the unlearn stage."""
FACTS = Facts(
    parameters=1_000_000, prompts={"knowmem_forget": 10, "knowmem_retain": 20, "verbmem_forget": 5}, threads=2, pairs=40
)
DONE = Record(
    spec=QUIET,
    device="cpu",
    threads=2,
    parameters=1_000_000,
    stages={
        "load": 2.0,
        "score_target": 5.0,
        "unlearn": 100.0,
        "score_unlearned": 9.0,
        "weights": 0.5,
        "result": 0.1,
    },
    scores={
        ("target", "fp16", "knowmem_forget"): (1.0, 10),
        ("target", "bnb-fp4", "knowmem_forget"): (3.0, 10),
        ("unlearned", "fp16", "knowmem_forget"): (2.0, 10),
        ("unlearned", "bnb-fp4", "knowmem_forget"): (6.0, 10),
    },
    steps=250,
    tokens=200.0,
    memory=700_000_000,
    seconds=116.6,
)


def spec(**values: object) -> RunSpec:
    return msgspec.structs.replace(QUIET, **values)


def seconds(made: Plan) -> dict[str, float | None]:
    return {s.id: s.seconds for s in made.stages}


def test_the_same_run_again_takes_what_it_took() -> None:
    made = plan(QUIET, FACTS, [DONE])
    assert seconds(made) == pytest.approx(DONE.stages, abs=0.51)  # each stage's overhead is shared out
    assert made.seconds == pytest.approx(DONE.seconds, abs=1.1)
    assert (made.source, made.doubt) == ("learnt from 1 run", "")


def test_stages_come_in_the_pipelines_order() -> None:
    unlearn = ["load", "score_target", "unlearn", "score_unlearned", "weights", "result"]
    assert [s.id for s in plan(QUIET, FACTS, []).stages] == unlearn
    check = spec(task="check", unlearned="u", retrain="r", ablate=["bnb-fp4"])
    wanted = ["load", "score_target", "score_unlearned", "score_retrain", "weights", "ablate", "result"]
    assert [s.id for s in plan(check, FACTS, []).stages] == wanted


def test_twice_the_steps_take_twice_as_long() -> None:
    assert seconds(plan(spec(steps=500), FACTS, [DONE]))["unlearn"] == pytest.approx(200.0)


def test_a_larger_batch_and_accumulation_take_longer_in_proportion() -> None:
    assert seconds(plan(spec(batch=20, grad_accum=3), FACTS, [DONE]))["unlearn"] == pytest.approx(600.0)


def test_without_a_retain_term_a_step_reads_half_as_much() -> None:
    made = plan(spec(method="ga_gdr"), FACTS, [DONE])
    alone = plan(spec(method="ga"), FACTS, [DONE])
    assert seconds(made)["unlearn"] == pytest.approx(2 * seconds(alone)["unlearn"])  # type: ignore[operator]


def test_raw_text_takes_as_long_as_it_has_more_tokens() -> None:
    slower = replace(DONE, spec=spec(forget_text="raw", max_length=100), tokens=2000.0, stages={"unlearn": 1000.0})
    made = plan(spec(forget_text="raw", max_length=50), FACTS, [DONE, slower])
    assert seconds(made)["unlearn"] == pytest.approx(500.0)
    capped = plan(spec(forget_text="raw", max_length=5000), replace(FACTS, positions=100), [DONE, slower])
    assert seconds(capped)["unlearn"] == pytest.approx(1000.0)


def test_epochs_become_steps_by_the_items_there_are() -> None:
    asked = spec(steps=None, epochs=3.0, batch=8, grad_accum=2)
    assert items(asked, FACTS) == 40
    assert steps(asked, FACTS) == 8  # 3 · 40 / 16 = 7.5
    raw = msgspec.structs.replace(asked, forget_text="raw", max_length=100)
    assert items(raw, replace(FACTS, text_chars=4001)) == 11  # about four characters a token
    assert steps(raw, FACTS) == 0
    assert seconds(plan(raw, FACTS, [DONE]))["unlearn"] is None
    assert plan(raw, FACTS, [DONE]).seconds is None


def test_looking_often_costs_time_of_its_own() -> None:
    often = seconds(plan(spec(probe_every=1), FACTS, [DONE]))["unlearn"]
    # 250 probes of 32 prompts, 0.2 s each, and those at both ends
    assert often == pytest.approx(100.0 + 252 * 32 * 0.2)


def test_the_middle_of_several_runs_counts() -> None:
    runs = [replace(DONE, stages={**DONE.stages, "unlearn": t}) for t in (90.0, 110.0, 1000.0)]
    made = plan(QUIET, FACTS, runs)
    assert seconds(made)["unlearn"] == pytest.approx(110.0)
    assert made.source == "learnt from 3 runs"


def test_runs_of_the_same_method_tell_more_than_others() -> None:
    other = replace(DONE, spec=spec(method="npo_gdr"), stages={**DONE.stages, "unlearn": 900.0})
    assert seconds(plan(QUIET, FACTS, [other, DONE, other]))["unlearn"] == pytest.approx(100.0)


def test_another_model_is_scaled_by_its_size_and_that_is_said() -> None:
    made = plan(QUIET, replace(FACTS, parameters=10_000_000), [DONE])
    assert seconds(made)["unlearn"] == pytest.approx(1000.0)
    assert seconds(made)["score_unlearned"] == pytest.approx(90.0)
    assert made.source == "scaled from 1 run"
    assert "another size" in made.doubt


def test_a_run_of_the_same_model_counts_where_there_is_one() -> None:
    large = replace(DONE, parameters=10_000_000, stages={**DONE.stages, "unlearn": 77.0})
    assert seconds(plan(QUIET, replace(FACTS, parameters=10_000_000), [DONE, large]))["unlearn"] == pytest.approx(77.0)


def test_more_threads_take_less_time() -> None:
    assert seconds(plan(spec(threads=8), FACTS, [DONE]))["unlearn"] == pytest.approx(25.0)


def test_scores_that_are_there_take_no_time() -> None:
    there = frozenset({("target", p, "knowmem_forget") for p in ("fp16", "bnb-fp4")})
    made = plan(QUIET, replace(FACTS, reused=there), [DONE])
    target = made.stages[1]
    assert (target.seconds, target.reused) == (0.0, True)
    half = plan(QUIET, replace(FACTS, reused=frozenset(list(there)[:1])), [DONE]).stages[1]
    assert not half.reused
    assert 0 < (half.seconds or 0) < 5


def test_a_precision_never_seen_takes_what_its_kind_takes() -> None:
    made = plan(spec(precision=["bf16", "rtn-int4"]), FACTS, [DONE])
    # full: median of 0.1 and 0.2 s a prompt, quantized: of 0.3 and 0.6; 0.5 s between the metrics, as in DONE
    assert seconds(made)["score_unlearned"] == pytest.approx(10 * 0.15 + 10 * 0.45 + 2 * 0.5)


def test_ablation_scores_two_halves_at_two_precisions() -> None:
    made = seconds(plan(spec(ablate=["bnb-fp4"]), FACTS, [DONE]))
    assert made["ablate"] == pytest.approx(2 * made["score_unlearned"])  # type: ignore[operator]


def test_without_any_run_the_pocket_models_times_stand_in_and_that_is_said() -> None:
    facts = replace(FACTS, parameters=BASELINE.parameters, prompts={k[2]: n for k, (_, n) in BASELINE.scores.items()})
    made = plan(BASELINE.spec, facts, [])
    assert made.source == "rough"
    assert "No run here yet" in made.doubt
    assert "scaled" not in made.doubt
    assert made.seconds == pytest.approx(BASELINE.seconds, rel=0.1)
    assert "scaled" in plan(BASELINE.spec, replace(facts, parameters=7_000_000_000), []).doubt


def test_a_gpu_learns_from_runs_on_a_gpu_alone() -> None:
    made = plan(QUIET, replace(FACTS, device="cuda"), [DONE])
    assert made.seconds is None
    assert "No run on a GPU yet" in made.doubt
    gpu = replace(DONE, device="cuda:1", threads=99)
    assert seconds(plan(QUIET, replace(FACTS, device="cuda"), [DONE, gpu]))["unlearn"] == pytest.approx(100.0)


def test_what_must_be_downloaded_first_has_no_time() -> None:
    made = plan(QUIET, replace(FACTS, downloads=("org/model",)), [DONE])
    assert made.stages[0].seconds is None
    assert "org/model" in made.stages[0].units


def test_a_model_of_unknown_size_gets_no_figures() -> None:
    made = plan(QUIET, replace(FACTS, parameters=0, downloads=("org/model",)), [DONE])
    assert (made.seconds, made.memory, made.disk, made.source) == (None, 0, 0, "not known")
    assert "before it is downloaded" in made.doubt


def test_nothing_known_at_all_breaks_nothing() -> None:
    for facts in (Facts(), Facts(device="cuda")):
        for asked in (RunSpec(), RunSpec(task="check", unlearned="u"), RunSpec(steps=None, epochs=1.0)):
            assert plan(asked, facts, []).stages


def test_the_peak_of_a_run_like_it_counts_else_an_estimate_corrected_by_others() -> None:
    made = plan(QUIET, FACTS, [DONE, replace(DONE, memory=800_000_000)])
    assert (made.memory, made.memory_learnt) == (800_000_000, True)
    other = plan(spec(batch=1000), FACTS, [DONE])
    assert not other.memory_learnt
    assert other.memory == memory(spec(batch=1000), FACTS) + 700_000_000 - memory(QUIET, FACTS)
    assert plan(QUIET, FACTS, []).memory == memory(QUIET, FACTS)


def test_memory_grows_with_what_training_holds() -> None:
    def each(**values: object) -> float:
        one, two = (memory(spec(**values), Facts(parameters=n)) for n in (1_000_000, 2_000_000))
        return (two - one) / 1_000_000

    # float32 weights, two moments, gradients, the reference, the bf16 checkpoint
    assert each(method="ga_klr") == 4 + 8 + 4 + 4 + 2
    assert each(method="ga") == 4 + 8 + 4 + 2
    assert each(method="ga", optimizer_state="bf16") == 4 + 4 + 4 + 2
    assert each(method="ga", optimizer_state="8bit") == pytest.approx(4 + 2.03125 + 4 + 2)


def test_memory_of_layers_that_are_computed_again_grows_little_with_their_number() -> None:
    def layers(**values: object) -> int:
        few, many = (memory(spec(**values), Facts(hidden=64, layers=n, vocab=100)) for n in (4, 40))
        return many - few

    assert layers(checkpointing=True) * 20 < layers()


def test_no_more_logits_are_counted_than_are_ever_there() -> None:
    one, two = (memory(spec(forget_text="raw", max_length=n), Facts(vocab=50_000)) for n in (1024, 2048))
    assert one == two


@pytest.mark.parametrize(
    ("asked", "bytes_each"),
    [
        (spec(save_every=0), 2 + (2 + 8)),
        (spec(save_every=100), 2 + 2 * (2 + 8)),
        (spec(save_every=100, weights="fp32", optimizer_state="bf16"), 4 + 2 * (4 + 4)),
    ],
)
def test_disk_holds_the_checkpoint_and_its_saves(asked: RunSpec, bytes_each: int) -> None:
    assert disk(asked, 1000) == 1000 * bytes_each + 50_000_000
    assert disk(spec(task="check"), 10**9) == 50_000_000


# -- scores of earlier runs --------------------------------------------------------------------------------------------

MINE = RunSpec(model="m", threads=2)
VERSIONS = {"torch": "2"}


def kept(asked: RunSpec, model: str = "target", **versions: str) -> Kept:
    return Kept(model, "fp16", "knowmem_forget", asked, versions or VERSIONS)


def found(asked: RunSpec, *there: Kept, dtype: str = "bf16", **models: str) -> set[str]:
    return {k[0] for k in reused(asked, there, models or {"target": asked.model}, VERSIONS, dtype)}


def other(**values: object) -> RunSpec:
    return msgspec.structs.replace(MINE, **values)


def test_the_target_of_an_earlier_run_of_the_same_kind_is_not_scored_again() -> None:
    assert found(MINE, kept(other(lr=1.0, method="npo", steps=3))) == {"target"}
    for differs in ({"model": "x"}, {"corpus": "x"}, {"eval_batch": 1}, {"threads": 3}):
        assert found(MINE, kept(other(**differs))) == set(), differs
    assert found(MINE, kept(MINE, torch="3")) == set()
    assert found(other(cache=False), kept(MINE)) == set()


def test_a_target_that_training_rounds_is_another_model() -> None:
    assert found(MINE, kept(other(weights="fp32")), dtype="fp32") == set()
    assert found(MINE, kept(other(weights="bf16-stochastic")), dtype="fp32") == {"target"}
    assert found(MINE, kept(other(weights="fp32")), dtype="bf16") == {"target"}


def test_a_checked_model_is_known_by_whatever_role_it_had() -> None:
    check = other(task="check", unlearned="u")
    assert found(check, kept(check, "unlearned"), target="m", unlearned="u") == {"unlearned"}
    assert found(check, kept(other(retrain="u"), "retrain"), target="m", unlearned="u") == {"unlearned"}
    assert found(check, kept(MINE, "unlearned"), target="m", unlearned="u") == set()
