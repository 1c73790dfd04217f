"""What was read or generated token by token: what both checkpoints expect, and the depth of refusals."""

from evalharness.records import (
    Completion,
)
from evalharness.records.depth import RefusalDepth
from evalharness.records.tokens import TokenComparison, TokenFacts
from evalharness.store.lines import Lines, StoredTokens
from evalharness.store.record_files import RecordFiles


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
