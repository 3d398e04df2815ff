from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unlearn_tui import catalog, cli
from unlearn_tui.commands import run as run_command
from unlearn_tui.commands.preflight import spec_of
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state import paper, setup
from unlearn_tui.state.fields import BY_NAME, FIELDS, FOLD, rows_of
from unlearn_tui.state.setup import Form, as_text


def form(**values: object) -> Form:
    return setup.fill(Form(), values)


def texts(**values: str) -> Form:
    made = Form()
    for name, text in values.items():
        made = setup.put(made, name, text)
    return made


def test_an_untouched_form_is_the_default_run() -> None:
    assert Form().spec == RunSpec()
    assert Form().faults == {}
    assert setup.command(Form()) == "unlearn-tui run"


def test_every_spec_field_is_in_the_form_but_for_schema_and_preset() -> None:
    assert set(BY_NAME) == set(RunSpec.__struct_fields__) - {"schema", "preset"}


def test_every_field_has_one_place_and_words() -> None:
    for task in ("unlearn", "check"):
        names = [name for row in rows_of(task, more=True) for name in row]
        assert sorted(names) == sorted([FOLD, *(f.name for f in FIELDS if task in f.tasks)])
    assert all(f.help.endswith((".", "?")) and len(f.label) <= 10 for f in FIELDS)


@given(st.floats(allow_nan=False))
def test_a_number_as_text_is_that_number(value: float) -> None:
    assert float(as_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(7e-6, "7e-6"), (1e-5, "1e-5"), (0.001, "1e-3"), (0.1, "0.1"), (1.0, "1"), (2.5, "2.5"), (None, ""), (250, "250")],
)
def test_numbers_are_written_as_people_write_them(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("lr", "0"),
        ("lr", "nan"),
        ("lr", "-1e-5"),
        ("steps", "0"),
        ("epochs", "0"),
        ("batch", "0"),
        ("threads", "-1"),
        ("seed", "-1"),
        ("steps", "9" * 400),
        ("method", "ga_krl"),
        ("weights", "fp8"),
        ("forget_text", "docs"),
        ("npo_length", "max"),
        ("optimizer_state", "fp8"),
        ("precision", "bnb-fp4"),
        ("precision", "fp16,bnb-fp5"),
        ("precision", ""),
        ("metric", "knowmem_froget"),
        ("ablate", "fp16"),
        ("device", "tpu"),
        ("canary", ""),
        ("name", "\udcff"),
    ],
)
def test_the_form_refuses_what_the_command_line_refuses_in_the_same_words(field: str, text: str) -> None:
    given: Any = {"lr": float, "epochs": float}.get(field, int if field in catalog.RANGES else str)(text)
    flags = {field: given, **({"steps": None} if field == "epochs" else {})}
    with pytest.raises(Refused) as refused:
        spec_of(flags)
    said = str(refused.value).removeprefix(f"--{field.replace('_', '-')} ")
    made = texts(**{field: text})
    assert made.faults == {refused.value.field: said}
    assert made.spec is None
    assert setup.command(made) == ""


@pytest.mark.parametrize(("field", "text"), [("lr", "fast"), ("batch", "2.5"), ("lr", ""), ("steps", "1e3")])
def test_what_is_no_number_is_said_beside_its_field(field: str, text: str) -> None:
    made = texts(**{field: text})
    if (field, text) != ("lr", ""):
        assert repr(text) in made.faults[field]
    assert "number" in made.faults[field]
    assert made.values[field] == text


def test_all_faulty_numbers_are_marked_at_once() -> None:
    assert set(texts(lr="0", batch="x", seed="-1").faults) == {"lr", "batch", "seed"}


def test_steps_take_the_epochs_out_and_the_reverse() -> None:
    made = texts(epochs="5")
    assert made.spec is not None
    assert (made.spec.steps, made.spec.epochs) == (None, 5.0)
    made = setup.put(made, "steps", "100")
    assert made.spec is not None
    assert (made.spec.steps, made.spec.epochs) == (100, None)
    assert set(texts(steps="").faults) == {"steps"}


def test_a_check_needs_the_unlearned_model_and_asks_for_nothing_about_training() -> None:
    made = texts(task="check", lr="nonsense")
    assert set(made.faults) == {"unlearned"}
    made = setup.put(made, "unlearned", "pocket-retrain")
    assert made.spec == RunSpec(task="check", unlearned="pocket-retrain")
    assert setup.command(made) == "unlearn-tui check --unlearned pocket-retrain"


def test_memorise_starts_with_its_own_values_and_gives_back_those_of_unlearning() -> None:
    made = texts(task="memorise")
    assert made.spec == RunSpec(
        task="memorise", method="memorise", weights="fp32", lr=2e-5, steps=None, epochs=10.0,
        precision=["fp16"], metric=["knowmem_forget", "knowmem_retain"],
    )  # fmt: skip
    assert setup.command(made) == "unlearn-tui memorise"
    assert setup.presets("memorise") == ()
    assert not {"method", "alpha", "beta", "retrain", "ablate", "unlearned"} & {n for row in made.rows for n in row}
    assert setup.put(made, "task", "unlearn").spec == RunSpec()


def test_what_was_chosen_by_hand_stays_when_the_task_changes() -> None:
    made = setup.put(texts(lr="1e-4", seed="3"), "task", "memorise")
    assert (made.values["lr"], made.values["seed"], made.values["weights"]) == ("1e-4", "3", "fp32")
    assert setup.command(made) == "unlearn-tui memorise --lr 1e-4 --seed 3"
    back = setup.put(made, "task", "unlearn")
    assert (back.values["lr"], back.values["weights"], back.values["steps"]) == ("1e-4", "bf16", "250")


def test_metrics_follow_the_corpus_until_somebody_chooses() -> None:
    made = setup.fit(Form(), {"verbmem_forget"})
    assert made.values["metric"] == "knowmem_forget,knowmem_retain"
    assert setup.fit(made, set()).values == Form().values
    chosen = setup.put(made, "metric", "knowmem_forget")
    assert setup.fit(chosen, set()).values["metric"] == "knowmem_forget"
    everything = set(catalog.METRICS)
    assert setup.fit(Form(), everything).values == Form().values  # nothing would be left: the corpus is refused instead


# -- the equivalent command --------------------------------------------------------------------------------------------

_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)
_names = st.lists(st.sampled_from(list(catalog.PRECISIONS)), unique=True, max_size=5)


def _values(name: str) -> st.SearchStrategy[str]:
    record = BY_NAME[name]
    if record.kind == "toggles":
        options = st.lists(st.sampled_from(record.options), unique=True, max_size=5)
        return options.map(lambda chosen: ",".join(["fp16", *chosen] if name == "precision" else chosen))
    if record.kind == "choice":
        return st.sampled_from(record.options)
    if name in ("lr", "alpha", "beta", "clip", "weight_decay"):
        return st.floats(1e-12, 1.0).map(str)
    if record.kind == "number":
        return st.integers(1, 9999).map(str)
    return _text if name != "device" else st.sampled_from(["auto", "cpu", "cuda", "cuda:3"])


_forms = st.fixed_dictionaries({}, optional={name: _values(name) for name in BY_NAME})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=_forms)
def test_the_command_parses_to_the_same_spec(values: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = texts(**values)
    if made.spec is None:
        return
    parsed: list[RunSpec] = []
    monkeypatch.setattr(run_command, "_begin", lambda specs, *_: parsed.extend(specs))
    assert cli._run(shlex.split(setup.command(made))[1:]) == 0, setup.command(made)
    assert parsed == [made.spec]


def test_the_command_names_only_what_differs_and_a_home_that_is_not_the_usual_one() -> None:
    made = form(lr=1e-5, corpus="/data/my corpus", precision=["fp16", "bnb-nf4"], cache=False)
    said = "unlearn-tui run --corpus '/data/my corpus' --lr 1e-5 --precision fp16,bnb-nf4 --no-cache"
    assert setup.command(made) == said
    assert setup.command(made, "/scratch") == f"{said} --home /scratch"


def test_a_value_that_looks_like_a_flag_stays_a_value() -> None:
    assert "--name=--json" in setup.command(texts(name="--json"))


# -- presets and the paper ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", list(catalog.PRESETS))
def test_a_preset_sets_all_of_training_and_leaves_the_rest(id: str) -> None:
    mine = texts(lr="1e-3", method="npo", clip="1", corpus="/my", seed="4", precision="fp32,bnb-nf4")
    made = setup.preset(mine, id)
    assert made.preset == id
    assert made.spec is not None
    kept = RunSpec(corpus="/my", seed=4, precision=["fp32", "bnb-nf4"], **catalog.PRESETS[id].values)
    assert made.spec == kept


def test_the_default_form_is_the_effect_preset_until_something_differs() -> None:
    assert Form().preset == "effect"
    assert texts(lr="1e-5").preset == ""
    assert texts(weights="fp32").preset == "control"


def test_the_papers_presets_hold_what_the_paper_says_for_the_method() -> None:
    news = setup.preset(texts(method="npo_gdr", corpus="/data/MUSE-News"), "paper-news").spec
    assert news is not None
    assert (news.lr, news.epochs, news.steps, news.batch, news.max_length) == (1e-5, 10.0, None, 4, 2048)
    assert (news.alpha, news.beta, news.forget_text, news.weights, news.method) == (1.0, 0.1, "raw", "bf16", "npo_gdr")
    books = setup.preset(texts(method="ga_gdr"), "paper-books").spec
    assert books is not None
    assert (books.epochs, books.alpha) == (5.0, 100.0)
    klr = setup.preset(texts(method="npo_klr"), "paper-books").spec
    assert klr is not None
    assert klr.alpha == 2.0
    unknown = setup.preset(texts(method="ga_klr", alpha="3"), "paper-books").spec
    assert unknown is not None
    assert unknown.alpha == 3.0


@pytest.mark.parametrize("record", catalog.PAPER)
def test_every_value_of_the_paper_has_a_source_and_can_be_used(record: catalog.PaperValue) -> None:
    assert "et al." in record.source
    made = form(**{record.field: record.value})
    assert made.spec is not None
    assert getattr(made.spec, record.field) == record.value


@pytest.mark.parametrize("id", list(catalog.PRESETS))
@pytest.mark.parametrize("method", list(catalog.METHODS))
def test_our_presets_alarm_nobody(id: str, method: str) -> None:
    made = setup.put(setup.preset(Form(), id), "method", method)
    assert paper.hints(made, items=46) == ()


def test_a_value_far_from_the_papers_is_pointed_out_with_the_papers() -> None:
    (hint,) = paper.hints(texts(lr="1e-3"))
    assert hint.text == "lr 1e-3 is 100 times the paper's 1e-5"
    assert "appendix D" in hint.source
    assert paper.hints(texts(lr="3e-5")) == ()
    assert paper.hints(texts(lr="3.1e-5")) != ()
    assert paper.hints(texts(lr="3.2e-6")) != ()


def test_what_the_method_does_not_use_is_not_pointed_out() -> None:
    books = texts(
        corpus="books", alpha="5", beta="9", max_length="16", forget_text="qa", epochs="5", batch="4", lr="1e-5"
    )
    assert [h.field for h in paper.hints(setup.put(books, "method", "ga"))] == []
    assert [h.field for h in paper.hints(setup.put(books, "method", "ga_gdr"))] == ["alpha"]
    assert [h.field for h in paper.hints(setup.put(books, "method", "npo"))] == ["beta"]
    raw = setup.put(books, "forget_text", "raw")
    assert [h.field for h in paper.hints(setup.put(raw, "method", "ga"))] == ["max_length"]


def test_steps_are_counted_as_epochs_where_the_items_are_known() -> None:
    news = texts(corpus="/muse/news", steps="400", batch="4", lr="1e-5", forget_text="raw")
    assert paper.hints(news) == ()
    assert paper.hints(news, items=160) == ()
    (hint,) = paper.hints(news, items=1600)
    assert hint.text == "400 steps are 1 epoch, 0.1 times the paper's 10"
    made = paper.use(setup.goto(news, "steps"), items=1600)
    assert made.spec is not None
    assert (made.spec.steps, made.spec.epochs) == (None, 10.0)


def test_accumulated_batches_count_as_one() -> None:
    (hint,) = paper.hints(texts(batch="4", grad_accum="8"))
    assert hint.text.startswith("batch 32 is 8 times")
    made = paper.use(texts(batch="4", grad_accum="8"))
    assert made.spec is not None
    assert (made.spec.batch, made.spec.grad_accum) == (4, 1)


def test_the_papers_value_goes_into_the_flagged_field_under_the_cursor_else_into_all() -> None:
    far = texts(lr="1e-3", batch="400")
    one = paper.use(setup.goto(far, "lr"))
    assert (one.values["lr"], one.values["batch"]) == ("1e-5", "400")
    both = paper.use(setup.goto(far, "model"))
    assert (both.values["lr"], both.values["batch"]) == ("1e-5", "4")


# -- moving about ------------------------------------------------------------------------------------------------------


def test_the_cursor_walks_every_field_and_stops_at_the_ends() -> None:
    made = setup.goto(Form(more=True), "task")
    seen = [made.at]
    while (after := setup.step(made, 1)).at != made.at:
        made = after
        seen.append(made.at)
    assert seen == [name for row in rows_of("unlearn", True) for name in row]
    assert setup.step(setup.goto(made, "task"), -1).at == "task"


def test_up_and_down_keep_the_column() -> None:
    made = setup.goto(Form(), "steps")
    assert setup.climb(made, 1).at == "max_length"
    assert setup.climb(setup.climb(made, 1), 1).at == "forget_text"
    assert setup.climb(made, -1).at == "weights"
    assert setup.climb(made, -100).at == "task"
    assert setup.climb(made, 100).at == FOLD


def test_left_and_right_move_along_a_row_turn_a_choice_and_walk_a_list() -> None:
    assert setup.turn(setup.goto(Form(), "lr"), 1).at == "steps"
    assert setup.turn(setup.goto(Form(), "lr"), -1).at == "lr"
    methods = list(catalog.METHODS)
    made = setup.goto(Form(), "method")
    for by in (1, -1):
        turned = made
        for _ in methods:
            turned = setup.turn(turned, by)
        assert turned.values == made.values
    assert setup.turn(made, 1).values["method"] == methods[methods.index("ga_klr") + 1]
    assert setup.turn(setup.goto(Form(), "precision"), 1).option == 1
    last = len(catalog.PRECISIONS)  # the chip that types the list
    assert setup.chips(Form(more=True), "precision")[last] == setup.TYPED
    assert setup.turn(setup.goto(Form(more=True), "precision", last), 1).option == last


def test_a_precision_with_options_is_a_chip_of_its_own_and_can_be_taken_out():
    made = setup.put(Form(), "precision", "fp16,bnb-fp4:double+block=128,rtn-int4:group=128")
    assert made.values["precision"] == "fp16,bnb-fp4:block=128+double,rtn-int4-g128"
    assert not made.faults
    chips = setup.chips(made, "precision")
    assert chips[-2:] == ("bnb-fp4:block=128+double", setup.TYPED)
    taken = setup.toggle(setup.goto(made, "precision", len(chips) - 2))
    assert taken.values["precision"] == "fp16,rtn-int4-g128"
    assert setup.toggle(setup.goto(made, "precision", len(chips) - 1)) == setup.goto(made, "precision", len(chips) - 1)
    bad = setup.put(Form(), "precision", "fp16,bnb-fp4:blok=1")
    assert "block=" in bad.faults["precision"]


def test_a_switched_precision_takes_its_place_behind_the_one_that_others_are_measured_against() -> None:
    def switch(made: Form, precision: str) -> Form:
        return setup.toggle(setup.goto(made, "precision", BY_NAME["precision"].options.index(precision)))

    made = switch(Form(), "fp32")
    assert made.values["precision"] == "fp16,fp32,bnb-int8,bnb-fp4"
    assert switch(made, "fp32").values == Form().values
    assert switch(switch(Form(), "bnb-int8"), "bnb-int8").values == Form().values
    made = switch(made, "fp16")
    assert made.values["precision"] == "fp32,bnb-int8,bnb-fp4"
    assert switch(made, "fp16").values["precision"] == "fp32,fp16,bnb-int8,bnb-fp4"


def test_the_fold_opens_and_a_folded_field_unfolds_it() -> None:
    assert setup.toggle(setup.goto(Form(), FOLD)).more
    assert setup.goto(Form(), "clip").more
    assert not setup.goto(Form(), "unlearned").more  # not a field of this task
    assert setup.goto(Form(), "unlearned").at == "model"


def test_what_files_had_against_a_field_goes_when_it_changes() -> None:
    made = setup.refuse(Form(), {"model": "no such model", "corpus": "no such corpus", "": "the disk is full"})
    assert set(made.faults) == {"model", "corpus", ""}
    assert set(setup.put(made, "model", "pocket-target").faults) == {"corpus"}


def test_what_an_engine_said_stays_until_its_field_changes() -> None:
    made = setup.reject(Form(), "clip", "too much")
    assert (made.at, made.more) == ("clip", True)
    assert setup.refuse(made, {}).faults == {"clip": "too much"}
    assert setup.put(made, "lr", "1e-5").faults == {"clip": "too much"}
    assert setup.put(made, "clip", "1").faults == {}
    assert setup.reject(Form(), "", "no such device").faults == {"": "no such device"}


def test_a_look_at_the_files_that_changes_nothing_leaves_what_the_engine_said() -> None:
    made = setup.reject(Form(), "", "no such device")
    assert setup.fit(setup.refuse(made, {}), made.lacking).faults == {"": "no such device"}


def test_values_come_from_a_spec_and_what_a_form_does_not_know_is_passed_over() -> None:
    made = setup.fill(Form(), {"steps": None, "epochs": 3.0, "schema": 1, "preset": "x", "model": "m", "nonsense": 1})
    assert made.spec is not None
    assert (made.spec.epochs, made.spec.steps, made.spec.model) == (3.0, None, "m")


def test_a_method_brings_its_own_numbers_where_nobody_chose_others() -> None:
    made = setup.put(Form(), "method", "simnpo_gdr")
    assert (made.values["beta"], made.values["gamma"]) == ("4.5", "0.125")
    assert "--beta" not in setup.command(made)
    back = setup.put(made, "method", "npo_klr")
    assert (back.values["beta"], back.values["gamma"]) == ("0.1", "1")
    mine = setup.put(setup.put(Form(), "beta", "0.7"), "method", "simnpo_gdr")
    assert (mine.values["beta"], mine.values["gamma"]) == ("0.7", "0.125")
    assert "--beta 0.7" in setup.command(mine)


def test_metrics_that_the_corpus_has_nothing_for_are_not_offered_unless_they_are_chosen() -> None:
    tofu = set(catalog.METRICS) - set(catalog.MUSE_METRICS)
    assert set(Form().options("metric")) == set(catalog.MUSE_METRICS)
    form = setup.fit(Form(), {"verbmem_forget"})
    assert set(form.options("metric")) == set(catalog.METRICS)
    one = setup.fit(setup.put(Form(), "metric", "tofu_prob_forget"), tofu)
    assert one.options("metric") == (*catalog.MUSE_METRICS, "tofu_prob_forget")
    at = setup.goto(one, "metric", 3)
    assert setup.turn(at, 1).option == 3, "the last one that is offered"
    assert setup.toggle(setup.goto(at, "metric", 0)).values["metric"] == "knowmem_forget,tofu_prob_forget"
    assert Form().options("precision") == tuple(catalog.PRECISIONS)


def test_a_name_of_several_metrics_is_written_out() -> None:
    spec = spec_of({"metric": "tofu,knowmem_forget"})
    assert spec.metric == [*catalog.METRIC_SETS["tofu"], "knowmem_forget"]
    assert spec_of({"metric": "muse"}).metric == RunSpec().metric
    with pytest.raises(Refused, match="twice"):
        spec_of({"metric": "muse,knowmem_forget"})
