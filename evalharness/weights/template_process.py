"""Renders chat templates in a separate process for `templates.py`: a template is a program that may never end.

Each input line is a chat, with its template and special tokens if they are new; each output line is an answer.
"""

import json
import sys
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from transformers.utils.chat_template_utils import render_jinja_template

MEMORY = 2**29
"""Memory limit of rendering, in bytes."""
LONGEST = 2**24
"""Longest rendered chat, in characters: longer than any context."""
RAISED = (TemplateError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError)
"""Errors that a template can raise; any other ends the process, which counts as an answer too."""


def main() -> None:
    """Answer until the input ends."""
    _bound_memory()
    _answer({"ready": sys.stdin.readline()})
    settings: dict[str, Any] = {}
    for line in sys.stdin:
        chat = json.loads(line)
        if "setting" in chat:
            settings[chat["key"]] = chat["setting"]
        _answer(_rendered(settings[chat["key"]], chat))


def _rendered(setting: dict[str, Any], chat: dict[str, Any]) -> dict[str, str]:
    try:
        [text], _ = render_jinja_template(
            conversations=[chat["messages"]],
            chat_template=setting["template"],
            add_generation_prompt=chat["reply"],
            **setting["tokens"],
        )
    except MemoryError:
        return {"error": f"it needs more than {MEMORY // 2**20} MiB"}
    except TemplateSyntaxError as error:
        return {"error": f"line {error.lineno}: {error.message}"}
    except TemplateError as error:
        return {"error": str(error) or type(error).__name__}
    except RAISED as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"text": text} if len(text) <= LONGEST else {"error": f"it renders more than {LONGEST} characters"}


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _bound_memory() -> None:
    """Limit the address space, if the system supports it."""
    sizes = Path("/proc/self/statm")
    if sys.platform == "linux" and sizes.exists():
        import resource

        used = int(sizes.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))


if __name__ == "__main__":
    main()
