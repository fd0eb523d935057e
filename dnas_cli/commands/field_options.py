"""Options of the command line that are the fields of a dataclass or the keys of a TypedDict."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer

from dnas_cli.commands.options import Quiet, Verbose
from dnas_cli.run.settings import TrainingSettings
from dnas_cli.typed_fields import Option, options_of, spelled

Command = Callable[..., None]


def options_from(**kinds: type[Any]) -> Callable[[Command], Command]:
    """Replace parameters of a command by one option for each field of a dataclass.

    The command gets the dataclass. For a TypedDict, and for settings, which also come from presets
    and files, it gets the given values by name.

    Args:
        kinds: The dataclass or TypedDict of each replaced parameter.
    """

    def decorate(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            kind = kinds.get(parameter.name)
            if kind is None:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            else:
                parameters += [_parameter(kind, name, *of) for name, of in options_of(kind).items()]

        def run(**values: Any) -> None:
            for name, kind in kinds.items():
                given = {
                    key: about.read(values.pop(key)) if about.read and values[key] is not None
                    else values.pop(key)
                    for key, (_, about, _) in options_of(kind).items()
                }  # fmt: skip
                if is_dataclass(kind) and not issubclass(kind, TrainingSettings):
                    values[name] = kind(**given)
                else:
                    values[name] = {key: item for key, item in given.items() if item is not None}
            command(**values)

        return _as(command, run, parameters)

    return decorate


def with_log_options(command: Command) -> Command:
    """Add --quiet and --verbose, which act when they are parsed."""

    def run(quiet: bool, verbose: bool, **values: Any) -> None:
        command(**values)

    own = inspect.signature(command).parameters.values()
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("quiet", Quiet), ("verbose", Verbose))
    ]
    return _as(
        command, run, [*(item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own), *more]
    )


def _as(command: Command, run: Command, parameters: list[inspect.Parameter]) -> Command:
    """Give a function the name and text of a command, and these parameters."""
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _parameter(
    kind: type[Any], name: str, annotation: Any, about: Option, default: Any
) -> inspect.Parameter:
    """Return a field as a parameter that typer turns into an option."""
    text, panel = about.help, about.panel or None
    if is_dataclass(kind) and issubclass(kind, TrainingSettings):
        quick = f"; quick: {about.quick}" if about.quick is not None else ""
        quick += f"; strong: {about.strong}" if about.strong is not None else ""
        text += f" [default: {default}{quick}]" if default != "" else ""
        annotation, default, panel = annotation | None, None, panel or "Training"
    elif about.read:
        annotation, default = str | None, None
    elif get_origin(annotation) in (Union, UnionType):  # typer takes one kind: the first
        annotation = get_args(annotation)[0] | None
    made = typer.Option(
        *(about.flag or f"--{spelled(name)}", *([about.alias] if about.alias else [])),
        help=text,
        metavar=about.metavar,
        rich_help_panel=panel,
        show_default=default != "",
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, made],
    )
