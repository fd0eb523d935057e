"""What became of mapped scenes, as lines for a person."""

from collections.abc import Sequence

from dnas_cli.mapping.scene_result import SceneResult


def map_text(results: Sequence[SceneResult]) -> str:
    """Return a line per scene; of a single one that is done, the share of each class."""
    if len(results) > 1:
        width = max(len(result.scene) for result in results)
        return "\n".join(
            f"{result.status:8}{result.scene:{width}}  {_outputs(result, ' ')}".rstrip()
            for result in results
        )
    (result,) = results
    line = f"{result.scene} -> {_outputs(result, ', ')}"
    if result.status != "done":
        return f"{result.status}: {line}"
    width = max(len("no data"), *(len(item.name) for item in result.classes))
    lines = [line]
    for item in result.classes:
        area = "" if item.area_km2 is None else f"{item.area_km2:12.3f} km2"
        lines.append(f"  {item.name:{width}} {100 * item.share:6.2f} %{area}")
    return "\n".join([*lines, f"  {'no data':{width}} {result.pixels_without_data:>8} px"])


def _outputs(result: SceneResult, separator: str) -> str:
    return separator.join(map(str, result.outputs))
