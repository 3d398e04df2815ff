"""What each screen shows, in plain words, for someone who has not read the paper. Paragraphs are set apart by a line."""

from __future__ import annotations

WORDS = {
    "models": """\
These are the language models within reach: the small ones that come with
the program, folders you add, what Hugging Face has on this disk, and what
your own runs made. A target is a model that knows something. An unlearned
model is a target that was trained to lose a part of it: text under
copyright, say, or facts about a person.

Each row says how large a model is. The pane beside or below says whether it
fits into this machine at each precision, the number of bits a weight is
stored in, and what was made from it. Choose a target to unlearn from it; or
take somebody else's unlearned model and check it against its target.

Whether a model has forgotten takes a run that asks it: KM_f is its score on
the questions to be forgotten (low is forgotten), KM_r on those to be kept,
? that nobody has asked yet. The answers themselves are on Compare.""",
    "setup": """\
One run does all of it: the target is asked, unlearned, asked again, then
quantized - stored in fewer bits to save memory - and asked once more. The
form holds what can be chosen, the plan what it will take.

Method says how the model is made to forget: a forget part (GA, NPO) that
makes the old answers unlikely, and perhaps a retain part (GDR, KLR) that
holds on to everything else. Weights says how each small step is stored, and
that decides most: in pure bf16 large weights cannot take small steps. The
effect preset shows knowledge coming back, control and remedy are the same
run with steps stored otherwise.

A value far from the paper's is pointed out, which does not make it wrong.
Times in the plan are estimates; those without earlier runs are rough ones.""",
    "run": """\
A run as it happens. The forget loss falls as the text to be forgotten gets
less likely; the retain loss, where the method has one, rises as the model
drifts from what it should hold on to. The gradient norm shows how hard each
step pulls.

Losses do not tell whether anything is forgotten, so the model is asked. The
probe puts a few forget questions to it now and then; the canary is one
question asked again and again, with the probability of the right answer. A
probability may fall long before the answer itself changes. An arrow at a
score says that it came back: by the verdict, before that by a mean above
the interval at full precision. Charts draw the steps that the engine
logged, a few a second.

The run is a process of its own. Leave, close the terminal, lose the line:
it goes on. Stopped or killed, it resumes from its last save.""",
    "compare": """\
The same questions to the target and the unlearned model, at every
precision; INT4 is FP4, the paper's four bits. A score says how well the
wording matches the right answer, 0 to 100. Marked words are those of the
right answer that the unlearned model had lost at full precision. A mean has
an arrow only where chance among these questions does not explain it.

The verdict compares shares: what is left of the target's score, quantized
against full precision, with an interval from resampled questions.
`recovered` means knowledge came back, `partly` some of it, `no` next to
nothing, `not_unlearned` that it was hardly gone to begin with,
`inconclusive` that so few questions cannot tell. Where all questions score
alike, resampling sees no spread and the interval has no width.

It speaks of these questions, these models and these quantizers only. Shared
words can score without knowledge: read the answers themselves.""",
    "weights": """\
Unlearning moves the weights a little: that is the edit. A quantizer then
rounds every weight to one of a few values. If a weight rounds to the same
value as before, its part of the edit is gone. `kept` is how much of the
edit survives along its own direction: 1 all of it, 0 none, above 1 rounding
makes it larger. Each cell of the map is one matrix.

Below it weights are put by size. A bf16 weight moves in jumps that grow
with it, so steps of size lr only reach weights left of the freeze line;
larger steps reach further. Most quantizers store weights left of their zero
bin's edge as about zero: an edit that lies in there is thrown away. A part
of the edit scored alone still has all of the edit outside the matrices.

`same value`, the share of weights that round as before, says little by
itself: compare `kept`. These are measures of the weights; what the model
answers is on Compare.""",
    "inspect": """\
One prompt, asked of every model at every precision, by a process that keeps
the models in memory. With a known right answer each of its tokens gets a
probability, given those before it: that shows knowledge which never gets
said. Product is the probability of the whole answer, mean log the average
of the logarithms. Rank says how many tokens were as likely: 1 is the first.

Answers come token by token, side by side. A token's shape tells how likely
it was: bold, plain, underlined, dim. Two strokes mark where an answer parts
from the first column's. Greedy takes the likeliest token, sampling draws
with a seed: the same draws in every column.

Attacks ask the same in other ways: rephrased, after more worked examples,
or with the beginning of the right answer given. An arrow marks what the
plain prompt did not bring back. One prompt proves little: keep your own
questions as a corpus and score them.""",
    "runs": """\
Every run of this home: those going on, those finished, stopped or failed,
with the reason. A run is a folder that holds what was asked for, all that
was said while it ran, every answer and the final table.

A live run belongs to no terminal: watch it from here, from another window
or from none. A stopped or failed run can be resumed and goes on from its
last save; what was finished is not done again. Removing a run deletes its
folder with all that is in it, an unlearned model too.

A finished run says what one model, one corpus and one setting did. Two runs
compare fairly where only one thing differs between them.""",
    "sweeps": """\
A sweep is a grid of runs: every combination of some methods, learning
rates, update modes and seeds, one after the other. It owns no runs. A cell
is whichever run of this home was asked for the same, so what is there is
not done twice, and a sweep that was stopped or killed just goes on.

Each row is one setting, each column a seed: its sign says finished, at
work, stopped, failed or to come, and beside it stands its score at one
precision. Means over seeds stand to the right; with two seeds a spread says
little.

The recovery map puts learning rates across and quantizers down. A number is
the share of the target's score that the quantized unlearned model has: near
1 knowledge is back. An arrow says what was expected before training, up
that it returns, down that it stays away; an unequal sign marks an
expectation that was wrong.""",
}
"""By view. At most 16 lines of at most 76 cells each, so that a page fits a terminal of 80 by 24."""

METRIC_WORDS = {
    "verbmem_forget_sampled": """\
VerbMem sampled: each next word is drawn by its probability instead of
taking the likeliest, as the paper does, here with the run's seed. One draw
a passage: another seed gives other answers, and a model that knows a
passage may still lose its thread.""",
    "extraction_strength": """\
Extraction: the model is shown the true passage and must guess every next
token. The score is the part at the end that it guesses without a miss: 100
means that the prompt alone is enough. It is never 0: the last token counts
as guessed.""",
    "exact_memorization": """\
Exact mem.: the share of tokens guessed right when all tokens before are the
true ones. A model that never saw the passage guesses common words too, so
there is no verdict on it: compare with a retrained model.""",
    "privleak": """\
MIA AUC: do texts to forget look more familiar to the model than texts it
never saw? Near 0: yes, all of them; 50: no difference; near 100: they look
odder, which gives away that something was removed. PrivLeak in the final
table is the distance from a model retrained without them, in per cent.""",
}
"""What is said besides where a metric is in view."""
