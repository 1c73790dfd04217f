"""Both checkpoints of a finished run read its completions, token by token."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from evalharness.backends import open_backend
from evalharness.backends.backend import Backend, Teacher, open_teacher
from evalharness.errors import ConfigError, StoreError
from evalharness.pipeline.comparing import load_compared
from evalharness.pipeline.generating import Progress
from evalharness.pipeline.prefilling import measure_depth
from evalharness.records import CheckpointIdentity, ResolvedCheckpoint
from evalharness.records.tokens import Author, TokenComparison, TokenFacts, TokenNoise
from evalharness.report import render_html
from evalharness.store import Run, RunStore
from evalharness.tokens.comparing import Circumstances, compare_tokens, noise_of
from evalharness.tokens.reading import read_texts, refuse_different
from evalharness.tokens.texts import AUTHORS, Sides, Text, Texts, pairs_of, probes_of, texts_of

SAME = ("weights_digest", "adapter_digest", "tokenizer_digest", "template_digest")
"""Parts of an identity that must be those of the run; another device or version only changes rounding."""


def read_tokens(
    path: Path,
    *,
    limit: int | None = None,
    shared: bool = True,
    baseline: str | None = None,
    candidate: str | None = None,
    depth: bool = False,
    progress: Progress | None = None,
) -> TokenComparison:
    """Compare the two checkpoints of a run token by token, keep the result and draw the report again.

    Completions that were read before are not read again.

    Args:
        limit: most samples, drawn at random by the seed of the run; all by default.
        shared: read the completions after shared prompts too, which tells the format from the weights.
        depth: generate too, and keep how deep refusals go.

    Raises:
        BackendError: a backend gives no probabilities of given tokens.
        ConfigError: the two checkpoints do not share a tokenizer, or the run has no such checkpoint.
        StoreError: a checkpoint is not that of the run.
    """
    store = RunStore(path)
    with store.lock(), ExitStack() as stack:
        run = load_compared(store)
        names = {"baseline": baseline or run.plan.baseline, "candidate": candidate or run.plan.candidate}
        sides = _opened(run, _known(run, names), stack, progress or Progress())
        refuse_different(sides.teachers, sides.names, probes_of(run))
        reading = _Reading(store, run, sides, shared, progress or Progress())
        compared = reading.compared(texts_of(run, sides, limit))
        store.write_tokens(compared)
        if depth:
            store.write_depth(measure_depth(store, run, sides, pairs_of(run, sides, limit), reading.progress))
        store.write_report(render_html(store.load(run.plan)))
    return compared


def _known(run: Run, names: Mapping[str, str]) -> dict[Author, str]:
    """The names of both sides, if they are two checkpoints of the run."""
    known = [checkpoint.name for checkpoint in run.plan.checkpoints]
    unknown = [name for name in names.values() if name not in known]
    if unknown or names["baseline"] == names["candidate"]:
        named = f"no checkpoint {unknown[0]!r}" if unknown else f"{names['baseline']!r} on both sides"
        raise ConfigError(f"{run.path} has {named}", fix=f"name two of {', '.join(known)}")
    return {author: names[author] for author in AUTHORS}


def _opened(run: Run, names: dict[Author, str], stack: ExitStack, progress: Progress) -> Sides:
    """Both checkpoints loaded; the same one twice is loaded once."""
    resolved = {side.name: side for side in run.plan.checkpoints}
    backends: dict[Author, Backend] = {}
    now: dict[Author, ResolvedCheckpoint] = {}
    for author in AUTHORS:
        backends[author] = stack.enter_context(closing(open_backend(resolved[names[author]].checkpoint)))
        now[author] = backends[author].resolve()
        _refuse_other(names[author], resolved[names[author]].identity, now[author].identity)
    if now["baseline"].identity == now["candidate"].identity:
        backends["candidate"] = backends["baseline"]
    progress.load(" and ".join(names.values()))
    teachers = {author: open_teacher(backends[author], names[author]) for author in AUTHORS}
    return Sides(names, backends, teachers, {author: _room(now[author], teachers[author]) for author in AUTHORS})


def _room(resolved: ResolvedCheckpoint, teacher: Teacher) -> int | None:
    """Most tokens that can be read: a server generates one behind them."""
    return resolved.context_length and resolved.context_length - (teacher.top is not None)


def _refuse_other(name: str, planned: CheckpointIdentity, opened: CheckpointIdentity) -> None:
    for part in SAME:
        if getattr(planned, part) != getattr(opened, part):
            raise StoreError(
                f"checkpoint {name!r} has another {part.replace('_', ' ')} than in the run",
                fix="restore the checkpoint of the run, or run again",
            )


def _where(identity: CheckpointIdentity) -> str:
    if identity.dtype:
        return f"{identity.dtype} on {identity.device}"
    return " and ".join(f"{name} {version}" for name, version in identity.versions.items())


@dataclass(frozen=True)
class _Reading:
    """One reading of a run."""

    store: RunStore
    run: Run
    sides: Sides
    shared: bool
    progress: Progress

    def compared(self, texts: Texts) -> TokenComparison:
        """Read what is missing, then compare all."""
        same_prompts = all(text.prompts["baseline"] == text.prompts["candidate"] for text in texts.texts)
        known = self._known(texts.texts, shared=self.shared and not same_prompts)
        missing = [text for text in texts.texts if text.request_id not in known]
        start = time.monotonic()
        self._read(missing, texts, known, shared=self.shared and not same_prompts)
        seconds = time.monotonic() - start
        by_id = {request.id: self.run.plan.samples[request.sample_id] for request in self.run.plan.requests}
        read = [(by_id[text.request_id], known[text.request_id]) for text in texts.texts if text.request_id in known]
        outcomes, facts = self.store.token_digests()
        how = Circumstances(
            names=self.sides.names,
            conditions=self._conditions(),
            shared=self.shared,
            same_prompts=same_prompts,
            n_requests=texts.n_pairs,
            left_out=texts.left_out,
            noise=self._noise(texts.texts, known, missing),
            seconds=round(seconds, 1) if missing else None,
            seed=self.run.manifest.seed,
        )
        text_of = self.sides.teachers["baseline"].text_of
        return compare_tokens(read, how, text_of, outcomes_digest=outcomes, facts_digest=facts)

    def _known(self, texts: Sequence[Text], *, shared: bool) -> dict[str, TokenFacts]:
        """The facts of texts that were read before, as they are now."""
        self.store.recover("tokens.jsonl")
        stored = self.store.read_token_facts()
        kept = [(text, stored.get((text.request_id, text.other_id))) for text in texts]
        return {
            text.request_id: facts.model_copy(update={"encoded_again": text.encoded_again})
            for text, facts in kept
            if facts is not None
            and (facts.ids, facts.author) == (text.ids, text.author)
            and (facts.after_baseline is not None or not shared)
        }

    def _read(self, missing: Sequence[Text], texts: Texts, known: dict[str, TokenFacts], *, shared: bool) -> None:
        name = " and ".join(self.sides.names.values())
        total, longest = len(texts.texts), max((len(text.ids) for text in missing), default=0)
        self.progress.start(name, total=total, done=total - len(missing), longest=longest)
        try:
            with self.store.appending("tokens.jsonl") as out:
                for batch in read_texts(missing, self.sides.teachers, shared=shared):
                    if isinstance(batch, Text):
                        texts.left_out[batch.author]["too large for the memory"] += 1
                        continue
                    for facts in batch:
                        out.append(facts)
                        known[facts.request_id] = facts
                        self.progress.advance(tokens=len(facts.ids))
        finally:
            self.progress.finish()

    def _noise(
        self, texts: Sequence[Text], known: Mapping[str, TokenFacts], missing: Sequence[Text]
    ) -> TokenNoise | None:
        """Measured if anything was read; else as it was."""
        before = self.store.read_tokens()
        return before.noise if before and not missing else noise_of(texts, known, self.sides)

    def _conditions(self) -> str:
        identities = {author: self.sides.backends[author].resolve().identity for author in AUTHORS}
        where = dict.fromkeys(map(_where, identities.values()))
        rows = max(teacher.batch_size for teacher in self.sides.teachers.values())
        return f"{' and '.join(where)}, batches of up to {rows} completions"
