"""What a test may set: the faults, and the settings with their defaults."""

from typing import Any

Json = dict[str, Any]

FAULTS = {
    "runner_killed": "some lines and an error line (without streaming HTTP 500); the model must be loaded again",
    "broken_stream": "some lines, then the connection is cut (without streaming: closed with no reply)",
    "ended_stream": "some lines, then the stream ends properly with no final object",
    "no_reply": "the connection is closed with no reply",
    "busy": "HTTP 503",
    "error_500": "HTTP 500",
    "not_found": "HTTP 404, as if the model had been removed",
    "bad_json": "a line in mid-stream (without streaming: the reply) is cut JSON",
    "slow": "waits `slow_seconds` before anything is answered",
    "loop_abort": "31 identical tokens and the abort",
    "die": "some lines, then the whole server kills itself",
}
SETTINGS: Json = {
    "strict": True,  # refuse what the real server would ignore
    "old_server": False,  # knows neither truncate nor shift nor _debug_render_only
    "max_loaded": 1,
    "parallel": 1,
    "max_queue": 512,
    "token_seconds": 0.0,
    "load_seconds": 0.0,
    "slow_seconds": 1.0,
    "vram_share": 0.0,  # size_vram as a share of size in /api/ps
    "seed": 0,  # of the faults that have a probability
    "die_after": None,  # completions after which the server dies in the middle of the next
    "faults": {},  # name -> int: the next so many requests; float: a probability
    "models": [],  # {"name", "like", any field of Model}; a known name is changed, as by a new pull
}
