"""The networks of later stages: from decoded codings where they exist, else from assumed ones."""

from dataclasses import dataclass

from dnas_cli.nets.network import Network, NetworkShape, build_derived, build_supernet
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.space.assumed import assumed_architecture, assumed_connections, assumed_path
from dnas_cli.space.coding import first_space, second_space, third_space

RETRAINING = 4


@dataclass(frozen=True)
class ExpectedNetwork:
    """A network that will be trained.

    Attributes:
        network: The plain network.
        assumed: Assumptions in place of codings that do not exist yet; empty if all exist.
    """

    network: Network
    assumed: str


def expected_network(
    run: Run | None, layers: int, stage: int, shape: NetworkShape
) -> ExpectedNetwork:
    """Return the network of a stage, `RETRAINING` among them.

    Args:
        run: The run, if it exists.
        stage: 1 to 4.
        shape: Width, bands and classes.
    """
    if stage == 1:
        return ExpectedNetwork(build_supernet(first_space(layers), shape), "")
    if stage == RETRAINING and run is not None and _decoded(run, 3):
        return ExpectedNetwork(build_derived(run.architecture(), shape), "")
    if run is not None and stage > 2 and _decoded(run, 2):
        connections, assumed = run.connections(), ""
    elif run is not None and _decoded(run, 1):
        path = run.path()
        if stage == 2:
            return ExpectedNetwork(build_supernet(second_space(path), shape), "")
        connections, assumed = assumed_connections(path), "half of the connections below the path"
    else:
        path = assumed_path(layers)
        if stage == 2:
            return ExpectedNetwork(
                build_supernet(second_space(path), shape), "a path along the second scale"
            )
        connections = assumed_connections(path)
        assumed = "a path along the second scale, half of the connections below it"
    if stage == 3:
        return ExpectedNetwork(build_supernet(third_space(connections), shape), assumed)
    operators = "the three most expensive operators"
    return ExpectedNetwork(
        build_derived(assumed_architecture(connections), shape),
        f"{assumed}, {operators}" if assumed else operators,
    )


def _decoded(run: Run, stage: int) -> bool:
    return run.coding_path(CODINGS[stage]).is_file()
