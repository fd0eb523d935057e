"""Which scenes the user means, and which files their maps become."""

from pathlib import Path

import pytest

from dnas_cli.errors import DataError, UsageError
from dnas_cli.mapping.find_scenes import find_scenes
from dnas_cli.mapping.outputs import OutputPatterns, plan_outputs, scene_name


def test_folders_patterns_and_lists_are_expanded_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.tif", "a.TIF", "c.png", "notes.md"):
        (tmp_path / name).touch()
    listed = tmp_path / "list.txt"
    listed.write_text("# scenes\nc.png\n\ns3://bucket/far.tif\n")
    found = find_scenes([str(tmp_path / "b*"), str(tmp_path), str(listed)])
    names = [str(item).removeprefix(f"{tmp_path}/") for item in found]
    assert names == ["b.tif", "a.TIF", "c.png", "s3://bucket/far.tif"]


def test_remote_names_pass_untouched() -> None:
    names = ["s3://bucket/a[1].tif", "/vsicurl/https://a.org/*.tif", 'NETCDF:"a.nc":b']
    assert find_scenes(names) == names


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n# nothing\n")
    for argument in (tmp_path / "*.tif", tmp_path / "empty.txt", tmp_path / "missing.txt"):
        with pytest.raises(DataError):
            find_scenes([str(argument)])
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="holds no raster"):
        find_scenes([str(tmp_path / "folder")])


def test_a_folder_gets_a_geotiff_per_scene_and_a_pattern_what_it_says(tmp_path: Path) -> None:
    patterns = OutputPatterns(
        (str(tmp_path), "png/{name}.png"), {"confidence": "more/", "overlay": "{name}_view.png"}
    )
    outputs = patterns.for_scene("in/a.b.tif")
    assert outputs.maps == (tmp_path / "a.b.tif", Path("png/a.b.png"))
    assert outputs.beside == {
        "confidence": Path("more/a.b_confidence.tif"), "overlay": Path("a.b_view.png"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["map.jpg", "map.shp", "map.tif.gz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match="is not written") as refused:
        OutputPatterns((name,))
    assert ".gpkg" in str(refused.value)


def test_two_scenes_cannot_share_a_file() -> None:
    with pytest.raises(UsageError, match="cannot share one output"):
        plan_outputs(["a.tif", "b.tif"], OutputPatterns(("map.tif",)))


def test_scenes_of_one_name_are_refused_rather_than_lost() -> None:
    with pytest.raises(UsageError, match="written twice"):
        plan_outputs(["x/a.tif", "y/a.tif"], OutputPatterns(("maps/",)))


def test_a_scene_is_never_replaced_by_its_map(tmp_path: Path) -> None:
    scene = tmp_path / "a.tif"
    with pytest.raises(UsageError, match="is a scene that is read"):
        plan_outputs([str(scene)], OutputPatterns((str(tmp_path),)))


@pytest.mark.parametrize(
    ("scene", "name"),
    [
        ("s3://bucket/x/scene.tif", "scene"),
        ("/vsicurl/https://a.org/b.tif?x=1", "b"),
        ('NETCDF:"a.nc":red', "NETCDF_a.nc_red"),
        (".hidden", ".hidden"),
    ],
)
def test_names_of_remote_scenes_make_file_names(scene: str, name: str) -> None:
    assert scene_name(scene) == name
