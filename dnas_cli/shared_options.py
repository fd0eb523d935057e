"""Options that several commands, and functions of Python, share."""

from dnas_cli.typed_fields import Option

DEVICE = Option("auto, cpu, cuda, cuda:N or mps.", default="auto", panel="Machine")
OVERWRITE = Option("Replace what exists.", default=False, panel="Output")
LABELS_AS_IS = Option("Pair labels pixel by pixel, whatever their georeference.", default=False)
MAX_UNKNOWN = Option(
    "Largest share of a label in unknown colours or values.",
    default=0.05,
    at_least=0,
    at_most=1,
)
SHARD = Option(
    "Do part I of N.  [default: by the SLURM job array, else all]", metavar="I/N", panel="Machine"
)
VIEWS = Option("Average over 4 mirrored views, or 8 with turns.", default="plain", flag="--tta")
