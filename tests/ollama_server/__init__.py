"""A server process that behaves like the recorded Ollama 0.32.15, its faults included; `running_server` starts one.

Different on purpose: what the real server ignores without a word is refused (`strict`), completions are words chosen by
a hash of weights and prompt, and faults come when asked for. In a prompt, `[loop]` gives one token without end,
`[empty]` nothing, `[words N]` N tokens and then the end.
"""

from ollama_server.running import running_server

__all__ = ["running_server"]
