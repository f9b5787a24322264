"""Pictures from any trained generator, with a manifest that says where they come from.

What is asked for may be a checkpoint of a generative system or of an autoencoder, or an ``inpaint`` recipe. CycleGAN,
autoencoders and inpainting change genuine pictures; the others need none. Pictures come in groups of :data:`GROUP`,
each with a seed of its own, so the first hundred of a thousand are the same hundred. They may be larger than those
trained on, see :mod:`semscan.training.wide`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from semscan.engine.errors import OutputError, UsageError
from semscan.training.autoencoders import load_autoencoder, reconstruct
from semscan.training.crops import DataRecipe, load_recipe_pool
from semscan.training.cycle import CycleGan
from semscan.training.diffusion import Ddpm
from semscan.training.inpaint import InpaintRecipe, inpaint
from semscan.training.latent import LatentDdpm
from semscan.training.loop import Trainee, load_trainee, seed_of
from semscan.training.recipe import load_recipe, read_system, recipe_json, recipe_sha256
from semscan.training.rundir import load_checkpoint, read_sources
from semscan.training.wide import LARGEST_PX, check_side

GROUP = 16
AUTOENCODER_SIDE = 128
CURVE = 60
"""Lines of a run's statistics that a pack keeps."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pictures come from; the head of a manifest.

    Attributes:
        generator: name of the recipe, for autoencoders with the decoder's name after a slash.
        system: what kind of generator.
        variant: the system with what it lacks or was given instead, if anything.
        recipe_sha256: of the recipe that trained it, or of the ``inpaint`` recipe; ``unknown`` if the run is gone.
        step: training steps behind it.
        seed: that the pictures follow from.
        trained_px: side of the pictures that it was trained on; 0 if unknown.
        made_px: side of the pictures made.
        trained_on: split whose genuine pictures trained it, ``own`` for a folder of one's own, ``composed`` for
            pictures that were composed.
        pictures_from: split of the genuine pictures that were changed; empty where none were.
    """

    generator: str
    system: str
    variant: str
    recipe_sha256: str
    step: int
    seed: int
    trained_px: int
    made_px: int
    trained_on: str
    pictures_from: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A group of pictures.

    Attributes:
        tiles: uint8 [n, C, h, w].
        masks: bool [n, h, w], true where a picture was made anew; ``None`` where all of it was.
        genuine: uint8 like ``tiles``, what was changed; ``None`` where nothing was.
    """

    tiles: NDArray[np.uint8]
    masks: NDArray[np.bool_] | None = None
    genuine: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Maker:
    """A trained generator that is ready.

    Attributes:
        origin: for the manifest.
        make: from a number of pictures, a seed and the group's number to pictures.
        details: what else is known of the training, for packs: recipe, parameters, seconds, data sets with licences.
    """

    origin: Origin
    make: Callable[[int, int, int], Made]
    details: dict[str, Any] = field(default_factory=dict)

    def groups(self, count: int) -> Iterator[Made]:
        """``count`` pictures in groups."""
        for first in range(0, count, GROUP):
            group = first // GROUP
            yield self.make(min(GROUP, count - first), seed_of(self.origin.seed, group), group)


def open_maker(
    source: Path,
    seed: int,
    data: Path | None = None,
    split: str = "",
    overrides: list[str] | None = None,
    size_px: int | None = None,
) -> Maker:
    """Get a generator ready.

    Args:
        source: a checkpoint, or an ``inpaint`` recipe (``.toml``).
        seed: that all pictures follow from.
        data: data folder, for generators that change genuine pictures.
        split: of the genuine pictures to change; empty takes what the generator was trained on.
        overrides: ``key=value`` strings for a recipe.
        size_px: side of the pictures; ``None`` for that trained on, for autoencoders :data:`AUTOENCODER_SIDE`.

    Raises:
        UsageError: the file is neither, ``split`` is given where no genuine pictures are used, or the generator cannot
            make pictures of that side.
    """
    if source.suffix == ".toml":
        size = [f"size_px={size_px}"] if size_px else []
        return _open_inpaint(source, seed, data, split, [*(overrides or []), *size])
    if overrides:
        raise UsageError("--set changes a recipe, and this is a checkpoint")
    stored = load_checkpoint(source)
    if "spec" in stored and "model" in stored:
        return _open_autoencoder(source, stored, seed, data, split or "train", size_px or AUTOENCODER_SIDE)
    trainee = load_trainee(source)
    recipe = stored["recipe"]
    trained_px = recipe["training"]["size_px"]
    origin = Origin(
        recipe["name"],
        recipe["system"],
        getattr(trainee, "variant", recipe["system"]),
        stored["recipe_sha256"],
        stored["step"],
        seed,
        trained_px,
        size_px or trained_px,
        _trained_on(recipe),
    )
    details = {"recipe": recipe, **_training_of(source, stored["step"]), "parameters": _parameters(trainee)}
    if not isinstance(trainee, CycleGan):
        if split:
            raise UsageError(f"{recipe['system']} changes no genuine pictures, so --split says nothing")
        return Maker(origin, lambda count, group_seed, _: Made(trainee.sample(count, group_seed, size_px)), details)
    check_side(origin.made_px, trained_px)
    domain, loop = trainee.recipe.domain_a, trainee.recipe.training
    if split and split != domain.split:
        # The sources of domain A are in one split only.
        domain = replace(domain, split=split, sources=())
    pool = load_recipe_pool(domain, data, loop.channels)

    def translated(count: int, group_seed: int, _: int) -> Made:
        real = pool.draw_as(domain, np.random.default_rng(group_seed), count, origin.made_px)
        return Made(trainee.translate(real), genuine=real)

    return Maker(replace(origin, pictures_from="own" if domain.folder else domain.split), translated, details)


def synthesize(maker: Maker, count: int, folder: Path) -> Path:
    """Write 8-bit PNG pictures, masks where there are some, and ``manifest.json``.

    Args:
        maker: from :func:`open_maker`.
        count: number of pictures.
        folder: new or empty.

    Returns:
        the manifest's path.

    Raises:
        OutputError: the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} is not empty", "choose another -o")
    folder.mkdir(parents=True, exist_ok=True)
    files: list[dict[str, str]] = []
    for made in maker.groups(count):
        for place, tile in enumerate(made.tiles):
            name = f"{len(files):06}.png"
            row = {"file": name}
            Image.fromarray(tile[0] if len(tile) == 1 else tile.transpose(1, 2, 0)).save(folder / name)
            if made.masks is not None:
                row["mask"] = f"masks/{name}"
                (folder / "masks").mkdir(exist_ok=True)
                Image.fromarray(made.masks[place]).save(folder / "masks" / name)
            files.append(row)
    manifest = folder / "manifest.json"
    content = {**asdict(maker.origin), "count": len(files), "group": GROUP, "files": files}
    manifest.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return manifest


def _open_autoencoder(
    path: Path, stored: dict[str, Any], seed: int, data: Path | None, split: str, size_px: int
) -> Maker:
    model = load_autoencoder(path)
    if size_px % (multiple := 2**model.spec.depth) or not multiple <= size_px <= LARGEST_PX:
        raise UsageError(
            f"{path.stem} cannot reconstruct pictures of {size_px} px",
            f"the side is a multiple of {multiple} up to {LARGEST_PX}",
        )
    domain = DataRecipe(split=split)
    pool = load_recipe_pool(domain, data, 1)
    config = path.parent / "config.json"
    run = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    name = f"{run.get('recipe', {}).get('name', 'autoencoders')}/{path.stem}"
    digest = run.get("recipe_sha256", "unknown")
    crop_px = run.get("recipe", {}).get("crop_px", 0)
    origin = Origin(
        name, "autoencoders", "autoencoders", digest, stored["step"], seed, crop_px, size_px, "train", split
    )
    parameters = {"autoencoder": sum(p.numel() for p in model.parameters())}
    training = _training_of(path, stored["step"], f"{path.stem}.stats.jsonl")
    details = {"recipe": run.get("recipe", {}), **training, "parameters": parameters, "psnr_db": stored["psnr_db"]}

    def reconstructed(count: int, group_seed: int, _: int) -> Made:
        real = pool.draw_as(domain, np.random.default_rng(group_seed), count, size_px)
        tiles = [reconstruct(model, tile[0], group_seed + place)[None] for place, tile in enumerate(real)]
        return Made(np.stack(tiles), genuine=real)

    return Maker(origin, reconstructed, details)


def _open_inpaint(path: Path, seed: int, data: Path | None, split: str, overrides: list[str]) -> Maker:
    if (system := read_system(path, overrides)) != "inpaint":
        raise UsageError(
            f"{path} is a recipe of {system}, which has to be trained", "give the checkpoint that training it wrote"
        )
    recipe = replace(load_recipe(path, InpaintRecipe, overrides), seed=seed)
    checkpoint = Path(recipe.generator)
    if not checkpoint.is_file():
        raise UsageError(
            f"the generator {checkpoint} cannot be read", "train it first, or name another with --set generator=PATH"
        )
    stored = load_checkpoint(checkpoint)
    if "spec" in stored and "model" in stored:
        generator: Any = load_autoencoder(checkpoint)
        trained_on, base, trained_px = "train", checkpoint.stem, 0
    else:
        generator = load_trainee(checkpoint)
        if not isinstance(generator, Ddpm | LatentDdpm):
            raise UsageError(f"{checkpoint} is no ddpm, latent_ddpm or autoencoder, and only those fill regions")
        trained_on, base = stored["recipe"]["data"]["split"], stored["recipe"]["name"]
        generator.check_side(recipe.size_px)
        trained_px = stored["recipe"]["training"]["size_px"]
    domain = replace(recipe.data, split=split or trained_on)
    pool = load_recipe_pool(domain, data, 1)
    name = f"{recipe.name}/{base}{'' if recipe.restore else '/unrestored'}"
    digest = recipe_sha256(recipe)
    sides = (trained_px, recipe.size_px)
    origin = Origin(
        name, "inpaint", f"inpaint by {base}", digest, stored["step"], seed, *sides, trained_on, domain.split
    )

    def filled(count: int, group_seed: int, group: int) -> Made:
        real = pool.draw_as(domain, np.random.default_rng(group_seed), count, recipe.size_px)
        tiles, masks = inpaint(generator, recipe, real, group * GROUP)
        return Made(tiles, masks, real)

    return Maker(origin, filled, {"recipe": recipe_json(recipe)})


def _trained_on(recipe: dict[str, Any]) -> str:
    data = recipe.get("domain_a") or recipe["data"]
    if data["folder"]:
        return "own"
    return "composed" if "composed" in recipe else str(data["split"])


def _training_of(checkpoint: Path, step: int, name: str = "stats.jsonl") -> dict[str, Any]:
    """Seconds and a thinned curve up to a step, from the statistics of the checkpoint's run."""
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        if (folder / name).is_file():
            lines = [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
            lines = [line for line in lines if line["step"] <= step]
            if lines:
                every = -(-len(lines) // CURVE)
                seconds = round(step * lines[-1]["s_per_step"])
                return {"seconds": seconds, "curve": lines[every - 1 :: every], "sources": read_sources(folder)}
    return {}


def _parameters(trainee: Trainee) -> dict[str, int]:
    networks = {name: part for name, part in trainee.state().items() if isinstance(part, nn.Module)}
    return {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
