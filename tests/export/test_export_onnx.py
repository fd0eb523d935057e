"""`dnas export`: a model as an ONNX file and as a program of PyTorch."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from dnas_cli.model.model_file import load_model
from dnas_cli.model.onnx_model import load_onnx_model
from dnas_cli.nets.onnx.graph import OnnxGraph
from dnas_cli.nets.onnx.network import add_network
from dnas_cli.scenes.normalisation import Moments
from tests.support.command_line import dnas
from tests.support.random_networks import KINDS, random_network
from tests.support.small_models import CLASSES, write_model

SIZES = [(64, 64), (37, 90), (1, 1), (5, 3), (18, 130)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.pt")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_graph_gives_the_logits_of_any_network_at_any_size(kind: str, seed: int) -> None:
    network = random_network(kind, seed, layers=5 + seed % 2).float().eval()
    graph = OnnxGraph()
    logits = add_network(graph, network, "image", graph.size_of("image"))
    shape = network.shape
    content = graph.model(
        {"image": ["N", shape.bands, "H", "W"]}, logits, ["N", shape.classes, "H", "W"], "out", {}
    )
    onnx.checker.check_model(content, full_check=True)
    session = _session(content.SerializeToString())
    for batch, size in zip(itertools.cycle([1, 2, 3]), SIZES, strict=False):
        image = torch.randn(batch, shape.bands, *size)
        with torch.no_grad():
            expected = network(image).numpy()
        found = session.run(None, {"image": image.numpy()})[0]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 2e-5 * max(np.abs(expected).max(), 1)


def test_a_file_for_any_program_is_whole_and_says_what_it_is(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    result = json.loads(dnas("export", model, "--onnx", out, "--resolution", 0.5, "--json").stdout)
    assert result["agreement"]["same_class"] >= 0.9999
    assert result["agreement"]["difference"] <= 1e-4
    content = onnx.load(out, load_external_data=False)
    assert content.ir_version <= 9
    assert [item.version for item in content.opset_import] == [18]
    assert not any(item.external_data for item in content.graph.initializer)
    assert not any(node.doc_string or node.metadata_props for node in content.graph.node)
    assert str(tmp_path).encode() not in out.read_bytes()
    facts = json.loads({item.key: item.value for item in content.metadata_props}["dnas"])
    assert facts["bands"] == ["red", "green", "blue"]
    assert [item["name"] for item in facts["classes"]] == [item.name for item in CLASSES]
    assert facts["classes"][0]["colour"] == [255, 0, 0]
    assert facts["nodata"] is None
    assert facts["tile_size"] == 64
    assert facts["ground_resolution_m"] == 0.5
    assert facts["model"].startswith("sha256:")


def test_raw_values_go_in_and_probabilities_come_out_at_any_size(
    model: Path, tmp_path: Path
) -> None:
    dnas("export", model, "--onnx", tmp_path / "model.onnx")
    session = _session((tmp_path / "model.onnx").read_bytes())
    for count, height, width in [(1, 64, 64), (2, 33, 70), (3, 1, 5)]:
        raw = _raw(count, height, width)
        valid = np.ones((height, width), bool)
        valid[:, 0] = False
        given = np.where(valid, raw, np.float32(np.nan))
        found = session.run(None, {"image": given})[0]
        assert np.allclose(found.sum(1), 1, atol=1e-5)
        assert np.abs(found - _ours(model, raw, valid)).max() < 1e-4


def test_a_model_normalised_per_image_takes_the_moments_of_the_image(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.pt", per_image=True)
    dnas("export", model, "--onnx", tmp_path / "model.onnx")
    session = _session((tmp_path / "model.onnx").read_bytes())
    assert [item.name for item in session.get_inputs()] == ["image", "mean", "std"]
    raw = _raw(1, 40, 50)
    raw[:, 1] = 7  # without contrast, so that the constants stand in
    moments = Moments(tuple(raw.mean((0, 2, 3))), tuple(raw.std((0, 2, 3))))
    feeds = {
        "image": raw,
        "mean": np.array(moments.mean, np.float32),
        "std": np.array(moments.std, np.float32),
    }
    expected = _ours(model, raw, np.ones(raw.shape[2:], bool), moments)
    assert np.abs(session.run(None, feeds)[0] - expected).max() < 1e-4


def test_a_file_that_disagrees_with_its_model_is_not_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.onnx"
    monkeypatch.setattr(OnnxGraph, "sum", lambda graph, values: values[0])
    message = dnas("export", model, "--onnx", out, code=1).stderr
    assert "disagrees" in message
    assert not out.exists()


class TestDeepness:
    def test_its_file_has_one_size_and_the_keys_that_the_plugin_reads(
        self, model: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "model.onnx"
        dnas("export", model, "--onnx", out, "--for", "deepness", "--resolution", 0.25)
        session = _session(out.read_bytes())
        assert session.get_inputs()[0].shape[1:] == [3, 64, 64]
        facts = {
            key: json.loads(value)
            for key, value in session.get_modelmeta().custom_metadata_map.items()
        }
        assert facts["model_type"] == "Segmentor"
        assert facts["class_names"] == {"0": "built-up", "1": "farmland", "2": "water"}
        assert facts["resolution"] == 25
        assert facts["tile_size"] == facts["tiles_size"] == 64
        assert facts["tiles_overlap"] == 25
        assert facts["seg_thresh"] == 0
        assert facts["seg_small_segment"] == 0
        raw = _raw(1, 64, 64)
        mean, std = (
            np.float32(facts[f"standardization_{key}"]).reshape(-1, 1, 1) for key in ("mean", "std")
        )
        found = session.run(None, {"image": (raw / 255 - mean) / std})[0]
        assert np.allclose(found.sum(1), 1, atol=1e-5)
        assert np.abs(found - _ours(model, raw, np.ones((64, 64), bool))).max() < 1e-4

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            ({"dtype": "uint16", "largest": 10_000.0}, "8-bit"),
            ({"per_image": True}, "by itself"),
        ],
    )
    def test_what_it_cannot_express_is_refused_with_the_reason(
        self, facts: dict[str, Any], reason: str, tmp_path: Path
    ) -> None:
        model = write_model(tmp_path / "model.pt", **facts)
        out = tmp_path / "model.onnx"
        arguments = ("--onnx", out, "--for", "deepness", "--resolution", 1)
        assert reason in dnas("export", model, *arguments, code=2).stderr
        assert not out.exists()

    def test_the_ground_resolution_is_that_of_the_model_unless_another_is_given(
        self, tmp_path: Path
    ) -> None:
        model = write_model(tmp_path / "model.pt", ground_resolution=0.25)
        out = tmp_path / "model.onnx"
        dnas("export", model, "--onnx", out, "--for", "deepness")
        metadata = _session(out.read_bytes()).get_modelmeta().custom_metadata_map
        assert json.loads(metadata["resolution"]) == 25
        dnas("export", model, "--onnx", out, "--overwrite")
        assert load_onnx_model(out).facts.ground_resolution == 0.25
        dnas("export", model, "--onnx", out, "--overwrite", "--resolution", 0.5)
        assert load_onnx_model(out).facts.ground_resolution == 0.5

    def test_a_ground_resolution_must_be_known(self, model: Path, tmp_path: Path) -> None:
        message = dnas(
            "export", model, "--onnx", tmp_path / "m.onnx", "--for", "deepness", code=2
        ).stderr
        assert "--resolution" in message


def test_a_program_of_pytorch_runs_without_dnas(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.pt2"
    dnas("export", model, "--torch", out)
    raw = _raw(3, 41, 50)
    raw[0, :, 0, 0] = np.nan
    np.save(tmp_path / "raw.npy", raw)
    script = (
        "import sys; sys.modules['dnas_cli'] = None\n"
        "import json, numpy as np, torch\n"
        "facts = {'dnas.json': ''}\n"
        "program = torch.export.load(sys.argv[1], extra_files=facts).module()\n"
        "assert json.loads(facts['dnas.json'])['tile_size'] == 64\n"
        "result = program(torch.from_numpy(np.load(sys.argv[2])))\n"
        "np.save(sys.argv[3], result.detach().numpy())\n"
    )
    command = [sys.executable, "-c", script, out, tmp_path / "raw.npy", tmp_path / "out.npy"]
    subprocess.run([*map(str, command)], check=True)
    valid = np.ones((41, 50), bool)
    expected = _ours(model, np.nan_to_num(raw), valid)
    found = np.load(tmp_path / "out.npy")
    assert np.abs(found - expected)[1:].max() < 1e-4
    valid[0, 0] = False
    assert np.abs(found - _ours(model, np.nan_to_num(raw), valid))[0].max() < 1e-4


def test_nothing_that_exists_is_replaced(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    out.write_text("mine")
    dnas("export", model, "--onnx", out, code=3)
    assert out.read_text() == "mine"
    dnas("export", model, code=2)


def _session(content: bytes) -> Any:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _raw(count: int, height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.random.default_rng(0).integers(0, 256, (count, 3, height, width))
    return values.astype(np.float32)


def _ours(
    path: Path,
    raw: np.ndarray[Any, np.dtype[np.float32]],
    valid: np.ndarray[Any, np.dtype[np.bool_]],
    moments: Moments | None = None,
) -> np.ndarray[Any, np.dtype[np.float32]]:
    model = load_model(path, torch.device("cpu"))
    normalisation = model.facts.normalisation.of_image(moments)
    images = torch.from_numpy(np.stack([normalisation.apply(image, valid) for image in raw]))
    with torch.inference_mode():
        result: np.ndarray[Any, np.dtype[np.float32]]
        result = torch.softmax(model.network(images), 1).numpy()
    return result
