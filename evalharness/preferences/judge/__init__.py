"""A local model as judge: which of two completions of a sample is better, asked in both orders.

A judge tends to prefer what it sees first, so a verdict counts for a side only if both orders agree. An unreadable
answer is not a verdict.
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
