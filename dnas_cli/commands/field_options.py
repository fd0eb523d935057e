"""Options of the command line that are the fields of a dataclass."""

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from typing import Annotated, Any

import typer

from dnas_cli.training.settings import TrainingSettings
from dnas_cli.typed_fields import option_of, spelled, types_of

Command = Callable[..., None]


def options_from(**kinds: type[Any]) -> Callable[[Command], Command]:
    """Replace parameters of a command by one option for each field of a dataclass.

    The command gets the dataclass. For settings, which also come from presets and files, it gets
    the given values by name.

    Args:
        kinds: The dataclass of each replaced parameter.
    """

    def decorate(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            kind = kinds.get(parameter.name)
            if kind is None:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            else:
                parameters += [_parameter(kind, item) for item in fields(kind)]

        def run(**values: Any) -> None:
            for name, kind in kinds.items():
                own = {item.name: values.pop(item.name) for item in fields(kind)}
                if issubclass(kind, TrainingSettings):
                    values[name] = {key: value for key, value in own.items() if value is not None}
                else:
                    values[name] = kind(**own)
            command(**values)

        run.__doc__, run.__name__ = command.__doc__, command.__name__
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def _parameter(kind: type[Any], item: Field[Any]) -> inspect.Parameter:
    """Return a field as a parameter that typer turns into an option."""
    about, annotation, default = option_of(item), types_of(kind)[item.name], item.default
    text, panel = about.help, about.panel or "Training"
    if issubclass(kind, TrainingSettings):
        quick = f"; quick: {about.quick}" if about.quick is not None else ""
        quick += f"; strong: {about.strong}" if about.strong is not None else ""
        text += f" [default: {default}{quick}]"
        annotation, default = annotation | None, None
    flag = about.flag or f"--{spelled(item.name)}"
    made = typer.Option(
        flag, help=text, metavar=about.metavar, rich_help_panel=panel, show_default=default != ""
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, made],
    )
