"""Renders a chat template in a process of its own, for `templates.py`: a template is a program that may never end.

A line that is read is a chat, with its template and special tokens where they are new; each is answered by a line.
"""

import json
import sys
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from transformers.utils.chat_template_utils import render_jinja_template

MEMORY = 2**29
"""Bytes that rendering may take; more is a template that does not mean to end."""
LONGEST = 2**24
"""Characters of a rendered chat: more than any context has."""
RAISED = (TemplateError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError)
"""What the lines of a template can raise; anything else ends the process, which is an answer too."""


def main() -> None:
    """Answer until there is no more to read."""
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
        return {"error": f"it takes more than {MEMORY // 2**20} MiB"}
    except TemplateSyntaxError as error:
        return {"error": f"line {error.lineno}: {error.message}"}
    except TemplateError as error:
        return {"error": str(error) or type(error).__name__}
    except RAISED as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"text": text} if len(text) <= LONGEST else {"error": f"it gives more than {LONGEST} characters"}


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _bound_memory() -> None:
    """Bound the address space, where the system has such a bound."""
    sizes = Path("/proc/self/statm")
    if sys.platform == "linux" and sizes.exists():
        import resource

        used = int(sizes.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))


if __name__ == "__main__":
    main()
