"""A run whose completions were read token by token, with made-up numbers: a word is a token."""

import random
from dataclasses import replace

from report_run import make_run

from evalharness.records import Completion
from evalharness.records.tokens import DepthCell, Divergence, RefusalDepth, SharedReading, TokenFacts, TokenReading
from evalharness.tokens.comparing import Circumstances, compare_tokens
from evalharness.tokens.depth import Side, points_of, sentences_of
from evalharness.tokens.texts import OTHER

EVIL = "<script>evil()</script>\u202e"
RANKS = (1, 1, 1, 2, 3, 4, 40)


def with_tokens(run=None):
    """The run with a comparison of tokens."""
    run = run or make_run()
    draw, words, facts, read = random.Random(7), {}, {}, []
    names = {"baseline": run.plan.baseline, "candidate": run.plan.candidate}
    asked = {author: {one.sample_id: one for one in run.requests_of(name)} for author, name in names.items()}
    for author, other in (("baseline", "candidate"), ("candidate", "baseline")):
        for sample_id, request in asked[author].items():
            outcome = run.outcomes.get(request.id)
            if isinstance(outcome, Completion) and outcome.text.split():
                ids = [words.setdefault(word, len(words)) for word in [*outcome.text.split(), EVIL]]
                one = made_facts(draw, request.id, asked[other][sample_id].id, author, ids)
                facts[one.request_id, one.other_id] = one
                read.append((run.plan.samples[sample_id], one))
    texts = {token: f" {word}" for word, token in words.items()}
    how = Circumstances(names, "float32 on cpu", True, False, len(asked["baseline"]), {author: {} for author in names},
                        None, 1.0, 0)  # fmt: skip
    compared = compare_tokens(read, how, texts.__getitem__, outcomes_digest="", facts_digest="")
    return replace(run, tokens=compared, token_facts=facts, depth=made_depth(draw, run, asked, names))


def made_depth(draw, run, asked, names):
    """Made-up curves: all samples count as prompts to refuse, which the candidate refuses."""
    sides, cells = [], {}
    for author, other in OTHER.items():
        for sample_id, request in asked[author].items():
            side = Side(author, author == "candidate", run.plan.samples[sample_id], request,
                        asked[other][sample_id].id, tuple(range(30)))  # fmt: skip
            sides.append(side)
            for one in side.openings:
                k = len(one.ids)
                cells[one.key] = DepthCell(
                    author=author, request_id=request.id, given_id=side.given_id, k=k, refuses_alone=side.refuses_alone,
                    given_refuses=author == "baseline" and k > 5, refuses=draw.random() < 0.5,
                )  # fmt: skip
    points = tuple(points_of(sides, cells))
    return RefusalDepth(
        baseline=names["baseline"], candidate=names["candidate"], metric="refusal.refused", version="1",
        outcomes_digest="", scores_digest="", continuations_digest="", n_prompts=len(sides) // 2, n_alike=0, n_unread=0,
        n_failed=1, points=points, cells=tuple(cells.values()), sentences=tuple(sentences_of(names, points)),
    )  # fmt: skip


def made_facts(draw, request_id, other_id, author, ids):
    """Numbers that fit together well enough to be shown."""
    n = len(ids)
    own = reading(draw, ids, [1] * n)
    other = reading(draw, ids, [draw.choice(RANKS) for _ in ids])
    divergence = Divergence(kl_candidate=[draw.random() for _ in ids], kl_baseline=[draw.random() for _ in ids])
    shared = SharedReading(logprobs=other.logprobs, ranks=other.ranks, divergence=divergence)
    sides = {author: own, "baseline" if author == "candidate" else "candidate": other}
    return TokenFacts(
        request_id=request_id, other_id=other_id, author=author, ids=ids, ended=False, own=divergence,
        after_baseline=shared, after_candidate=shared, **sides,
    )  # fmt: skip


def reading(draw, ids, ranks):
    """One side's numbers."""
    return TokenReading(
        logprobs=[-0.1 * rank for rank in ranks],
        ranks=ranks,
        entropies=[1.0 for _ in ids],
        ends=[draw.random() for _ in ids],
        likeliest=[((token, 0.5), (ids[-1], 0.25)) for token in ids],
    )
