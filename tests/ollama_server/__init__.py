"""A server in a thread that answers as the recorded Ollama 0.32.15 does, with its faults.

What it says of its models, and its errors, are the recordings' (`tests/ollama_recordings.jsonl`); its completions are
words chosen by a hash of weights and prompt. In a prompt, `[loop]` gives one token without end, `[empty]` nothing and
`[words N]` N tokens. What the real server ignores without a word is refused here (`strict`).
"""

from ollama_server.models import RECORDINGS
from ollama_server.running import RunningServer, running_server

__all__ = ["RECORDINGS", "RunningServer", "running_server"]
