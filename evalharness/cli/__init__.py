"""The command line. A command parses its flags, calls one function of the pipeline and prints the result."""

import errno
import os
import sys
from importlib import import_module

import click

from evalharness.cli.options import Suggesting
from evalharness.cli.terminal import say, set_up_logging, show_error
from evalharness.errors import EvalHarnessError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
COMMANDS = {
    "demo": "evalharness.cli.demo:demo",
    "run": "evalharness.cli.running:run",
    "merge": "evalharness.cli.running:merge",
    "plan": "evalharness.cli.running:plan",
    "score": "evalharness.cli.finished_runs:score",
    "compare": "evalharness.cli.finished_runs:compare",
    "import": "evalharness.cli.importing:import_",
    "judge": "evalharness.cli.judging:judge",
    "gate": "evalharness.cli.gating:gate",
    "aa-test": "evalharness.cli.running:aa_test",
    "tokens": "evalharness.cli.tokens:tokens",
    "compare-exports": "evalharness.cli.tokens:compare_exports",
    "check": "evalharness.cli.finished_runs:check",
    "report": "evalharness.cli.finished_runs:report",
    "show": "evalharness.cli.finished_runs:show",
    "rate": "evalharness.cli.sharing:rate",
    "export": "evalharness.cli.sharing:export",
    "suite": "evalharness.cli.suites:suite",
    "list": "evalharness.cli.setting_up:list_",
    "init": "evalharness.cli.setting_up:init",
    "doctor": "evalharness.cli.setting_up:doctor",
}


class CommandTable(Suggesting):
    """A group that imports a command on first use, in the order of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=CommandTable, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "EVALHARNESS"}
)
@click.version_option(package_name="evalharness")
def cli() -> None:
    """Compare a base and an instruct checkpoint of a local language model, pair by pair.

    Exit codes: 0 success, 1 crash, 2 usage or setup error, 3 a gate rule failed or an export parted, 4 the gate is
    undecided, 5 check found a damaged or incomplete run, 130 interrupted (continue with --resume).
    """


def main() -> None:
    """Run the command line; an error that the user can fix prints a problem and a fix, without a traceback."""
    if not sys.stderr.isatty():
        # The loading bars of transformers and the Hub are for a person; they would fill a log.
        os.environ.setdefault("TQDM_DISABLE", "1")
    set_up_logging()
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except EvalHarnessError as error:
        _refuse(error.problem, error.fix)
    except click.ClickException as error:
        show_error(error)
        sys.exit(error.exit_code)
    except click.Abort:
        say("Interrupted.", err=True)
        sys.exit(130)
    except MemoryError:
        _refuse("there is not enough memory", "close other programs or use a smaller suite; what was written is intact")
    except OSError as error:
        if error.filename is None and error.errno not in NO_ROOM:
            raise
        _refuse_file(error)


def _refuse_file(error: OSError) -> None:
    """The operating system refused a file or stdout; only the user can change that."""
    if error.filename is None:
        # What is left in the buffer of stdout would be refused once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    name = str(error.filename or "the output")
    _refuse(f"{name[:200]} cannot be used: {error.strerror}", "free some space, or name another file")


def _refuse(problem: str, fix: str) -> None:
    say(f"Error: {problem}", err=True)
    say(f"  Fix: {fix}", err=True)
    sys.exit(2)
