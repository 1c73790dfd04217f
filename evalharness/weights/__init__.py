"""Where the weights of checkpoints are, and how transformers loads them; for backends and reward models alike."""
