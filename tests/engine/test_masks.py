"""Soft masks, stencils and colour keys lay an image on white."""

import numpy as np
import pytest
from decoding import COLOUR, GREY, LIMIT, H, W, decode, packed
from pdf_factory import Pdf, encode, micrograph

from semscan.engine.imagefile import decode_image_file
from semscan.engine.pdf.masks import InvisibleError


def test_a_soft_mask_lays_the_image_on_white():
    alpha = micrograph(seed=9)
    pdf = Pdf()
    mask = pdf.flate(W, H, alpha.tobytes())
    grey = decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {mask} 0 R")).grey
    exact = GREY * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(grey - exact).max() <= 0.5 + 1e-9


def test_an_opaque_soft_mask_changes_nothing_and_a_smaller_one_is_stretched_without_blur():
    pdf = Pdf()
    opaque = pdf.flate(5, 4, b"\xff" * 20)
    half = pdf.flate(2, 1, b"\xff\x00")
    assert np.array_equal(decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {opaque} 0 R")).grey, GREY)
    grey = decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {half} 0 R")).grey
    assert np.array_equal(grey[:, : W // 2], GREY[:, : W // 2])
    assert (grey[:, W // 2 :] == 255).all()


def test_matte_is_taken_out_again():
    pdf = Pdf()
    mask = pdf.flate(W, H, np.full((H, W), 128, np.uint8).tobytes(), extra="/Matte [0]")
    blended = (GREY * (128 / 255)).round().astype(np.uint8)
    grey = decode(pdf, pdf.flate(W, H, blended.tobytes(), extra=f"/SMask {mask} 0 R")).grey
    assert np.abs(grey - (GREY * (128 / 255) + 255 * (127 / 255))).max() <= 1.01


def test_a_soft_mask_over_a_jpeg_reaches_the_colour_view_too():
    pdf = Pdf()
    clear = pdf.flate(W, H, bytes(W * H - 1) + b"\xff")
    raster = decode(pdf, pdf.jpeg(encode(COLOUR, "JPEG"), extra=f"/SMask {clear} 0 R"))
    assert (raster.grey.ravel()[:-1] == 255).all()
    assert (raster.load_colour()[:-1] == 255).all()


@pytest.mark.parametrize("mask", [bytes(W * H), bytes(1)])
def test_an_image_that_is_transparent_everywhere_is_not_seen(mask):
    pdf = Pdf()
    clear = pdf.flate(W if len(mask) > 1 else 1, H if len(mask) > 1 else 1, mask)
    with pytest.raises(InvisibleError):
        decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/SMask {clear} 0 R"))


def test_a_stencil_mask_blanks_where_it_reads_one():
    bits = GREY > 100
    pdf = Pdf()
    mask = pdf.flate(W, H, packed(bits.astype(np.uint8), 1), bits=1, space="", extra="/ImageMask true")
    grey = decode(pdf, pdf.flate(W, H, GREY.tobytes(), extra=f"/Mask {mask} 0 R")).grey
    assert np.array_equal(grey, np.where(bits, 255, GREY))


@pytest.mark.parametrize("stored", ["flate", "jpeg"])
def test_a_colour_key_blanks_its_range(stored):
    pdf = Pdf()
    if stored == "flate":
        number = pdf.flate(W, H, GREY.tobytes(), extra="/Mask [90 120]")
        plain = GREY
    else:
        number = pdf.jpeg(encode(GREY, "JPEG", quality=90), extra="/Mask [90 120]")
        plain = decode_image_file(encode(GREY, "JPEG", quality=90), LIMIT)[0].grey
    assert np.array_equal(decode(pdf, number).grey, np.where((plain >= 90) & (plain <= 120), 255, plain))


def test_a_mask_that_is_its_own_mask_ends():
    pdf = Pdf()
    number = pdf.flate(W, H, GREY.tobytes(), extra="/SMask 3 0 R")
    assert number == 3
    assert decode(pdf, number).grey.shape == GREY.shape
