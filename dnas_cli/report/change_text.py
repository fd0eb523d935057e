"""What changed between two maps, as lines."""

from dnas_cli.mapping.change import Change


def change_text(found: Change) -> list[str]:
    """Return the transitions, most frequent first, and what a reader must know of them."""
    names = [f"{item.old} to {item.new}" for item in found.transitions]
    width = max(map(len, names), default=0)
    lines = [", ".join(map(str, found.files))]
    for name, item in zip(names, found.transitions, strict=True):
        area = "" if item.hectares is None else f"{item.hectares:14.2f} ha"
        lines.append(f"  {name:{width}} {100 * item.share:7.2f} %{area}")
    if found.unsure:
        lines.append(f"  left out, not sure enough: {found.unsure} px")
    return [*lines, found.caution]
