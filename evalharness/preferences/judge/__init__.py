"""A local model as judge: which of two completions of one sample it prefers, asked in both orders.

A judge tends to prefer what it is shown first, so that only a verdict that both orders give counts for a side. What
cannot be read as a verdict is none.
"""

from evalharness.preferences.judge.asking import (
    Ask,
    Judge,
    JudgeSettings,
    judging_of,
    kept_preferences,
    open_judge,
    pairs_to_judge,
)
from evalharness.preferences.judge.prompt import JUDGE_PROMPT_VERSION, judge_prompt_text

__all__ = [
    "JUDGE_PROMPT_VERSION",
    "Ask",
    "Judge",
    "JudgeSettings",
    "judge_prompt_text",
    "judging_of",
    "kept_preferences",
    "open_judge",
    "pairs_to_judge",
]
