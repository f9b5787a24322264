"""``semscan export``: from a training run to the bundle that scans use, and to artefacts of less precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from semscan.cli.group import ExamplesGroup
from semscan.cli.optional import optional_packages
from semscan.engine.errors import OutputError, UsageError
from semscan.engine.options import DEFAULT_MODEL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLES = f"""\
semscan export onnx runs/detector -o {DEFAULT_MODEL}.onnx
semscan export fp16 {DEFAULT_MODEL} -o {DEFAULT_MODEL}.fp16.onnx
semscan export int8 {DEFAULT_MODEL} -o {DEFAULT_MODEL}.int8.onnx --tiles pack.npz
semscan export tensorrt {DEFAULT_MODEL}.onnx -o {DEFAULT_MODEL}.plan
semscan export verify {DEFAULT_MODEL}.fp16.onnx --source {DEFAULT_MODEL}"""

_output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file to write."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
_model = click.argument("model", metavar="MODEL")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group("export", cls=ExamplesGroup, examples=EXAMPLES, short_help="Turn a training run into a bundle.")
def command() -> None:
    """Turn a training run into a bundle and its artefacts, and prove their scores. Needs the `train` extra."""


@command.command("onnx", short_help="Write the bundle of a training run.")
@click.argument("run_dir", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="RUN")
@_output
@_overwrite
def onnx(run_dir: Path, output: Path, overwrite: bool) -> None:
    """Write a self-describing ONNX bundle: graph, calibration, golden tiles, card and provenance."""
    _refuse_existing(output, overwrite)
    with optional_packages("semscan export"):
        from semscan.export.to_onnx import export_onnx

        click.echo(export_onnx(run_dir, output))


@command.command("fp16", short_help="Write a bundle in half precision.")
@_model
@_output
@_overwrite
def fp16(model: str, output: Path, overwrite: bool) -> None:
    """Write the half-precision artefact of a bundle, typed in the graph itself; the head stays in fp32."""
    _refuse_existing(output, overwrite)
    with optional_packages("semscan export"):
        from semscan.export.variants import export_fp16

        click.echo(export_fp16(model, output))


@command.command("int8", short_help="Write a bundle in 8 bits.")
@_model
@_output
@click.option(
    "--tiles", type=_FILE, multiple=True, required=True, metavar="NPZ",
    help="Pack of tiles that shows how far activations reach; repeatable.",
)  # fmt: skip
@_overwrite
def int8(model: str, output: Path, tiles: tuple[Path, ...], overwrite: bool) -> None:
    """Write the 8-bit artefact of a bundle (QDQ, uint8 activations, int8 weights) for CPUs where it is faster."""
    _refuse_existing(output, overwrite)
    with optional_packages("semscan export"):
        import numpy as np

        from semscan.export.variants import export_int8

        click.echo(export_int8(model, output, np.concatenate([_tiles(path) for path in tiles])))


@command.command("tensorrt", short_help="Build a TensorRT plan for this machine's GPU.")
@_model
@_output
@click.option("--device", type=int, metavar="N", default=0, show_default=True, help="Number of the CUDA device.")
@click.option(
    "--timing-cache",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Makes the next build faster; made if absent.",
)
@click.option(
    "--version-compatible",
    is_flag=True,
    help="A plan for later minor versions of TensorRT and its lean runtime, too.",
)
@_overwrite
def tensorrt(
    model: str, output: Path, device: int, timing_cache: Path | None, version_compatible: bool, overwrite: bool
) -> None:
    """Build the plan of a bundle's fp16 artefact; a scan looks for it beside the model as NAME.plan."""
    _refuse_existing(output, overwrite)
    with optional_packages("semscan export"):
        from semscan.export.to_tensorrt import export_tensorrt

        click.echo(export_tensorrt(model, output, timing_cache, index=device, version_compatible=version_compatible))


@command.command("verify", short_help="Check a bundle or an artefact against the network it came from.")
@click.argument("model", type=_FILE, metavar="FILE")
@click.option("--source", metavar="MODEL", help="The bundle that an fp16 or int8 artefact was made from.")
@click.option("--checkpoint", type=_FILE, metavar="FILE", help="The training checkpoint to compare with.")
@click.option("--tiles", type=_FILE, metavar="NPZ", help="A pack of tiles to try beside the made-up ones.")
def verify(model: Path, source: str | None, checkpoint: Path | None, tiles: Path | None) -> None:
    """Compare with float64 on golden, random, dark, bright and constant tiles; a deviation is exit code 2.

    On every runtime for the processor and the first NVIDIA device; what is not usable here is named as not measured.

    A bundle brings the artefacts that lie beside it, so that all of them are checked at once.
    """
    with optional_packages("semscan export"):
        from semscan.export.verify import verify as check

        given = None if tiles is None else _tiles(tiles)
        files = {model: source}
        if source is None:
            beside = (model.with_suffix(f".{precision}.onnx") for precision in ("fp16", "int8"))
            files |= {path: str(model) for path in beside if path.is_file()}
        for path, origin in files.items():
            click.echo(f"{path}")
            found = check(path, origin, checkpoint, given)
            for line in (*found.checks, *found.absent):
                click.echo(f"  {line}")


def _refuse_existing(output: Path, overwrite: bool) -> None:
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists already", "give another name, or --overwrite to replace it")


def _tiles(path: Path) -> NDArray[np.uint8]:
    """The array ``tiles`` of a pack, uint8 [n, 1, T, T] or [n, T, T].

    Raises:
        UsageError: the file holds none.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as pack:
            tiles: NDArray[np.uint8] = pack["tiles"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path} is not a pack of tiles: {error}", "see training/packs") from error
    return tiles[:, None] if tiles.ndim == 3 else tiles
