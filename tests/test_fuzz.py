"""Input that is broken or means harm: refused in one message, without running, hanging or growing.

Byte-level mutations of whole files are in `test_torture.py`, and by the thousand in `make torture`.
"""

import json
import os
import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import dnas, done, refused
from crowd import crowd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_models import write_model
from small_runs import first_search

from dnas_cli.errors import DataError, DnasError
from dnas_cli.evaluation.evaluate import Evaluation
from dnas_cli.files import content_hash, parse_json
from dnas_cli.model.model_file import load_model
from dnas_cli.run.manifest import Manifest
from dnas_cli.run.rows import read_rows
from dnas_cli.space.coding import (
    ArchitectureCoding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
)
from dnas_cli.space.release1 import read_release1
from dnas_cli.tiles.description import parse_description
from dnas_cli.tiles.lists import read_list
from dnas_cli.training.settings import RetrainSettings, SearchSettings, SettingsChoice
from dnas_cli.yaml_files import parse_yaml

quickly = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../..", "a\nb", "\x1b[2J", "stage1", "conv1x1", "sha256:0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)

MANIFEST = {
    "schema": "dnas/run",
    "version": 1,
    "dnas": "1",
    "created": "2026-01-01T00:00:00+00:00",
    "tile_set": {"path": "../tiles", "fingerprint": "sha256:0"},
    "network": {"layers": 3, "width": 4},
    "lineage": {"parent": "../a", "taken_over": "path", "created": "2026"},
    "stages": {"stage1": {"phase": "finished", "settings": {"epochs": 2}, "epochs_done": 2}},
}
PATH = PathCoding((0, 1, 1))
CONNECTIONS = ConnectionCoding(second_space(PATH).graph)
ARCHITECTURE = ArchitectureCoding(
    CONNECTIONS.graph, tuple(("conv1x1", "conv3x3") for _ in CONNECTIONS.graph.nodes)
)
ROW = {"epoch": 0, "loss": 1.0, "val": {"mean_iou": 0.5, "iou": [0.5, None]}, "seconds": 1.0}
DESCRIPTION = {
    "name": "own",
    "images": "images/{scene}.tif",
    "labels": "labels/{scene}.png",
    "bands": ["red", "green"],
    "ignore": [[0, 0, 0]],
    "classes": {"water": [0, 0, 255], "land": "#00ff00"},
    "normalisation": {"scale": 1.0, "mean": [0.0, 0.0], "std": [1.0, 1.0]},
}


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """Return a copy of a document with one value replaced, removed or repeated."""
    copy = json.loads(json.dumps(document))
    parent = copy
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return copy
        key = draw(st.sampled_from(keys))
        if isinstance(parent[key], dict | list) and parent[key] and draw(st.booleans()):
            parent = parent[key]
            continue
        how = draw(st.sampled_from(["replace", "replace", "remove", "repeat"]))
        if how == "remove":
            del parent[key]
        elif how == "repeat" and isinstance(parent, list):
            parent.append(parent[key])
        else:
            parent[key] = draw(plain)
        return copy


@quickly
@given(st.one_of(changed(MANIFEST), plain))
def test_any_manifest_is_read_or_refused(value: Any) -> None:
    try:
        manifest = Manifest.from_json(value, "run.json")
    except DataError:
        return
    assert Manifest.from_json(manifest.to_json(), "again") == manifest


@quickly
@given(st.data())
def test_any_coding_is_read_or_refused(data: st.DataObject) -> None:
    kinds = [first_space(4), second_space(PATH), PATH, CONNECTIONS, ARCHITECTURE]
    coding = data.draw(st.sampled_from(kinds))
    document = data.draw(st.one_of(changed(coding.document()), plain))
    kind = data.draw(
        st.sampled_from([SearchSpace, PathCoding, ConnectionCoding, ArchitectureCoding])
    )
    try:
        read = kind.from_document(document, "coding.json")
    except DataError:
        return
    assert read.body() == kind.from_body(read.body(), None).body()


@quickly
@given(st.one_of(changed(ROW), plain, st.text()))
def test_any_history_is_read_or_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "history.jsonl"
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        rows = read_rows(path)
    except DataError:
        return
    assert all(row["epoch"] >= 0 for row in rows)


@quickly
@given(st.one_of(changed(DESCRIPTION), plain))
def test_any_description_is_read_or_refused(value: Any) -> None:
    try:
        parse_description(json.dumps(value), "own.yaml", "own")  # JSON is YAML
    except DataError:
        return


@quickly
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_json_and_yaml_or_refused(text: str) -> None:
    for parse in (parse_json, parse_yaml):
        try:
            parse(text, "file")
        except DataError:
            continue


@quickly
@given(st.text(st.sampled_from("ab/.\\\t \n:\x00é~"), max_size=40))
def test_any_list_stays_below_its_folder(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.lst"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        refs = read_list(path)
    except DataError:
        return
    for ref in refs:
        for name in (ref.image, ref.label):
            inside = Path(os.path.normpath(tmp_path / name))
            assert inside.is_relative_to(tmp_path)


@quickly
@given(st.dictionaries(st.sampled_from(["epochs", "seed", "loss", "momentum", "crop"]), plain))
def test_any_settings_are_taken_or_refused(values: dict[str, Any]) -> None:
    for kind in (SearchSettings, RetrainSettings):
        try:
            SettingsChoice("paper", None, values).resolve(kind, {})
        except DnasError:
            continue


@quickly
@given(
    st.sampled_from(["<i8", "<i4", "<f4", "|O", "|b1", "<c8", "<U3"]),
    st.lists(st.integers(0, 5), max_size=4),
    st.integers(-1, 9),
)
def test_any_array_is_a_coding_or_refused(
    tmp_path: Path, dtype: str, shape: list[int], fill: int
) -> None:
    paths = (tmp_path / "a.npy", tmp_path / "b.npy")
    for path in paths:
        np.save(path, np.full(shape, fill).astype(dtype), allow_pickle=True)
    with pytest.raises(DataError):
        read_release1(*paths)


@quickly
@given(st.data())
def test_any_evaluation_is_read_or_refused(data: st.DataObject) -> None:
    document = {
        "schema": "dnas/evaluation", "version": 1, "references": [], "cost": None,
        "subject": {"model": "m", "model_hash": "h", "data": "d", "fingerprint": "f",
                    "split": "test", "items": 3},
        "classes": [{"name": "a", "colour": [1, 2, 3]}],
        "confusion": {"counts": [[5]], "unpredicted": [0]},
    }  # fmt: skip
    try:
        Evaluation.from_json(data.draw(changed(document)), "test.json")
    except DataError:
        return


@pytest.fixture(scope="module")
def searched(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage is decoded."""
    run = tmp_path_factory.mktemp("searched") / "run"
    done(*first_search(run, tiny_tiles))
    done("decode", run, "--stage", 1)
    return run


@pytest.fixture
def run(searched: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(searched, tmp_path / "run"))


DEEP = "[" * 1_000_000
RATHER_DEEP = '{"a":' * 500 + "1" + "}" * 500


@pytest.mark.parametrize("text", [DEEP, RATHER_DEEP, "[" * 900 + "]" * 900])
@pytest.mark.parametrize(
    "name", ["run.json", "coding/stage1.json", "coding/path.json", "search/stage1/logits.jsonl"]
)
def test_json_nested_a_million_deep_is_refused(run: Path, name: str, text: str) -> None:
    (run / name).write_text(text)
    refused(4, *(("status", run) if name == "run.json" else ("decode", run, "--stage", 1)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", {"layers": 10**9, "width": 4}),
        ("network", {"layers": 3, "width": 10**9}),
        ("network", {"layers": "3", "width": 4}),
        ("tile_set", {"path": "\0", "fingerprint": "x"}),
        ("tile_set", {"path": "x" * 5000, "fingerprint": "x"}),
        ("stages", {"stage9": {"phase": "finished"}}),
        ("stages", {"stage1": {"phase": "finished", "epochs_done": -1}}),
        ("lineage", {"parent": 3}),
        ("stages", {"stage1": {"phase": "finished", "colour": "red"}}),
        ("tile_set", {"path": "x", "fingerprint": "x", "colour": "red"}),
    ],
)
def test_absurd_values_in_a_manifest_are_refused(run: Path, key: str, value: Any) -> None:
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, key: value}))
    said = refused(4, "status", run)
    assert "not a valid manifest" in said
    assert ("unknown: colour" in said) == ("colour" in str(value))


def _seal(document: dict[str, Any]) -> str:
    body = {key: value for key, value in document.items() if key != "hash"}
    return json.dumps({**body, "hash": content_hash(body)})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"edges": [[[0, 0], [1, 0]], [[1, 0], [0, 0]]]}, "later layer"),  # a cycle
        ({"edges": [[[0, 0], [0, 0]]]}, "later layer"),
        ({"edges": [[[-1, 0], [0, 0]], [[0, 0], [5, 0]]]}, "not on the lattice"),
        ({"edges": []}, "no node"),
        ({"edges": [[[-1, 0], [0, 0]]] * 40_000}, "more than any lattice"),
        ({"layers": 10**12}, "layers"),
        ({"operators": {"0,0": ["rm -rf"]}}, "operators"),
    ],
)
def test_a_coding_that_is_no_network_is_refused(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    path = tmp_path / "architecture.json"
    path.write_text(_seal({**ARCHITECTURE.document(), **change}))
    assert word in refused(4, "export-coding", path, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_path_longer_than_any_lattice_is_refused(run: Path) -> None:
    document = json.loads((run / "coding/path.json").read_text())
    (run / "coding/path.json").write_text(_seal({**document, "path": [0] * 1000}))
    assert "64 layers at most" in refused(4, "encode", run, "--stage", 2)


def test_a_name_that_is_too_long_is_one_message(tmp_path: Path) -> None:
    assert "too long" in refused(1, "status", tmp_path / ("x" * 300))


def test_a_coding_of_ten_million_edges_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"
    with path.open("w") as file:
        file.write('{"schema": "dnas/architecture-coding", "edges": [')
        file.write("[[0,0],[1,0]]," * 10_000_000)
        file.write("[[0,0],[1,0]]]}")
    assert "too large" in refused(4, "export-coding", path, "--out", tmp_path / "out")


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n"
    for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "[" * 100_000,
        "classes: !!python/object/apply:os.system ['touch here']",
        "epochs: " + "9" * 4000,
        "epochs: .inf",
        "learning-rate: .nan",
        "? [a, b]\n: c",
        "\x00",
        "a: 1\na: 2",
    ],
)
def test_yaml_that_means_harm_is_refused(
    run: Path, tiny_scenes: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(text)
    refused(4, "tile", tiny_scenes, "--dataset", path, "--out", tmp_path / "tiles")
    assert dnas("search", run, "--stage", 2, "--settings", path).exit_code in (2, 4)
    assert not (tmp_path / "here").exists()


class _Touch:
    """Unpickles to a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_model_file_that_tries_to_run_code_does_not(run: Path, tmp_path: Path) -> None:
    mark, model = tmp_path / "mark", tmp_path / "model.pt"
    write_model(model)
    content = torch.load(model, weights_only=True)
    content["facts"]["provenance"]["more"] = _Touch(mark)
    torch.save(content, model)
    shutil.copy(model, run / "search/stage1/last.pt")
    shutil.copy(model, run / "model.pt")
    bare = tmp_path / "bare.pt"
    bare.write_bytes(pickle.dumps(_Touch(mark)))
    scene = tmp_path / "scene.png"
    scene.write_bytes(b"never read")
    for path in (model, bare, run / "model.pt"):
        refused(4, "predict", path, scene, "--out", tmp_path / "map.png")
        refused(4, "info", path)
    refused(4, "eval", model, tmp_path)
    assert "asks to run code" in refused(4, "search", run, "--stage", 1, "--extend", 1)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("width", 10**6),
        ("width", -2),
        ("tile_size", 10**12),
        ("bands", ["\x1b[2J"] * 3),
        ("classes", [{"name": "a\nb", "colour": [0, 0, 0]}]),
        ("classes", [{"name": "a", "colour": [0, 0, 999]}]),
        ("normalisation", {"scale": float("nan"), "mean": [0.0] * 3, "std": [1.0] * 3}),
    ],
)
def test_a_model_with_absurd_facts_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    path = write_model(tmp_path / "model.pt")
    content = torch.load(path, weights_only=True)
    content["facts"][key] = value
    torch.save(content, path)
    with pytest.raises(DataError, match="not a valid model"):
        load_model(path, torch.device("cpu"))


def test_a_flipped_bit_in_a_model_is_noticed(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.pt")
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum"):
        load_model(path, torch.device("cpu"))


def test_a_raster_of_absurdly_many_bands_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    _absurd_tiff(path, 10, 10, bands=65_535)
    assert "65,535 bands" in refused(4, "info", path)


def _absurd_tiff(path: Path, width: int, height: int, bands: int = 1) -> None:
    """Write a TIFF of one strip whose header claims a size."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8),
        (277, 3, bands), (278, 4, height), (279, 4, 100),
    ]  # fmt: skip
    body = struct.pack("<H", len(tags))
    for tag, kind, value in tags:
        body += struct.pack("<HHII", tag, kind, 1, value)
    path.write_bytes(b"II*\0" + struct.pack("<I", 108) + bytes(100) + body + bytes(4))


@pytest.mark.parametrize("size", [(2_000_000_000, 2_000_000_000), (1, 2_000_000_000)])
def test_absurd_dimensions_in_a_header_take_no_memory(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    source = tmp_path / "source"
    for name in ("images", "labels"):
        (source / name).mkdir(parents=True)
        _absurd_tiff(source / name / "a.tif", *size)
    (source / "dataset.yaml").write_text("classes: {a: [0, 0, 0]}\n")
    refused(4, "tile", source, "--out", tmp_path / "tiles")
    model = write_model(tmp_path / "model.pt", ("grey",))
    scene = source / "images/a.tif"
    result = dnas("predict", model, scene, "--bands", "1", "--out", tmp_path / "map.png")
    assert result.exit_code in (1, 4), result.output
    assert "should not happen" not in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("line", ["../a.tif\tb.png", "/etc/passwd\tb.png", "a.tif\t../../b.png"])
def test_lists_that_lead_out_of_their_folder_are_refused(
    tiny_tiles: Path, tmp_path: Path, line: str
) -> None:
    tiles = tmp_path / "tiles"
    shutil.copytree(tiny_tiles, tiles)
    (tiles / "train.lst").write_text(line + "\n")
    refused(4, "encode", tmp_path / "run", "--stage", 1, "--data", tiles)


def test_a_list_of_more_blocks_than_memory_should_hold_is_refused(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    tiles = tmp_path / "tiles"
    shutil.copytree(tiny_tiles, tiles)
    (tiles / "train.lst").write_text("a\tb\n" * 5_000_000)
    message = refused(4, "encode", tmp_path / "run", "--stage", 1, "--data", tiles)
    assert "too many lines" in message


def test_links_that_lead_out_of_their_folder_are_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    tiles, run = tmp_path / "tiles", tmp_path / "run"
    shutil.copytree(tiny_tiles, tiles)
    image = tiles / (tiles / "train.lst").read_text().split("\t")[0]
    image.rename(tmp_path / "outside.tif")
    image.symlink_to(tmp_path / "outside.tif")
    message = refused(4, *first_search(run, tiles))
    assert "leads out of" in message


def test_folders_of_any_name_work(tiny_tiles: Path, tmp_path: Path) -> None:
    names = ("ü ñ 土地".encode(), b"a\nb", b"'; rm x", b"\xff\xfe")
    folders = [os.fsencode(tmp_path) + b"/" + name for name in names]
    for folder in folders[:3]:
        shutil.copytree(os.fsencode(tiny_tiles), folder + b"/tiles")
    places = [(folder, _path(folder, "tiles")) for folder in folders[:3]]
    places += [(folders[3], tiny_tiles)]  # GDAL opens no raster whose path is not UTF-8
    runs = [_path(folder, "run") for folder in folders]
    # In processes of their own: what is printed need not be UTF-8.
    searches = [first_search(run, tiles) for run, (_, tiles) in zip(runs, places, strict=True)]
    for end in crowd(searches):
        assert end.code == 0, end.output
        assert end.output.splitlines()[-1].endswith("search/stage1")
    ends = crowd(
        [command for run in runs for command in (["status", run, "--json"], ["status", run])]
        + [["decode", run, "--stage", 1] for run in runs]
        + [["status", run / "none"] for run in runs]
    )
    for run, number in zip(runs, range(0, 8, 2), strict=True):
        assert json.loads(ends[number].output)["run"] == str(run)
    assert [end.code for end in ends] == [0] * 12 + [4] * 4
    for end in ends[12:]:
        assert end.output.count("dnas: ") == 1


def _path(folder: bytes, name: str) -> Path:
    return Path(os.fsdecode(folder)) / name


def test_a_pipe_is_not_waited_for_and_a_device_not_read_to_its_end(
    run: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (pipe, Path("/dev/zero")):
        refused(4, "info", file)
        refused(4, "predict", file, file, "--out", tmp_path / "map.png")
        refused(4, "search", run, "--stage", 1, "--settings", file)
        refused(4, "tile", tmp_path, "--dataset", file, "--out", tmp_path / "tiles")
        refused(2, "tile", tmp_path, "--val-scenes", f"@{file}", "--out", tmp_path / "tiles")
        refused(4, "import", file, file, "--out", tmp_path / "a.json")
        path = run / "coding/path.json"
        path.unlink()
        path.symlink_to(file)
        refused(4, "encode", run, "--stage", 2)
        lists = Path(shutil.copytree(tiny_tiles, tmp_path / f"lists-{file.name}"))
        (lists / "train.lst").unlink()
        (lists / "train.lst").symlink_to(file)
        refused(4, "encode", tmp_path / "new", "--stage", 1, "--data", lists)
