"""`dnas eval`: on a split, on a model file alone, on a plain folder; its figures and files."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from dnas_cli.app import app
from dnas_cli.demo.layout import GID5
from dnas_cli.demo.scenes import write_scenes
from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.nets.network import build_derived
from dnas_cli.report.confusion import write_confusion_csv, write_confusion_png
from dnas_cli.report.side_by_side import write_side_by_side
from dnas_cli.run.directory import create_run
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import LandClass, colours_to_indices, palette_table
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import edge, make_graph
from dnas_cli.tiles.description import load_description
from dnas_cli.tiles.making import Effort, make_tile_set
from dnas_cli.tiles.settings import TilingSettings
from dnas_cli.tiles.tile_set import TileSet

CPU = torch.device("cpu")
BANDS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TileSet:
    """A tile set of five made scenes, nine tiles each."""
    folder = tmp_path_factory.mktemp("eval")
    write_scenes(folder / "gid5", 1, range(5), 180)
    settings = TilingSettings(load_description("gid5"), size=64)
    return make_tile_set(folder / "gid5", folder / "tiles", settings, Effort()).tiles


@pytest.fixture
def model(tiles: TileSet) -> Model:
    """An untrained model that fits the tile set."""
    torch.manual_seed(0)
    graph = make_graph(2, [edge((-1, 0), (0, 0)), edge((0, 0), (1, 0))])
    architecture = ArchitectureCoding(graph, (("conv1x1",), ("conv3x3", "avg_pool_3x3")))
    facts = ModelFacts(
        classes=tiles.classes,
        bands=tiles.bands,
        dtype=tiles.dtype,
        nodata=tiles.nodata,
        normalisation=tiles.normalisation,
        statistics=tiles.statistics,
        tile_size=tiles.tile_size,
        width=4,
    )
    return Model(build_derived(architecture, facts.shape).eval(), architecture, facts)


@pytest.fixture
def run(tmp_path: Path, tiles: TileSet, model: Model) -> Path:
    """A run directory with a model, as `dnas retrain` leaves it."""
    root = tmp_path / "run"
    create_run(root, tiles.root, tiles.fingerprint, layers=2, width=4)
    save_model(root / "model.pt", model)
    return root


def _labelled_pixels(tiles: TileSet, split: str) -> int:
    return sum(int((tiles.read(ref)[2] != IGNORE).sum()) for ref in tiles.split(split))


# -- scoring --------------------------------------------------------------------------------------


def test_every_labelled_pixel_is_scored_once_whatever_the_batch(
    tiles: TileSet, model: Model
) -> None:
    matrices = [
        evaluate_tiles(model.network, tiles.normalisation, tiles, "test", CPU, BANDS, batch)
        for batch in (1, 4, 100)  # nine tiles: the last batch of four holds one
    ]
    assert matrices[0].pixels == _labelled_pixels(tiles, "test")
    for matrix in matrices[1:]:
        assert np.array_equal(matrix.counts, matrices[0].counts)


def test_a_network_that_knows_the_labels_scores_one(tiles: TileSet) -> None:
    refs = iter(tiles.split("val"))

    def oracle(images: Tensor) -> Tensor:
        labels = np.stack([tiles.read(next(refs))[2] for _ in images])
        labels[labels == IGNORE] = 0
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 5)
        return one_hot.permute(0, 3, 1, 2).float()

    matrix = evaluate_tiles(oracle, tiles.normalisation, tiles, "val", CPU, BANDS, 4)
    assert matrix.metrics().mean_iou == 1.0


def test_the_network_gets_normalised_bands_in_its_own_order(tiles: TileSet) -> None:
    seen: list[Tensor] = []

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return torch.zeros(len(images), 5, 64, 64)

    normalisation = Normalisation(0.5, (1.0, 2.0), (4.0, 8.0))
    evaluate_tiles(network, normalisation, tiles, "test", CPU, (3, 0), 1)
    image, _, _ = tiles.read(tiles.split("test")[0])
    assert seen[0][0, 0].numpy() == pytest.approx((image[3] * 0.5 - 1) / 4)
    assert seen[0][0, 1].numpy() == pytest.approx((image[0] * 0.5 - 2) / 8)


# -- the command ----------------------------------------------------------------------------------


def test_a_run_is_scored_on_its_test_split_and_keeps_the_figures(
    run: Path, tiles: TileSet, runner: CliRunner
) -> None:
    result = runner.invoke(app, ["eval", str(run), "--device", "cpu"])

    assert result.exit_code == 0, result.output
    assert "mIoU" in result.stdout
    figures = json.loads((run / "eval" / "test.json").read_text())
    assert figures["metrics"]["pixels"] == _labelled_pixels(tiles, "test")
    assert list(figures["metrics"]["classes"]) == [item.name for item in tiles.classes]
    with (run / "eval" / "confusion.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == [item.name for item in tiles.classes]
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == figures["confusion"]["counts"]
    with Image.open(run / "eval" / "confusion.png") as picture:
        assert picture.format == "PNG"


def test_json_on_standard_output_equals_the_file(run: Path, runner: CliRunner) -> None:
    result = runner.invoke(app, ["eval", str(run), "--split", "val", "--json", "--device", "cpu"])

    printed = json.loads(result.stdout)
    assert printed.pop("files") == [
        str(run / "eval" / name) for name in ("val.json", "confusion-val.csv", "confusion-val.png")
    ]
    assert printed == json.loads((run / "eval" / "val.json").read_text())


def test_references_and_cost_are_added_to_figures_that_are_there(
    run: Path, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner.invoke(app, ["eval", str(run), "--device", "cpu"]).exit_code == 0
    before = json.loads((run / "eval" / "test.json").read_text())
    monkeypatch.setattr("dnas_cli.evaluation.references._SAMPLE_PIXELS", 3000)
    monkeypatch.setattr("dnas_cli.evaluation.evaluate.evaluate_tiles", None)  # not called again
    result = runner.invoke(app, ["eval", str(run), "--references", "--cost", "--device", "cpu"])

    assert result.exit_code == 0, result.output
    assert "majority class" in result.stdout
    assert "per pixel" in result.stdout
    assert "multiply-accumulates" in result.stdout
    after = json.loads((run / "eval" / "test.json").read_text())
    assert after["metrics"] == before["metrics"]
    assert [item["name"] for item in after["references"]] == ["majority class", "per pixel"]
    assert after["cost"]["network"]["parameters"] > 0
    assert after["cost"]["timing"]["milliseconds"] > 0


def test_figures_of_another_model_are_replaced_only_on_request(
    run: Path, model: Model, runner: CliRunner
) -> None:
    arguments = ["eval", str(run), "--device", "cpu"]
    assert runner.invoke(app, arguments).exit_code == 0
    before = (run / "eval" / "test.json").read_bytes()
    with torch.no_grad():
        model.network.stem[0][0].weight.neg_()
    save_model(run / "model.pt", model)

    refused = runner.invoke(app, arguments)
    assert refused.exit_code == 3
    assert "figures of another model" in refused.stderr
    assert (run / "eval" / "test.json").read_bytes() == before

    assert runner.invoke(app, [*arguments, "--overwrite"]).exit_code == 0
    assert (run / "eval" / "test.json").read_bytes() != before


def test_a_model_file_alone_is_printed_and_written_only_on_request(
    run: Path, tiles: TileSet, tmp_path: Path, runner: CliRunner
) -> None:
    arguments = ["eval", str(run / "model.pt"), str(tiles.root), "--device", "cpu"]
    printed = runner.invoke(app, arguments)
    assert printed.exit_code == 0, printed.output
    assert "mIoU" in printed.stdout
    assert not (run / "eval").exists()

    out = tmp_path / "figures"
    assert runner.invoke(app, [*arguments, "--out", str(out)]).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.csv",
        "confusion.png",
        "test.json",
    ]


def _plain_folder(folder: Path, sizes: list[tuple[int, int]]) -> None:
    """Write PNG images of four bands with colour labels in the classes' colours."""
    generator = np.random.default_rng(0)
    for number, (height, width) in enumerate(sizes):
        image = generator.integers(1, 255, (height, width, 4)).astype(np.uint8)
        label = generator.integers(0, 5, (height, width)).astype(np.uint8)
        label[:10] = IGNORE
        for name, pixels in (("images", image), ("masks", palette_table(GID5)[label])):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def test_a_plain_folder_of_odd_sizes_is_scored_whole(
    run: Path, tmp_path: Path, runner: CliRunner
) -> None:
    sizes = [(70, 101), (130, 64)]
    _plain_folder(tmp_path / "plain", sizes)
    result = runner.invoke(
        app, ["eval", str(run / "model.pt"), str(tmp_path / "plain"), "--json", "--device", "cpu"]
    )

    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["subject"]["items"] == 2
    assert figures["metrics"]["pixels"] == sum((height - 10) * width for height, width in sizes)
    assert "files" in figures
    assert figures["files"] == []


def test_an_image_whose_label_has_another_size_is_left_out_by_name(
    run: Path, tmp_path: Path, runner: CliRunner
) -> None:
    _plain_folder(tmp_path / "plain", [(70, 80), (70, 80)])
    Image.new("RGB", (40, 40)).save(tmp_path / "plain" / "masks" / "1.png")
    result = runner.invoke(
        app, ["eval", str(run / "model.pt"), str(tmp_path / "plain"), "--json", "--device", "cpu"]
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["subject"]["items"] == 1
    assert "1.png: has 40 x 40 pixels" in result.stderr


# -- whole scenes ---------------------------------------------------------------------------------


def _scene_of_test_split(tiles: TileSet) -> tuple[Path, Path]:
    """Return the image and the label that the test split was cut from."""
    (scene,) = tiles.scenes("test")
    content = json.loads((tiles.root / "dataset.json").read_text())
    (source,) = [item for item in content["sources"] if item["scene"] == scene]
    folder = (tiles.root / content["source"]).resolve()
    return folder / source["image"]["path"], folder / source["label"]["path"]


def test_whole_scenes_of_a_split_are_scored_with_every_labelled_pixel_once(
    run: Path, tiles: TileSet, runner: CliRunner
) -> None:
    result = runner.invoke(app, ["eval", str(run), "--scenes", "--json", "--device", "cpu"])

    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    _, label = _scene_of_test_split(tiles)
    with Image.open(label) as picture:
        labelled = colours_to_indices(np.asarray(picture.convert("RGB")), GID5) != IGNORE
    assert figures["metrics"]["pixels"] == labelled.sum()
    # Tiles of 64 in a scene of 180: the last ones lie over the others, and count pixels twice.
    assert labelled.sum() < _labelled_pixels(tiles, "test")
    (scene,) = figures["scenes"]
    assert scene["confusion"] == figures["confusion"]
    assert [Path(path).name for path in figures["files"]] == [
        "test-scenes.json", "confusion-scenes.csv", "confusion-scenes.png", "scenes.csv",
    ]  # fmt: skip
    with (run / "eval" / "scenes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["scene"] == tiles.scenes("test")[0]
    assert int(row["labelled_pixels"]) == labelled.sum()
    assert float(row["mean_iou"]) == pytest.approx(figures["metrics"]["mean_iou"], abs=1e-6)
    assert float(row["iou water"]) == pytest.approx(
        figures["metrics"]["classes"]["water"]["iou"], abs=1e-6
    )


def test_predict_with_a_label_says_what_evaluating_the_scene_says(
    run: Path, tiles: TileSet, tmp_path: Path, runner: CliRunner
) -> None:
    scored = runner.invoke(app, ["eval", str(run), "--scenes", "--json", "--device", "cpu"])
    image, label = _scene_of_test_split(tiles)
    command = ["predict", str(run / "model.pt"), str(image), "--out", str(tmp_path / "map.tif")]
    command += ["--bands", "nir,red,green,blue", "--truth", str(label), "--device", "cpu"]
    mapped = runner.invoke(app, [*command, "--json"])

    assert mapped.exit_code == 0, mapped.output
    truth = json.loads(mapped.stdout)[0]["truth"]
    assert truth["confusion"] == json.loads(scored.stdout)["confusion"]
    assert truth["metrics"] == json.loads(scored.stdout)["metrics"]
    printed = runner.invoke(app, [*command, "--overwrite"])
    assert f"against {label} (" in printed.stdout
    assert f"{truth['metrics']['mean_iou']:.4f}" in printed.stdout


def test_scenes_that_moved_are_found_where_the_user_says(
    tiles: TileSet, model: Model, tmp_path: Path, runner: CliRunner
) -> None:
    source = (tiles.root / "../gid5").resolve()
    shutil.copytree(tiles.root, tmp_path / "far/away/tiles")
    shutil.copytree(source, tmp_path / "scenes")
    moved_run = tmp_path / "moved-run"
    create_run(moved_run, tmp_path / "far/away/tiles", tiles.fingerprint, layers=2, width=4)
    save_model(moved_run / "model.pt", model)
    arguments = [moved_run, "--scenes"]

    message = _refused(runner, 4, *arguments)
    assert str(tmp_path / "far/away") in message
    assert "--source DIR" in message
    arguments += ["--source", tmp_path / "scenes"]
    result = runner.invoke(app, ["eval", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output

    image, _ = _scene_of_test_split(tiles)
    moved = tmp_path / "scenes" / image.relative_to(source)
    moved.write_bytes(moved.read_bytes()[:-1] + b"x")
    message = _refused(runner, 4, *arguments, "--overwrite")
    assert f"{moved}: has changed since" in message
    moved.unlink()
    assert "is not there any more" in _refused(runner, 4, *arguments, "--overwrite")


def test_tile_sets_that_know_no_whole_scenes_say_so(
    run: Path, tiles: TileSet, tmp_path: Path, runner: CliRunner
) -> None:
    source, model = (tiles.root / "../gid5").resolve(), run / "model.pt"
    by_block = tmp_path / "by-block"
    arguments = ["tile", source, "--out", by_block, "--size", 64, "--split-by", "block"]
    assert runner.invoke(app, list(map(str, arguments))).exit_code == 0
    taken = tmp_path / "taken"
    description = tmp_path / "tiles.yaml"
    description.write_text(
        "bands: [red, green, blue, nir]\nclasses:\n"
        + "".join(f"  {item.name}: {list(item.colour)}\n" for item in GID5)
    )
    linked = tmp_path / "blocks"
    shutil.copytree(tiles.root, linked, ignore=shutil.ignore_patterns("dataset.json"))
    arguments = ["tile", linked, "--out", taken, "--from-lists", linked, "--dataset", description]
    made = runner.invoke(app, list(map(str, arguments)))
    assert made.exit_code == 0, made.output

    assert "was split by block" in _refused(runner, 2, model, by_block, "--scenes")
    assert "blocks that were cut elsewhere" in _refused(runner, 2, model, taken, "--scenes")
    assert "Give --scenes, too" in _refused(runner, 2, run, "--source", source)
    assert "scored on tiles" in _refused(runner, 2, run, "--scenes", "--references")
    assert "no split 'exam'" in _refused(runner, 4, run, "--scenes", "--split", "exam")


def test_a_folder_gets_a_row_per_scene_and_one_without_labels_stays_empty(
    run: Path, tmp_path: Path, runner: CliRunner
) -> None:
    plain, out = tmp_path / "plain", tmp_path / "figures"
    _plain_folder(plain, [(70, 80), (64, 64)])
    Image.new("RGB", (64, 64)).save(plain / "masks" / "1.png")  # black is no class
    result = runner.invoke(
        app,
        ["eval", str(run / "model.pt"), str(plain), "--out", str(out), "--device", "cpu"],
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.csv", "confusion.png", "folder.json", "scenes.csv",
    ]  # fmt: skip
    with (out / "scenes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["scene"], row["labelled_pixels"]) for row in rows] == [("0", "4800"), ("1", "0")]
    assert float(rows[0]["overall_accuracy"]) >= 0
    assert rows[1]["mean_iou"] == rows[1]["iou water"] == ""


# -- wrong use ------------------------------------------------------------------------------------


def _refused(runner: CliRunner, code: int, *arguments: object) -> str:
    result = runner.invoke(app, ["eval", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def test_models_and_tile_sets_that_do_not_fit_are_told_apart(
    run: Path, tiles: TileSet, model: Model, tmp_path: Path, runner: CliRunner
) -> None:
    facts = model.facts
    other_bands = replace(facts, bands=("red", "green", "blue", "thermal"))
    other_classes = replace(facts, classes=(*facts.classes[:4], LandClass("sea", (0, 0, 9))))
    for name, changed, message in (
        ("bands", other_bands, "needs red, green, blue, thermal"),
        ("classes", other_classes, "has the classes"),
        ("dtype", replace(facts, dtype="uint16"), "was trained on uint16"),
    ):
        path = tmp_path / f"{name}.pt"
        save_model(path, replace(model, facts=changed))
        assert message in _refused(runner, 4, path, tiles.root)


def test_bands_in_another_order_are_put_right(
    tiles: TileSet, model: Model, tmp_path: Path, runner: CliRunner
) -> None:
    image, valid, _ = tiles.read(tiles.split("test")[0])
    with torch.no_grad():  # no class leads everywhere, so that it matters what the bands hold
        logits = model.network(torch.from_numpy(tiles.normalisation.apply(image, valid))[None])
        model.network.head[-1].bias -= logits.mean((0, 2, 3))
    save_model(tmp_path / "model.pt", model)

    order = (3, 2, 1, 0)
    normalisation = Normalisation(
        tiles.normalisation.scale,
        tuple(tiles.normalisation.mean[index] for index in order),
        tuple(tiles.normalisation.std[index] for index in order),
    )
    facts = replace(
        model.facts, bands=tuple(tiles.bands[i] for i in order), normalisation=normalisation
    )
    turned = build_derived(model.architecture, facts.shape)
    turned.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        turned.stem[0][0].weight.copy_(model.network.stem[0][0].weight[:, list(order)])
    save_model(tmp_path / "turned.pt", Model(turned.eval(), model.architecture, facts))

    counts = []
    for path in (tmp_path / "model.pt", tmp_path / "turned.pt"):
        result = runner.invoke(app, ["eval", str(path), str(tiles.root), "--json"])
        counts.append(np.array(json.loads(result.stdout)["confusion"]["counts"]))
    assert (counts[0].sum(axis=0) > 0).all()
    # Sums in another order may differ in the last digit, which ties can turn.
    assert np.abs(counts[0] - counts[1]).sum() <= 0.001 * counts[0].sum()


def test_wrong_use_has_one_clear_message(
    run: Path, tiles: TileSet, tmp_path: Path, runner: CliRunner
) -> None:
    text = tmp_path / "text.pt"
    text.write_text("not a model")
    (tmp_path / "empty").mkdir()
    model = run / "model.pt"

    assert "does not say what to evaluate it on" in _refused(runner, 2, model)
    assert "no such file" in _refused(runner, 4, tmp_path / "nothing.pt", tiles.root)
    assert "no such run or model" in _refused(runner, 4, tmp_path / "nothing")
    assert "text.pt" in _refused(runner, 4, text, tiles.root)
    assert "not a run directory" in _refused(runner, 4, tmp_path / "empty")
    assert "nothing: is not there" in _refused(runner, 4, model, tmp_path / "nothing")
    assert "text.pt: is no folder" in _refused(runner, 4, model, text)
    assert "no image" in _refused(runner, 4, model, tmp_path / "empty")
    assert "no split 'exam'" in _refused(runner, 4, run, "--split", "exam")
    assert "--references learn from" in _refused(
        runner, 2, model, tmp_path / "empty", "--references"
    )
    assert "a tile set knows that itself" in _refused(runner, 2, run, "--dataset", "gid5")
    assert "is a file, where a folder is needed" in _refused(
        runner, 3, model, tiles.root, "--out", text
    )
    assert "--device abacus" in runner.invoke(app, ["eval", str(run), "--device", "abacus"]).stderr


def test_a_run_without_a_model_names_the_next_command(run: Path, runner: CliRunner) -> None:
    (run / "model.pt").unlink()
    assert "Run: dnas search" in _refused(runner, 4, run)


def test_a_changed_tile_set_is_noticed(
    tiles: TileSet, model: Model, tmp_path: Path, runner: CliRunner
) -> None:
    copy = tmp_path / "tiles"
    shutil.copytree(tiles.root, copy)
    create_run(tmp_path / "run", copy, tiles.fingerprint, layers=2, width=4)
    save_model(tmp_path / "run" / "model.pt", model)
    lines = (copy / "test.lst").read_text().splitlines(keepends=True)
    (copy / "test.lst").write_text("".join(lines[1:]))

    assert "it was changed" in _refused(runner, 4, tmp_path / "run")
    allowed = runner.invoke(app, ["eval", str(tmp_path / "run"), str(copy), "--device", "cpu"])
    assert allowed.exit_code == 0, allowed.output


def test_pictures_of_someone_else_are_not_overwritten(
    run: Path, tiles: TileSet, tmp_path: Path, runner: CliRunner
) -> None:
    (tmp_path / "confusion.png").write_text("mine")
    message = _refused(runner, 3, run / "model.pt", tiles.root, "--out", tmp_path)

    assert "confusion.png: exists already" in message
    assert (tmp_path / "confusion.png").read_text() == "mine"


# -- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 24])
def test_confusion_pictures_grow_with_the_number_of_classes(tmp_path: Path, count: int) -> None:
    classes = [LandClass(f"land class {index}", (index, 99, 200)) for index in range(count)]
    matrix = ConfusionMatrix(count)
    matrix.counts[:] = 3
    write_confusion_png(tmp_path / "c.png", matrix, classes, "title")
    with Image.open(tmp_path / "c.png") as picture:
        assert min(picture.size) > 45 * count  # room for a number of two digits in each cell


def test_pixels_without_a_prediction_have_a_column_of_their_own(tmp_path: Path) -> None:
    matrix = ConfusionMatrix(2)
    matrix.add(np.array([0, 0, 1]), np.array([0, IGNORE, 1]))
    classes = [LandClass("a", (1, 2, 3)), LandClass("b", (4, 5, 6))]
    write_confusion_csv(tmp_path / "c.csv", matrix, classes)

    rows = (tmp_path / "c.csv").read_text().splitlines()
    assert rows == ["label \\ prediction,a,b,(none)", "a,1,0,1", "b,0,1,0"]


def test_side_by_side_shows_the_colours_of_the_classes(tmp_path: Path) -> None:
    label = np.repeat(np.array([[0, 1, 2, 3, 4, IGNORE]], np.uint8), 6, axis=0)
    scene = np.arange(3 * 36, dtype=np.uint16).reshape(3, 6, 6)
    write_side_by_side(tmp_path / "s.png", scene, [("truth", label), ("map", label)], GID5, "x")

    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width > 2 * picture.height
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert {land_class.colour for land_class in GID5} <= colours
