"""The only place that prints, so that no untrusted text controls a terminal or a CI log.

Names of checkpoints and models, ids, server messages and errors may hold escape sequences, bidirectional control
characters, line breaks, or GitHub workflow commands.
"""

import io
import logging
import os
import re
import sys
import warnings
from typing import TextIO

import click

from evalharness.formatting import HIDDEN, inert, visible

STYLE = re.compile("(\x1b\\[[0-9;]*m)")
LINE_END = re.compile(r"\s*[\r\n]+\s*")


def say(text: object, *, err: bool = False) -> None:
    """Print one line; a line break within it becomes a space."""
    click.echo(clean(LINE_END.sub(" ", str(text).rstrip())), err=err)


def say_block(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print lines made by evalharness, such as a table; styles are kept."""
    parts = [text] if is_plain(sys.stdout) else STYLE.split(text)
    click.echo("".join(part if STYLE.fullmatch(part) else clean(part) for part in parts), nl=nl, err=err)


def say_json(text: str, *, err: bool = False) -> None:
    """Print JSON; hidden characters and CI commands are escaped within strings, so the parsed value stays the same."""
    click.echo(HIDDEN.sub(lambda match: _json_escape(match[0]), text).replace("##", "#\\u0023"), err=err)


def say_command(line: str, *, err: bool) -> None:
    """Print one of our own workflow commands."""
    click.echo(line, err=err)


def clean(text: str) -> str:
    """The text with hidden characters made visible, and on GitHub with workflow commands disabled."""
    shown = visible(text)
    return inert(shown) if on_github() else shown


def on_github() -> bool:
    """Whether the output is read by GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def is_plain(stream: TextIO) -> bool:
    """Whether a stream takes no escape sequences: a pipe, a file, or a terminal whose user set NO_COLOR."""
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def show_error(error: click.ClickException) -> None:
    """Print an error of the command line's own."""
    shown = io.StringIO()
    error.show(shown)
    click.echo(clean(shown.getvalue()), err=True, nl=False)


def set_up_logging() -> None:
    """Send log messages to stderr, cleaned like all other output, without the libraries' notes to their developers."""
    warnings.simplefilter("ignore", FutureWarning)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CleanFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("evalharness").setLevel(logging.INFO)


class CleanFormatter(logging.Formatter):
    """Formats a message and cleans it."""

    def format(self, record: logging.LogRecord) -> str:
        """The message with hidden characters shown."""
        return clean(super().format(record))


def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code - 0x10000 & 0x3FF):04x}"
