"""A local model as judge: which of two completions of a sample is better, asked in both orders.

A judge tends to prefer what it sees first, so a verdict counts for a side only if both orders agree. An unreadable
answer is not a verdict.
"""
