"""What is made from the outcomes of a run: scores, comparison, gate, opinions and the report."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from evalharness.errors import StoreError
from evalharness.records import (
    AATest,
    Comparison,
    Completion,
    GateReport,
    Judging,
    LabelRating,
    Plan,
    Preference,
    Score,
    ScorerIdentity,
    Scoring,
    digest,
)
from evalharness.records.tokens import RefusalDepth, TokenComparison, TokenFacts
from evalharness.store import files
from evalharness.store.lines import Lines, StoredScores, StoredTokens
from evalharness.store.record_files import RecordFiles, lines_of


class Digests(NamedTuple):
    """Digests of the files that others are derived from; empty if a file does not exist."""

    outcomes: str
    scores: str
    preferences: str
    judgings: str
    ratings: str

    @property
    def evidence(self) -> str:
        """Of outcomes and scores, from which a comparison is made and which people rate."""
        return digest([self.outcomes, self.scores])

    @property
    def opinions(self) -> str:
        """Of preferences, judgings and ratings; empty if there are none."""
        given = [self.preferences, self.judgings, *([self.ratings] if self.ratings else [])]
        return digest(given) if any(given) else ""


class ResultFiles(RecordFiles):
    """Reads and replaces results; what was made from a replaced one is removed."""

    def write_scores(self, scores: Iterable[Score], scorers: Iterable[ScorerIdentity] = ()) -> None:
        """Replace all scores; the old comparison and gate are removed."""
        self.write_score_lines(lines_of(scores), scorers)

    def write_score_lines(self, lines: Iterable[bytes], scorers: Iterable[ScorerIdentity]) -> None:
        """As `write_scores`, with each score as a line of JSON."""
        outcomes = self.digests().outcomes
        with self._writing():
            with self._replacing() as new:
                made = new.write("scores.jsonl", lines)
                scoring = Scoring(scorers=tuple(scorers), outcomes_digest=outcomes, scores_digest=made)
                new.write("scorers.json", [scoring.model_dump_json(indent=2).encode()])
            for name in ("comparison.json", "gate.json"):
                files.remove(self.path / name)

    def read_scores(self) -> StoredScores:
        """Read all scores; empty if the run was not scored yet."""
        with self._reading("scores.jsonl"):
            return StoredScores(Lines(self.path / "scores.jsonl", self._line_parser(Score, "scores.jsonl")))

    def read_scoring(self) -> Scoring | None:
        """The scorers and the outcomes that they scored; None if the run was not scored yet."""
        return self._parse_if_there(Scoring, "scorers.json")

    def digests(self) -> Digests:
        """Digests of the files that others are derived from."""
        names = ("outcomes.jsonl", "scores.jsonl", "preferences.jsonl", "judgings.jsonl", "ratings.jsonl")
        return Digests(*map(self._digest, names))

    def write_comparison(self, comparison: Comparison) -> None:
        """Replace the comparison; a gate of other evidence is removed."""
        self._replace_shown("comparison.json", comparison.model_dump_json(indent=2))
        gate = self.read_gate()
        if gate is not None and gate.evidence_digest != comparison.evidence_digest:
            with self._writing():
                files.remove(self.path / "gate.json")

    def read_comparison(self) -> Comparison | None:
        """Read the comparison; None if there is none yet."""
        return self._parse_if_there(Comparison, "comparison.json")

    def _comparison_of(self, plan: Plan) -> Comparison | None:
        comparison = self.read_comparison()
        if comparison is not None:
            candidates = (other.candidate for other in comparison.other_comparisons)
            named = {comparison.baseline, comparison.candidate, *candidates}
            if unknown := named - {checkpoint.name for checkpoint in plan.checkpoints}:
                raise StoreError(
                    f"{self.path / 'comparison.json'} compares {min(unknown)!r}, which is not in the plan",
                    fix=f"compare again: evalharness score {self.path}",
                )
        return comparison

    def write_gate(self, report: GateReport) -> None:
        """Replace the results of the gate rules."""
        self._replace_shown("gate.json", report.model_dump_json(indent=2))

    def read_gate(self) -> GateReport | None:
        """Read the results of the gate rules; None if they were not judged."""
        return self._parse_if_there(GateReport, "gate.json")

    def write_preferences(self, preferences: Iterable[Preference]) -> None:
        """Replace all preferences."""
        self.write_opinions(preferences, None)

    def write_opinions(self, preferences: Iterable[Preference], judgings: Iterable[Judging] | None) -> None:
        """Replace all preferences and, if given, the judgings, together or not at all."""
        with self._replacing() as new:
            new.write("preferences.jsonl", lines_of(preferences))
            if judgings is not None:
                new.write("judgings.jsonl", lines_of(judgings))

    def write_ratings(self, ratings: Iterable[LabelRating]) -> None:
        """Replace all labels that people gave."""
        self._write_lines("ratings.jsonl", ratings)

    def read_ratings(self) -> tuple[LabelRating, ...]:
        """Read the labels that people gave; empty if there are none."""
        return self._parse_lines(LabelRating, "ratings.jsonl")

    def read_preferences(self) -> tuple[Preference, ...]:
        """Read the preferences of people and judges; empty if there are none."""
        return self._parse_lines(Preference, "preferences.jsonl")

    def read_judgings(self) -> tuple[Judging, ...]:
        """Read the judgings of all judges; empty if there are none."""
        return self._parse_lines(Judging, "judgings.jsonl")

    def write_aa_test(self, test: AATest) -> None:
        """Write the result of an A/A test."""
        self._write("aa_test.json", test.model_dump_json(indent=2))

    def read_aa_test(self) -> AATest:
        """Read it.

        Raises:
            StoreError: this run was not an A/A test.
        """
        return self._parse(AATest, "aa_test.json")

    def write_report(self, html: str) -> Path:
        """Replace the report and return its path."""
        self._write("report.html", html)
        return self.path / "report.html"

    def has_report(self) -> bool:
        """Whether there is a report; an outdated report is removed when its results are replaced."""
        return self._holds("report.html")


class TokenFiles(RecordFiles):
    """Reads what was appended for each completion, and reads and replaces what is made from it."""

    def read_token_facts(self) -> StoredTokens:
        """What both checkpoints make of each completion; empty if `tokens` was not run."""
        with self._reading("tokens.jsonl"):
            parse = self._line_parser(TokenFacts, "tokens.jsonl")
            return StoredTokens(Lines(self.path / "tokens.jsonl", parse, growing=True))

    def write_tokens(self, comparison: TokenComparison) -> None:
        """Replace the comparison of tokens."""
        self._replace_shown("tokens.json", comparison.model_dump_json(indent=2))

    def read_tokens(self) -> TokenComparison | None:
        """Read the comparison of tokens; None if there is none."""
        return self._parse_if_there(TokenComparison, "tokens.json")

    def token_digests(self) -> tuple[str, str]:
        """Digests of the files that a comparison of tokens is made from: outcomes and facts."""
        return self._digest("outcomes.jsonl"), self._digest("tokens.jsonl")

    def _tokens_of_now(self) -> TokenComparison | None:
        """The comparison of tokens, unless outcomes or facts changed since."""
        tokens = self.read_tokens()
        same = tokens is not None and (tokens.outcomes_digest, tokens.facts_digest) == self.token_digests()
        return tokens if same else None

    def read_continuations(self) -> dict[str, Completion]:
        """Completions that were made to begin with the other side's tokens, by a digest over all that they are of."""
        with self._reading("depth.jsonl"):
            parse = self._line_parser(Completion, "depth.jsonl")
            return {made.request_id: made for _, made in Lines(self.path / "depth.jsonl", parse, growing=True)}

    def write_depth(self, depth: RefusalDepth) -> None:
        """Replace what is known of the depth of refusals."""
        self._replace_shown("depth.json", depth.model_dump_json(indent=2))

    def read_depth(self) -> RefusalDepth | None:
        """Read it; None if there is none."""
        return self._parse_if_there(RefusalDepth, "depth.json")

    def depth_digests(self) -> tuple[str, str, str]:
        """Digests of the files that it is made from: outcomes, scores and continuations."""
        return self._digest("outcomes.jsonl"), self._digest("scores.jsonl"), self._digest("depth.jsonl")

    def _depth_of_now(self) -> RefusalDepth | None:
        """The depth of refusals, unless what it is made from changed since."""
        depth = self.read_depth()
        return depth if depth is not None and depth.made_of == self.depth_digests() else None
