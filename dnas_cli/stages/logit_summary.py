"""A summary of a supernet's logits after an epoch: their entropy and their coding."""

from dnas_cli.nets.cost_table import CostTable
from dnas_cli.nets.network import Network
from dnas_cli.run.rows import LogitFacts
from dnas_cli.space.coding import ArchitectureCoding, SearchSpace
from dnas_cli.space.decoding import normalised_entropy
from dnas_cli.space.logits import decode, logit_groups, logit_keys
from dnas_cli.training.job import Description

COLLAPSED = 0.02  # entropy as a share of the largest possible


def summarise_logits(
    space: SearchSpace, network: Network, table: CostTable | None = None
) -> Description:
    """Return entropy, the present coding, and the logits by key.

    Warns of collapsed logits: decided everywhere, or for the same operators everywhere.

    Args:
        space: The stage's space.
        network: Its supernet.
        table: Costs of parts, for the cost of the coding.
    """
    assert network.weighting is not None
    flat = network.weighting.effective_logits.detach().flatten().tolist()
    logits = dict(zip(logit_keys(space), flat, strict=True))
    groups = logit_groups(space, logits)
    entropy, coding = normalised_entropy(groups), decode(space, logits)
    body = coding.body()
    del body["layers"]
    warning = ""
    if entropy < COLLAPSED and any(len(group) > 1 for group in groups):
        warning = f"the logits are decided (entropy {entropy:.3f}) and will hardly change"
    elif isinstance(coding, ArchitectureCoding) and len(coding.operators) > 2:
        strongest = {max(range(len(group)), key=group.__getitem__) for group in groups}
        if len(strongest) == 1 and len(set(coding.operators)) == 1:
            warning = f"every node has the same operators: {', '.join(coding.operators[0])}"
    facts: LogitFacts = {"entropy": entropy, "decoded": body}
    if table is not None:
        facts["decoded_cost"] = table.of_coding(coding)
    return Description(facts, logits, warning)
