"""The run directory: its layout, atomic writes, append and resume. No other code opens run files.

manifest.json      the start of a run   format version, command, configuration, versions, hardware
plan.json          plan                 suites, resolved checkpoints, lint findings
requests.jsonl     plan                 one line a request, with its rendered prompt
outcomes.jsonl     generate             one line an outcome (completion or failure), notice or check; append-only
scores.jsonl       score                one line a score, written while scoring
scorers.json       score                versions, models with their digests, what each measures and how it is shown
comparison.json    compare              summaries, paired differences, findings, warnings
gate.json          gate                 the verdict of each gate rule, with its reason
preferences.jsonl  judge, rate import   which side a judge model or a person prefers
ratings.jsonl      rate import          what people say that a completion did, drawn with known probabilities
judgings.jsonl     judge                one line per judge model: its prompt, and the pairs on which it failed
tokens.jsonl       tokens               one line a completion that both checkpoints read, token by token; append-only
tokens.json        tokens               what the tuning changed, token by token: shares, divergences, shifted tokens
depth.jsonl        tokens --depth       one line a completion that begins with the other side's tokens; append-only
depth.json         tokens --depth       at which depth another beginning changes whether a checkpoint refuses
aa_test.json       aa-test              how much the baseline differs from itself
report.html        report               all of it, for people
digests.json       every stage          digests of files whose digest is in no other, by which `check` sees a change
"""

from evalharness.store.generation import FORMAT_VERSION, Appender
from evalharness.store.lines import uncollected
from evalharness.store.run import Run
from evalharness.store.run_store import RunStore

__all__ = ["FORMAT_VERSION", "Appender", "Run", "RunStore", "uncollected"]
