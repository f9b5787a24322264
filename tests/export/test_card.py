"""The model card says what was tested, what was not, under which licences and with how many sources."""

import pytest

from semscan.export.card import caution, model_card
from semscan.training.report import FAMILY_NAMES, NEVER_TESTED

RATE = {"k": 3, "n": 100, "rate": 0.03, "ci95": [0.006, 0.085]}
FLAGS = {
    "panels": 100,
    "sources": 20,
    "flagged": RATE,
    "tail_5pct": RATE,
    "outside_smoothness_range": 2,
    "by_source": {},
}
RANKED = {
    "n": 40, "auc": 0.9, "auc_ci95": [0.8, 0.95], "auc_smoothness_alone": 0.4, "tpr_at_5pct_fpr": 0.5,
    "tpr_at_1pct_fpr": 0.2, "tpr_at_shipped_threshold": 0.3,
}  # fmt: skip
CHANNEL = {"auc": 0.88, "tpr_at_5pct_fpr": 0.4, "flagged": 0.25}
RESULTS = {
    "rate": 0.05,
    "smallest_bound": 0.031,
    "test": {"psnr_db": {"ae/bilinear": 41.0}},
    "held_out": [],
    "faithful": ["ae/bilinear"],
    "conditions": {
        "png": {"seen": RANKED, "faithful": RANKED, "generated": [{"group": "seen", **RANKED}], "false_flags": FLAGS},
        "in_pdf": {"seen": RANKED, "generated": [], "false_flags": FLAGS},
    },
    "benign": {"x2": FLAGS},
    "swap": {"genuine_png_made_q75": 0.87, "genuine_q75_made_png": 0.86},
    "makers": [
        {"kind": "packs", "maker": "gan/fastgan_64", "n": 30, "in_pdf": CHANNEL},
        {"kind": "packs", "maker": "gan/dcgan_64", "n": 10, "in_pdf": {**CHANNEL, "auc": 0.7, "flagged": 0.65}},
    ],
    "never_seen": [{"held": "gan", "in_pdf": {"auc": 0.77}}],
    "targets": {"T4": {"aim": "rate <= 2 x nominal", "measured": "3 of 100", "state": "aim"}},
}
TABLE = {"n": 163, "sources": 93}
CALIBRATION = {
    "smoothness": {"slope": 0.0, "intercept": 0.0, "low": -1.8, "high": 1.9},
    "strata": {"lossless": TABLE, "jpeg75": {**TABLE, "sources": 69, "counted": 93}},
    "local": {"jpeg75": {"n": 120, "sources": 71}},
}
PROVENANCE = {
    "network": "npr64k", "parameters": 61345, "tile_px": 128, "makers": ["gan/fastgan_64", "diffusion/ddpm_64"],
    "recipe": {"held_out": ["gan/stylegan2"], "faithful": []}, "recipe_sha256": "ab" * 32, "seed": 1,
    "git_revision": "abc", "torch": "2",
    "data": [
        {"data_set": "emps", "split": "train", "files": 7, "independent_sources": 5, "licence": "CC-BY-4.0"},
    ],
}  # fmt: skip


@pytest.fixture
def card():
    return model_card("sem-9", CALIBRATION, RESULTS, PROVENANCE, "* Known of sem-9 alone.\n")


def test_families_are_named_as_tested_or_not(card):
    rows = {line.split(" | ")[0].strip("| "): line for line in card.splitlines() if line.startswith("| ")}
    assert "2 makers, n = 40 | 0.700 to 0.880 | 35 % | 0.770" in rows[FAMILY_NAMES["gan"]]
    assert "ddpm_64 | **not tested**" in rows[FAMILY_NAMES["diffusion"]]
    assert all("**not tested**" in rows[label] for key, label in FAMILY_NAMES.items() if key != "gan")
    assert all(what in card for what in NEVER_TESTED)


def test_licences_sources_rates_and_limits_are_there(card):
    for words in (
        "CC-BY-4.0",
        "| jpeg75 | 163 | 93 |",
        "jpeg75 71",
        "0.031",
        "3 of 100",
        "Known of sem-9 alone",
        "61,345",
    ):
        assert words in card, words
    assert "was tried and did not help" in card and "not thereby shown to come from a microscope" in card


def test_the_caution_names_only_what_was_tested():
    said = caution("sem-9", RESULTS)
    assert "(GANs), not on autoencoders" in said and "the absence of a flag says nothing" in said
    nothing = caution("sem-9", {"makers": []})
    assert "no family of generators" in nothing


def test_weighted_sources_are_counted_and_said_to_be_worth_less(card):
    assert "| lossless | 163 | 93 | 93 |" in card and "| jpeg75 | 163 | 93 | 69 |" in card


def test_the_caution_says_when_tails_are_too_small():
    def measured(rate):
        return {"makers": [], "conditions": {"png": {"false_flags": {"tail_5pct": {"rate": rate}}}}}

    assert "26 % stored without loss" in caution("sem-9", measured(0.258))
    assert "too small" not in caution("sem-9", measured(0.05))
