"""What the tuning changed, token by token: both checkpoints read each completion, and their distributions are compared.

After Lin et al. 2023 (arXiv:2312.01552), with whole distributions instead of the likeliest tokens, the generated ids
instead of text encoded again, and intervals:

    vocabulary      one vocabulary, or a refusal
    texts           the completions of both sides as the tokens that were generated
    reading         teacher-forced passes: each checkpoint after its own prompt, then both after the same prompt
    distributions   rank, log-probability, entropy, divergence and the likeliest tokens at each position
    noise           what the batch alone changes
    summary         shares, divergences and log-ratios, with intervals from resampling samples
    shifted, words  the tokens that are shifted most often; sentences
    comparing       all of it as one record
"""
