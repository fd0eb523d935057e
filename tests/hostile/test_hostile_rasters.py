"""Rasters that refer to other files or into the network: nothing is followed that nobody named."""

import ast
import base64
import shutil
import zlib
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from dnas_cli.errors import DataError
from dnas_cli.scenes import opening
from dnas_cli.scenes.external import external_allowed
from dnas_cli.scenes.labels import open_any_label
from dnas_cli.scenes.opening import open_dataset
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.scenes.scene_files import BandFile, SceneFiles
from tests.support.command_line import dnas
from tests.support.small_models import CLASSES, write_model
from tests.support.small_scenes import make_plain, write_raster

VRT = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}">
<VRTRasterBand dataType="{kind}" band="1">{more}<SimpleSource>
<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""

WMS = """<GDAL_WMS><Service name="TMS">
<ServerUrl>{url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>
<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>0</UpperLeftY><LowerRightX>64</LowerRightX>
<LowerRightY>64</LowerRightY><SizeX>64</SizeX><SizeY>64</SizeY></DataWindow>
<BandsCount>3</BandsCount><BlockSizeX>64</BlockSizeX><BlockSizeY>64</BlockSizeY></GDAL_WMS>"""


# HDF5 files of a dataset "red" that is elsewhere: compressed, in base 85.
HDF5 = {
    # another file's dataset
    "link": (
        r"c-rgqaB<`1lHy_j0S*oZ76t(ZWbhvfDwt9EF!=;1%?PDCp!5nRm^ceqP68?}05x9$YF-3XJS51~71?}rdq%;?1|F"
        r"`C0m$iv14^G@LRAM#hXGWwmkFM7v8PNfpi3B$)Uz=tK-|IMz+9A?BFw;`r>9?>np~7xqL*RHpbr!S%L4$0wm(h"
    ),
    # /etc/passwd as values
    "ext": (
        r"c-rgqaB<`1lHy_j0S*oZ76t(ZWbhvfHn5`dVe$!3nh{EOK<O1sFmXn(oCH){5NbZUx{x4OSCH!eXaHtU1`CAdU>F"
        r"4>5qP*d27u@YC?A$ePcWgXD@sj4Nsk^B+RMnm1~H2f#@B$*OpGY$5f{x2bSWd$y~sLPfi#HE!~`*j9cV5iR1GM{7"
        r"~n|n4si1!If|JPmQx(iR0hyA9wgB6eE<upI{nm=Wc`A~;^J~hd<6UXyMX)!^N#}aXqqMm004T3JJk"
    ),
    # a virtual dataset
    "vds": (
        r"c-rgqaB<`1lHy_j0S*oZ76t(ZWbhvf7$ng6P>=wn8KHCslwQFE6K4d=LA5goLd{247ZT*^3R3+a4Z!R%V1dva45M"
        r"Hq0uNWm01zDk<-=0x2_{r^MX4z$>CuBidl?znAZ9Vb_!<zJi4i3|;-Z;>E@gze7g+}@kOuLYm>~vnKz+o*4ATlxE"
        r"d=F)cqhv_vKbgE1~eXm{rp`(IU43a1?JJTISNL>PzCPJ{yvOI1uCrE3}Ha4*!7E3lZ#SI^fFArWh^t26bLXO@g>m"
        r"sAixgASHJWwMz+6$e>4t8!6+C7qhJ(_f>AIEM!_f;1*2dTi~?E%0DlBHWB"
    ),
}


def _vrt(source: object, relative: int = 1, kind: str = "UInt16", more: str = "") -> str:
    return VRT.format(width=64, height=70, source=source, relative=relative, kind=kind, more=more)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A raster outside of every dataset."""
    path = tmp_path / "private/secret.tif"
    write_raster(path, np.full((1, 70, 64), 4242, np.uint16))
    return path


@pytest.mark.parametrize("relative", [0, 1])
def test_a_vrt_among_the_sources_copies_nothing_from_outside_its_folder(
    secret: Path, tmp_path: Path, relative: int
) -> None:
    source = make_plain(tmp_path / "plain")
    where = "../../private/secret.tif" if relative else secret
    (source / "images/s0.tif").unlink()
    (source / "images/s0.vrt").write_text(_vrt(where, relative))
    result = dnas("tile", source, "--size", 32)
    assert "s0.vrt: refers to" in result.stderr
    assert "not below its folder" in result.stderr
    for tile in (tmp_path / "plain-tiles/image").rglob("*.tif"):
        with open_raster(tile) as raster:
            assert (raster.read(Window(0, 0, 32, 32)) != 4242).all()


def test_a_vrt_of_files_below_its_folder_is_a_scene(tmp_path: Path) -> None:
    write_raster(tmp_path / "parts/a.tif", np.full((1, 70, 64), 7, np.uint16))
    (tmp_path / "inner.vrt").write_text(_vrt("parts/a.tif"))
    (tmp_path / "outer.vrt").write_text(_vrt("inner.vrt"))
    with open_raster(tmp_path / "outer.vrt") as raster:
        assert (raster.read(Window(0, 0, 70, 64)) == 7).all()


def test_a_vrt_of_a_name_that_no_file_can_have_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.vrt").write_text(_vrt("x" * 5000 + ".tif"))
    message = dnas("info", tmp_path / "a.vrt", code=4).stderr
    assert len(message) < 2500
    assert ".tif: no such file" in message


def test_a_vrt_may_reach_anything_with_allow_external(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.vrt").write_text(_vrt(secret, 0))
    with pytest.raises(DataError, match="allow_external"):
        open_dataset(tmp_path / "in/a.vrt")
    with external_allowed(True):
        open_dataset(tmp_path / "in/a.vrt").close()
    with pytest.raises(DataError):
        open_dataset(tmp_path / "in/a.vrt")


@pytest.mark.parametrize(
    "command",
    [
        "tile in --size 32 --out tiles",
        "predict model.pt in/images/a.vrt --out map.tif",
        "suggest model.pt in/images/a.vrt --out todo.csv",
        "eval model.pt in",
        "info in/images/a.vrt",
    ],
)
def test_a_command_reads_what_a_vrt_names_elsewhere_only_when_asked_to(
    command: str, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "model.pt", bands=("a",), dtype="uint16", tile_size=32)
    make_plain(tmp_path / "in", scenes=1)
    names = ", ".join(f"{item.name}: {list(item.colour)}" for item in CLASSES)
    (tmp_path / "in/dataset.yaml").write_text(f"bands: [a]\nclasses: {{{names}}}\n")
    label = np.full((70, 64, 3), CLASSES[0].colour, np.uint8)
    (tmp_path / "in/images/s0.tif").unlink()
    (tmp_path / "in/masks/s0.png").unlink()
    Image.fromarray(label).save(tmp_path / "in/masks/a.png")
    (tmp_path / "in/images/a.vrt").write_text(_vrt(secret, 0))
    monkeypatch.chdir(tmp_path)
    assert "which is not below its folder" in dnas(*command.split(), code=4).stderr
    dnas(*command.split(), "--allow-external")


@pytest.mark.parametrize(
    "text",
    [
        _vrt("a.tif").replace("<VRTRasterBand", '<VRTRasterBand subClass="VRTRawRasterBand"'),
        _vrt("a.tif").replace("<VRTDataset", '<VRTDataset subClass="VRTWarpedDataset"'),
        _vrt("a.tif", more="<PixelFunctionCode>x</PixelFunctionCode>"),
        _vrt("a.tif").replace("<SourceBand>", '<OpenOptions><OOI key="X">y</OOI></OpenOptions>'
                              "<SourceBand>"),
        _vrt("a.tif", more='<Metadata><MDI key="OVERVIEW_FILE">/x</MDI></Metadata>'),
        _vrt("/vsicurl/http://example.org/a.tif", 0),
        _vrt("http://example.org/a.tif", 0),
        _vrt("a.vrt.tif"),
        _vrt("self.vrt"),
        "<VRTDataset",
        '<!DOCTYPE a [<!ENTITY b "x">]><VRTDataset>&b;</VRTDataset>',
    ],
)  # fmt: skip
def test_a_vrt_that_does_more_than_arrange_rasters_is_refused(tmp_path: Path, text: str) -> None:
    write_raster(tmp_path / "a.tif", np.zeros((1, 70, 64), np.uint16))
    write_raster(tmp_path / "a.vrt.tif", np.zeros((1, 70, 64), np.uint16))
    with (tmp_path / "a.vrt.tif").open("r+b") as file:  # the VRT driver takes it for one
        file.seek(900)
        file.write(b"<VRTDataset>")
    (tmp_path / "self.vrt").write_text(text)
    with pytest.raises(DataError):
        open_dataset(tmp_path / "self.vrt")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".dat", ""])
def test_a_document_that_is_called_a_raster_makes_no_request(
    requests: tuple[str, list[str]], tmp_path: Path, suffix: str
) -> None:
    address, seen = requests
    path = tmp_path / f"a{suffix}"
    path.write_text(WMS.format(url=address))
    with pytest.raises(DataError):
        open_raster(path)
    with pytest.raises(DataError):
        open_any_label(path, CLASSES)
    path.write_text(_vrt(f"/vsicurl/{address}/a.tif", 0))
    with pytest.raises(DataError):
        open_raster(path)
    assert seen == []


def test_a_block_that_is_a_document_makes_no_request_in_eval(
    requests: tuple[str, list[str]], tiny_tiles: Path, tmp_path: Path
) -> None:
    address, seen = requests
    tiles = Path(shutil.copytree(tiny_tiles, tmp_path / "tiles"))
    block = (tiles / "test.lst").read_text().split("\t")[0]
    (tiles / block).write_text(WMS.format(url=address))
    model = write_model(tmp_path / "model.pt", bands=("red", "green", "blue", "nir"), tile_size=32)
    dnas("eval", model, tiles, code=4)
    assert seen == []


@pytest.mark.parametrize(
    "name",
    ["{address}/a.tif", "{address}/a.vrt", "/vsicurl/{address}/a.tif", "s3://box/a.tif",
     "WMS:{address}/a?service=WMS&version=1.1.1&request=GetCapabilities"],
)  # fmt: skip
def test_an_address_that_the_user_types_is_asked(
    name: str, requests: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, seen = requests
    monkeypatch.setenv("AWS_S3_ENDPOINT", address.removeprefix("http://"))
    for option, value in (("HTTPS", "NO"), ("NO_SIGN_REQUEST", "YES"), ("VIRTUAL_HOSTING", "NO")):
        monkeypatch.setenv(f"AWS_{option}", value)
    with pytest.raises(DataError, match="Check the address"):
        open_raster(name.format(address=address))
    assert seen


def test_an_address_in_a_list_of_scenes_is_asked(
    requests: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, seen = requests
    (tmp_path / "scenes.txt").write_text(f"{address}/a.tif\n")
    model = write_model(tmp_path / "model.pt", tile_size=32)
    dnas("predict", model, tmp_path / "scenes.txt", "--out", tmp_path / "maps", code=None)
    assert seen


@pytest.mark.parametrize("suffix", [".ovr", ".msk"])
def test_companions_of_a_raster_that_are_documents_are_refused(
    requests: tuple[str, list[str]], tmp_path: Path, suffix: str
) -> None:
    address, seen = requests
    write_raster(tmp_path / "a.tif", np.zeros((1, 70, 64), np.uint16))
    (tmp_path / f"a.tif{suffix}").write_text(_vrt(f"/vsicurl/{address}/a.tif", 0))
    with pytest.raises(DataError, match="not a TIFF"):
        open_raster(tmp_path / "a.tif")
    assert seen == []


def test_notes_that_point_to_overviews_elsewhere_are_refused(tmp_path: Path) -> None:
    write_raster(tmp_path / "a.tif", np.zeros((1, 70, 64), np.uint16))
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/x</MDI></Metadata>'
        "</PAMDataset>"
    )
    with pytest.raises(DataError, match="overviews"):
        open_raster(tmp_path / "a.tif")


def test_a_file_whose_name_looks_like_a_connection_is_a_file(tmp_path: Path) -> None:
    write_raster(tmp_path / "NETCDF:a.tif", np.ones((1, 4, 4), np.uint8))
    with open_raster(tmp_path / "NETCDF:a.tif") as raster:
        assert raster.read(Window(0, 0, 4, 4)).all()


def test_one_door_opens_rasters() -> None:
    package = Path(__file__).resolve().parents[2] / "dnas_cli"
    doors = [
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("rasterio.open", "DatasetReader")
        and not any(isinstance(item, ast.Constant) and item.value == "w" for item in node.args)
    ]
    assert set(doors) == {"opening.py"}


@pytest.mark.parametrize("suffix", ["h5", "nc"])
@pytest.mark.parametrize("way", HDF5)
def test_hdf5_reads_no_other_file_unless_trusted(way: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scene.{suffix}"
    path.write_bytes(zlib.decompress(base64.b85decode(HDF5[way])))
    with pytest.raises(DataError, match="refers to other files"):
        open_raster(path)
    with external_allowed(True), pytest.raises(DataError) as caught:  # no band, or no such file
        open_raster(path, ["green"])
    assert "refers to other files" not in str(caught.value)


@pytest.mark.parametrize("size", [7, 8, 9, 13, 14, 47, 48, 52, 60])
@pytest.mark.parametrize("end", [b"", b"FRHP", b"\x01\x08\x40"])
def test_hdf5_that_ends_early_is_one_message(size: int, end: bytes, tmp_path: Path) -> None:
    (tmp_path / "scene.nc").write_bytes(b"\x89HDF\r\n\x1a\n".ljust(size, b"\0")[:size] + end)
    with pytest.raises(DataError):
        open_raster(tmp_path / "scene.nc")


def test_a_description_that_is_no_utf_8_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    place = Affine(9, 0, 0, 0, -9, 0)
    write_raster(path, np.ones((2, 4, 4), np.uint8), transform=place)
    with rasterio.open(path, "r+") as raster:
        raster.descriptions = ("R_flectance", "blue")
    path.write_bytes(path.read_bytes().replace(b"R_flectance", b"R\xe9flectance"))
    with open_raster(path) as scene:
        assert scene.bands == ("1", "2")
        assert (scene.read(Window(0, 0, 4, 4)) == 1).all()


def test_pixels_without_size_are_one_message(tmp_path: Path) -> None:
    path = tmp_path / "flat.vrt"
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><GeoTransform>9, 0, 0, 9, 0, 0</GeoTransform>'
        '<VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    with pytest.raises(DataError, match="gives pixels no size"):
        open_raster(path)
    place = Affine(9, 0, 0, 0, -9, 0)
    write_raster(tmp_path / "a.tif", np.zeros((1, 4, 4), np.uint8), transform=place)
    names = ("a.tif", "flat.vrt")
    bands = tuple(BandFile((name,), str(tmp_path / name)) for name in names)
    with pytest.raises(DataError, match=r"flat\.vrt: its geotransform gives pixels no size"):
        open_raster(SceneFiles("a", bands))


def test_a_mosaic_is_checked_once_and_lists_no_folder_for_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write_raster(tmp_path / f"{name}.tif", np.zeros((1, 4, 4), np.uint8))
    named = '<SourceFilename relativeToVRT="1">{}.tif</SourceFilename>'
    sources = "".join(f"<SimpleSource>{named.format(name)}</SimpleSource>" for name in "abc")
    band = f'<VRTRasterBand dataType="Byte" band="{{}}">{sources}</VRTRasterBand>'
    path = tmp_path / "mosaic.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="4" rasterYSize="4">{band.format(1)}{band.format(2)}</VRTDataset>'
    )
    seen: list[str] = []

    def opened(path: Path) -> AbstractContextManager[Any]:
        seen.append(path.name)
        return closing(open_dataset(path))

    monkeypatch.setattr(opening, "opened", opened)
    for _ in range(2):
        open_raster(path)
    assert seen == ["a.tif", "b.tif", "c.tif"]
    (tmp_path / "b.tif").write_text(_vrt("c.tif", 1))
    with pytest.raises(DataError, match="refers to others"):
        open_raster(path)
    (tmp_path / "b.tif").write_text("replaced while the mosaic stayed")
    with pytest.raises(DataError, match=r"b\.tif: cannot be opened"):
        open_raster(path)
