"""The `dnas` command line: its commands, and the one place where errors meet the user."""

import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dnas_cli import __version__, console
from dnas_cli.commands.baseline import baseline
from dnas_cli.commands.change import change
from dnas_cli.commands.decode import decode
from dnas_cli.commands.demo import demo
from dnas_cli.commands.encode import encode
from dnas_cli.commands.eval import evaluate
from dnas_cli.commands.export import export
from dnas_cli.commands.export_coding import export_coding
from dnas_cli.commands.field_options import with_log_options
from dnas_cli.commands.import_checkpoint import import_checkpoint
from dnas_cli.commands.info import info
from dnas_cli.commands.measure import measure
from dnas_cli.commands.predict import predict
from dnas_cli.commands.report import report
from dnas_cli.commands.retrain import retrain
from dnas_cli.commands.run import run
from dnas_cli.commands.search import search
from dnas_cli.commands.status import status
from dnas_cli.commands.suggest import suggest
from dnas_cli.commands.tile import tile
from dnas_cli.errors import DnasError
from dnas_cli.interruption import is_interruption, terminated_as_interrupted
from dnas_cli.shown_text import shown
from dnas_cli.similar_names import add_similar_names
from dnas_cli.standard_streams import named_standard_output

_MOST_LINES = 40  # of an error message
_LONGEST_LINE = 2000


class _Group(TyperGroup):
    """Turns every error into one message and its documented exit code."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        try:
            with named_standard_output():
                return super().main(*arguments, **more)
        except BrokenPipeError:  # `| head`: nobody reads on
            sys.exit(1)
        except OSError as error:  # the output is written at the end
            _report_os_error(error)
            sys.exit(1)

    def invoke(self, ctx: Any) -> Any:
        console.spell(partial(self._with_options, ctx))
        try:
            with terminated_as_interrupted(), ExitStack() as stack:
                if _is_one_of_several():
                    _join(stack)
                return super().invoke(ctx)
        # The first two are also RuntimeErrors; at a closed pipe (`| head`) typer ends in silence.
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except DnasError as error:
            _report(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            _report("interrupted.")
            raise typer.Exit(130) from error
        except OSError as error:  # a name that is too long, a disk that is gone
            _report_os_error(error)
            raise typer.Exit(1) from error
        except Exception as error:
            if hasattr(error, "show"):  # the command line's own errors print themselves
                add_similar_names(error)
                raise
            if is_interruption(error):
                _report("interrupted.")
                raise typer.Exit(130) from error
            _report(
                f"{type(error).__name__}: {shown(error)}\n"
                "This should not happen; set DNAS_DEBUG=1 for the traceback."
            )
            raise typer.Exit(1) from error

    def _with_options(self, ctx: Any, message: str) -> str:
        """Write parameters as the options of the invoked command.

        `window=0` becomes `--window 0`, `strict=True` `--strict`, `check=False` `--no-check`, and
        `bands=...` `--bands`.
        """
        command = self.commands.get(ctx.invoked_subcommand or "")
        if command is None:
            return message
        options = {item.name: item for item in command.params if item.opts[0].startswith("--")}

        def spelled(found: re.Match[str]) -> str:
            option = options[found[1]]
            off = option.secondary_opts if found[2] == "False" else ()
            return f"{[*off, option.opts[0]][0]}{'' if found[2] else ' '}"

        names = "|".join(map(re.escape, options))
        pattern = rf"(?<![^\s(])({names})=(?:(True\b|False\b|\.\.\.)|(?=\S))"
        return re.sub(pattern, spelled, message)


def _is_one_of_several() -> bool:
    """Whether torchrun started several processes of this command."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1") and "RANK" in os.environ


def _join(stack: ExitStack) -> None:
    """Lead the other processes until the stack closes; all but the first one follow, and end."""
    # Before torch is loaded: it reports every connection that another process closes.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if os.environ["RANK"] == "0":
        from dnas_cli.training.rank_messages import leading

        stack.enter_context(leading())
    else:
        from dnas_cli.stages.follow import follow

        raise typer.Exit(follow())


def _report_os_error(error: OSError) -> None:
    place = f"{error.filename}: " if error.filename else ""
    _report(shown(f"{place}{error.strerror or error}."))


def _report(message: str) -> None:
    """Print one error message, or the traceback when DNAS_DEBUG asks for it."""
    if os.environ.get("DNAS_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    lines = message.splitlines()[:_MOST_LINES]
    console.say("dnas: " + "\n".join(shown(_shortened(line)) for line in lines))


def _shortened(line: str) -> str:
    """Return a line without the middle of what would fill a terminal: names come before reasons."""
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]}...{line[-half:]}"


app = typer.Typer(
    cls=_Group,
    name="dnas",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    suggest_commands=False,  # `similar_names.py` does, for options as well
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        print(f"dnas {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Search, train and apply segmentation networks designed for your scenes.

    Scenes and labels become tiles (tile), tiles a model (run), and the model maps (predict). `run`
    searches and decodes an architecture in stages 1 to 3, retrains it and scores it; each of these
    is also a command.
    """
    console.configure()
    if threading.current_thread() is threading.main_thread():
        # It asks training to save, and may arrive before training starts.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


_COMMANDS: dict[str, Callable[..., None]] = {
    "tile": tile,
    "run": run,
    "encode": encode,
    "search": search,
    "decode": decode,
    "retrain": retrain,
    "measure": measure,
    "baseline": baseline,
    "eval": evaluate,
    "predict": predict,
    "change": change,
    "suggest": suggest,
    "status": status,
    "report": report,
    "info": info,
    "import": import_checkpoint,
    "export": export,
    "export-coding": export_coding,
    "demo": demo,
}
for name, command in _COMMANDS.items():
    app.command(name)(with_log_options(command))
