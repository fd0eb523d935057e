"""`dnas measure`: times of a network's parts on this device."""

from dataclasses import asdict
from typing import Annotated

import typer

from dnas_cli.commands.options import AsJson, Device, RunArgument, Threads
from dnas_cli.standard_streams import print_json, print_lines


def measure(
    run: RunArgument,
    head: Annotated[int, typer.Option(min=1, max=4096, help="Channels of the head.")] = 256,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Measure a network's parts on this device: RUN/times.json.

    Searches with --target-ms read these times, and measure by themselves where there are none.
    """
    from dnas_cli import api
    from dnas_cli.report.times_table import times_text

    times = api.measure(run, head, device)
    if as_json:
        print_json(asdict(times))
    else:
        print_lines(*times_text(times))
