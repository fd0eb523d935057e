"""The command line as a whole: what it loads, how it completes, how it fails."""

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dnas_cli import __version__
from dnas_cli.app import app
from tests.support.command_line import dnas, start_interpreter
from tests.support.small_models import write_model
from tests.support.small_runs import first_search

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "rasterio", "cv2", "sklearn", "matplotlib", "PIL", "scipy", "numpy")
COMPILER = "torch._dynamo"


def _process(*arguments: object, **environment: str) -> tuple[int, str, str]:
    """Run a command as a process; return its exit code, standard output and standard error."""
    process = start_interpreter(*arguments, env={**os.environ, **environment})
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def _loaded_by(*arguments: str) -> set[str]:
    """Return which heavy packages a command imports."""
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['dnas', *{list(arguments)!r}]\n"
        "try:\n    runpy.run_module('dnas_cli', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {(*HEAVY, COMPILER)!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(result.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize("arguments", [("--help",), ("search", "--help"), ("predict", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert _loaded_by(*arguments) == set()


def test_status_does_not_load_torch(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert "torch" not in _loaded_by("encode", str(run), "--stage", "1", "--data", str(tiny_tiles))
    assert (run / "run.json").is_file()
    assert "torch" not in _loaded_by("status", str(run))


def test_the_cost_of_a_model_is_counted_without_loading_the_compiler_of_torch(
    tmp_path: Path,
) -> None:
    loaded = _loaded_by("eval", str(write_model(tmp_path / "model.pt")), "--cost")
    assert "torch" in loaded
    assert COMPILER not in loaded  # which alone takes as long as everything else


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_up_to_date(shell: str) -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "completions/generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    committed = (ROOT / "completions" / generate.FILES[shell]).read_text()
    assert committed == generate.script(shell), "run `make completions`"


def test_completion_offers_commands_and_options() -> None:
    bash = {"_DNAS_COMPLETE": "complete_bash"}
    _, commands, _ = _process(**bash, COMP_WORDS="dnas se", COMP_CWORD="1")
    assert commands.split() == ["search"]
    _, options, _ = _process(**bash, COMP_WORDS="dnas search --bra", COMP_CWORD="2")
    assert options.split() == ["--branch"]


def test_version_is_printed() -> None:
    assert dnas("--version").stdout.strip() == f"dnas {__version__}"


def test_unknown_options_and_missing_arguments_are_wrong_usage(tmp_path: Path) -> None:
    dnas("search", tmp_path, "--stge", "1", code=2)
    dnas("search", code=2)
    dnas("fly", code=2)


def test_an_error_is_one_message_and_a_traceback_only_on_request(tmp_path: Path) -> None:
    code, _, message = _process("status", tmp_path)
    assert code == 4
    assert message.splitlines()[0].startswith("dnas: ")
    assert "Traceback" not in message
    code, _, message = _process("status", tmp_path, DNAS_DEBUG="1")
    assert "Traceback" in message
    assert code == 4


@pytest.mark.parametrize("arguments", [("--help",), ("predict", "--help"), ("info", "{file}")])
def test_a_reader_that_goes_away_is_no_error_worth_a_word(
    arguments: tuple[str, ...], tiny_scenes: Path
) -> None:
    scene = next(tiny_scenes.rglob("*.tif"))
    command = [argument.format(file=scene) for argument in arguments]
    with start_interpreter(*command) as process:
        assert process.stdout is not None
        process.stdout.close()  # as `| head -1` does, at the worst moment
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
class TestFullDevices:
    """`/dev/full` refuses every byte, as a full disk does."""

    @pytest.mark.parametrize("buffering", ["buffered", "unbuffered"])
    @pytest.mark.parametrize("arguments", [("--version",), ("info", "--help"), ("info", "{file}")])
    def test_a_result_that_cannot_be_written_is_one_message(
        self, arguments: tuple[str, ...], buffering: str, tiny_scenes: Path
    ) -> None:
        scene = next(tiny_scenes.rglob("*.tif"))
        command = [argument.format(file=scene) for argument in arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1" if buffering == "unbuffered" else ""}
        with Path("/dev/full").open("w") as full:
            process = start_interpreter(*command, env=environment, stdout=full)
        _, errors = process.communicate(timeout=120)
        assert errors == "dnas: standard output: No space left on device.\n"
        assert process.returncode == 1

    def test_a_message_that_cannot_be_written_keeps_its_exit_code(self, tmp_path: Path) -> None:
        with Path("/dev/full").open("w") as full:
            process = start_interpreter("info", tmp_path / "no.tif", stderr=full)
        process.communicate(timeout=120)
        assert process.returncode == 4


@pytest.mark.parametrize("stream", [">&-", "2>&-"])
def test_closed_streams_are_nowhere(stream: str, tiny_scenes: Path) -> None:
    scene = next(tiny_scenes.rglob("*.tif"))
    command = f"'{sys.executable}' -m dnas_cli info '{scene}' {stream}"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert result.stderr == ""
    assert result.returncode == 0


def test_quiet_prints_errors_only(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = dnas("encode", run, "--stage", "1", "--data", tiny_tiles, "-q")
    assert result.stderr == ""
    assert "--stage" in dnas("search", run, "--stage", "9", "-q", code=2).stderr


def _epochs(run: Path) -> list[str]:
    lines = (run / "dnas.log").read_text().splitlines()
    return [line.split(": epoch ")[1].split(",")[0] for line in lines if ": epoch " in line]


def test_a_quiet_run_has_the_same_log(searched: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    result = dnas(*first_search(tmp_path / "run", tiny_tiles, "-q"))
    assert "epoch 1" not in result.stderr
    assert len(_epochs(searched)) == 2
    assert _epochs(tmp_path / "run") == _epochs(searched)


COMMANDS = sorted(item.name or "" for item in app.registered_commands)


def test_every_command_has_a_summary_that_fits_its_line() -> None:
    shown = dnas("--help").stdout
    for name in COMMANDS:
        summary = (inspect.getdoc(_callback(name)) or "").partition("\n")[0]
        assert f" {summary} " in shown, name


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_breaks_between_words(command: str) -> None:
    shown = dnas(command, "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert shown == dnas(command, "-h").stdout
    words = inspect.getdoc(_callback(command))
    assert words is not None
    flat = " ".join(re.sub(r"[│╭╮╰╯─]", " ", shown).split())
    assert " ".join(words.replace("`", "").split()) in flat


def test_options_are_listed_in_panels() -> None:
    for command in ("search", "retrain"):
        shown = dnas(command, "--help").stdout
        panels = re.findall(r"^╭─ ([A-Z][a-z ]+) ─", shown, re.MULTILINE)
        assert set(panels) >= {"Network", "Training", "Machine", "Branch and resume", "Output"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("help",), "dnas --help"),
        (("serch",), "dnas search"),
        (("train",), "dnas retrain"),
        (("evaluate",), "dnas eval"),
        (("search", "run", "--wd", "3"), "--weight-decay"),
        (("search", "run", "--epoch", "3"), "--epochs"),
        (("predict", "model.pt", "--output", "x"), "--out"),
    ],
)
def test_a_mistyped_command_or_option_names_what_it_may_have_meant(
    typed: tuple[str, ...], meant: str
) -> None:
    message = " ".join(re.sub(r"[│╭╮╰╯─]", " ", dnas(*typed, code=2).stderr).split())
    assert re.search(rf"Did you mean [^?]*{meant}( or [^?]*)?\?", message), message


def test_what_resembles_nothing_is_only_refused() -> None:
    assert "Did you mean" not in dnas("xyzzy", code=2).stderr
    assert "Did you mean" not in dnas("search", "run", "--xyzzy", code=2).stderr


def _callback(name: str) -> Callable[..., None]:
    found = next(item.callback for item in app.registered_commands if item.name == name)
    assert found is not None
    return found
