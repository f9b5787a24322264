import json

import numpy as np
import pytest

from semscan.training import probes
from semscan.training.evaluation.parts import Context
from semscan.training.evaluation.sets import save_panels
from semscan.training.panels import Panel
from semscan.training.probes import FACTS, file_facts, panel_facts, probe


def panels(count, side, maker="", seed=0, source=""):
    rng = np.random.default_rng(seed)
    return [
        Panel(
            rng.integers(0, 256, (side, side), dtype=np.uint8),
            source or f"s{i % 8}",
            5 * i,
            maker,
            None,
            "",
            f"{i}.png",
        )
        for i in range(count)
    ]


@pytest.fixture
def context(tmp_path, small_data):
    return Context(None, tmp_path / "run", small_data, tmp_path, tmp_path / "packs", tmp_path)


def fill(context, made_side):
    sets = {
        "genuine": panels(16, 192),
        "reconstructed": panels(16, made_side, "vae/a", 1),
        "genuine_small": [],
        "packs_test": [],
        "packs_train": [],
    }
    for name, members in sets.items():
        save_panels(members, context.folder / "sets" / f"{name}.npz")


def test_facts_are_read_from_what_is_stored():
    panel = Panel(np.zeros((200, 300), np.uint8), "s", 4, "", [2] * 64, "")
    facts, level = panel_facts(panel, "png")
    assert dict(zip(FACTS, facts, strict=True)) == {
        "width": 300,
        "height": 200,
        "longer to shorter side": 1.5,
        "lossless": 1,
        "last JPEG quality": 100,
        "own JPEG table": 128,
        "bit depth": 8,
    }
    assert level == 0
    facts, _ = panel_facts(panel, "q75")
    assert facts[3:5].tolist() == [0, 75]


def test_the_probe_finds_a_planted_difference_and_nothing_else():
    rng = np.random.default_rng(2)
    genuine, made = (rng.choice([300, 400, 500], (80, len(FACTS))).astype(float) for _ in range(2))
    groups = [f"s{i % 10}" for i in range(80)]
    found = probe(genuine, groups, made, groups)
    assert found["auc_ci95"][0] < 0.5 < found["auc_ci95"][1] or abs(found["auc"] - 0.5) < 0.1
    made[:, 4] += 250
    found = probe(genuine, groups, made, groups)
    assert found["auc"] > 0.99
    assert found["single"] == {"fact": "last JPEG quality", "auc": 1.0}


def test_the_same_facts_on_both_sides_are_exactly_at_chance():
    facts = np.random.default_rng(3).choice([300.0, 400.0], (40, len(FACTS)))
    groups = [f"s{i % 8}" for i in range(40)]
    assert probe(facts, groups, facts.repeat(3, 0), np.repeat(groups, 3).tolist())["auc"] == 0.5


def test_too_few_sources_are_said():
    facts = np.ones((6, len(FACTS)))
    assert probe(facts, ["a"] * 6, facts, ["b"] * 6) == {"too_few_groups": 2}


def test_files_of_the_train_split_tell_their_history(small_data):
    facts, sources = file_facts(small_data)
    assert len(facts) == len(sources) == 6
    own = facts[:, FACTS.index("own JPEG table")]
    assert {s for s, table in zip(sources, own, strict=True) if table} == {"train0"}


def test_the_part_sees_a_set_that_is_not_fair(context, monkeypatch):
    monkeypatch.setattr(probes, "CHANNELS", {"png": "stored without loss"})
    fill(context, 192)
    fair = json.loads(json.dumps(probes.PART.measure(context), allow_nan=False))
    assert [row["auc"] for row in fair["rows"]] == [0.5]
    assert fair["raw"] == {}
    fill(context, 160)
    unfair = probes.PART.measure(context)
    assert unfair["rows"][0]["auc"] == 1.0
    text = "\n".join(probes.PART.render(unfair))
    assert "| reconstructed | stored without loss | 16 + 16 | 1.000" in text


def test_made_panels_are_left_out_with_their_partners(context, monkeypatch):
    """Whole sources differ in size: with all made ones in folds of their own, each fold would be answered wrong."""
    monkeypatch.setattr(probes, "CHANNELS", {"png": "stored without loss"})
    for name, maker, source in (("genuine", "", ""), ("reconstructed", "vae/a", "elsewhere")):
        members = [p for i in range(8) for p in panels(8, 144 + 8 * i, maker, i, source)[i : i + 1] * 2]
        save_panels(members, context.folder / "sets" / f"{name}.npz")
    for name in ("genuine_small", "packs_test", "packs_train"):
        save_panels([], context.folder / "sets" / f"{name}.npz")
    assert [row["auc"] for row in probes.PART.measure(context)["rows"]] == [0.5]


def test_without_panels_nothing_is_measured(context):
    for name in ("genuine", "reconstructed", "genuine_small", "packs_test", "packs_train"):
        save_panels([], context.folder / "sets" / f"{name}.npz")
    assert probes.PART.render(probes.PART.measure(context)) == ["Not measured: there are no panels to probe."]
