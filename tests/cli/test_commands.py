"""Help, version, completion, and the commands that only hand their arguments on."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import click
import pytest

from semscan.cli.group import COMMANDS
from semscan.cli.main import cli, main


def every_command(command=cli, words=()):
    """All commands with the words that reach them."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from every_command(command.get_command(context, name), (*words, name))


def test_bare_semscan_shows_help_and_is_refused(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "semscan paper.pdf" in captured.err


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_shows_examples_first(word, capsys):
    assert main([word]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Examples:\n  semscan paper.pdf")
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_every_command_has_help_with_examples(capsys):
    found = list(every_command())
    assert len(found) > 15
    for words, command in found:
        assert main([*words, "--help"]) == 0
        out = capsys.readouterr().out
        assert out.strip()
        if words:
            assert command.short_help, words
            assert command.help, words
        if len(words) == 1:
            assert out.startswith("Examples:\n  "), words
            assert "semscan" in out.partition("Usage:")[0], words


def test_every_option_has_help():
    for words, command in every_command():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{words} {option.opts}"


def test_version_is_that_of_the_package(capsys):
    from semscan import __version__

    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, capfd):
    assert main(["completion", shell]) == 0
    assert "_SEMSCAN_COMPLETE" in capfd.readouterr().out


def test_completion_offers_commands_options_and_files():
    context = click.Context(cli, info_name="semscan")
    items = [(item.type, item.value) for item in cli.shell_complete(context, "sc")]
    assert items == [("file", "sc"), ("plain", "scan"), ("plain", "schema")]


def test_a_missing_optional_package_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path, capsys):
    recipe = tmp_path / "r.toml"
    recipe.touch()

    def missing(*arguments):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setitem(sys.modules, "semscan.training.systems", SimpleNamespace(train_recipe=missing))
    assert main(["train", str(recipe)]) == 2
    assert "pip install 'semscan[train]'" in capsys.readouterr().err


def test_training_commands_hand_their_arguments_on(monkeypatch, tmp_path, capsys):
    calls = []

    def record(*arguments):
        calls.append(arguments)
        return tmp_path / "run"

    for module, function in (
        ("semscan.training.systems", "train_recipe"),
        ("semscan.training.evaluate", "evaluate"),
        ("semscan.training.calibrate", "calibrate"),
    ):
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**{function: record}))
    recipe = tmp_path / "r.toml"
    recipe.touch()
    words = [str(recipe), "--set", "a.b=1", "--set", "c=2", "--data", str(tmp_path), "--run-dir", str(tmp_path / "run")]
    given = (recipe, ["a.b=1", "c=2"], tmp_path, tmp_path / "run")
    assert main(["train", *words, "--resume"]) == 0
    assert main(["train", *words, "--dry-run"]) == 0
    assert main(["evaluate", *words]) == 0
    assert main(["evaluate", *words, "--only", "T1, T4", "-o", str(tmp_path / "p.md")]) == 0
    assert main(["calibrate", *words]) == 0
    measured = [(*given, [], None), (*given, ["T1", "T4"], tmp_path / "p.md")]
    assert calls == [(*given, True, False), (*given, False, True), *measured, given]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "run")] * 5


def test_shipped_recipes_are_found_by_name_and_others_refused(monkeypatch, capsys):
    calls = []
    fake = SimpleNamespace(train_recipe=lambda *arguments: calls.append(arguments))
    monkeypatch.setitem(sys.modules, "semscan.training.systems", fake)
    assert main(["train", "detector"]) == 0
    assert calls[0][0].name == "detector.toml"
    assert main(["train", "nonsense"]) == 2
    assert "detector" in capsys.readouterr().err


def test_export_commands_hand_their_arguments_on(monkeypatch, tmp_path, capsys):
    fake = SimpleNamespace(export_onnx=lambda run, output: output)
    monkeypatch.setitem(sys.modules, "semscan.export.to_onnx", fake)
    fake = SimpleNamespace(
        verify=lambda model, source, checkpoint, tiles: SimpleNamespace(
            checks=[f"{model.name} {source} {checkpoint}"], absent=["tensorrt: not measured"]
        )
    )
    monkeypatch.setitem(sys.modules, "semscan.export.verify", fake)
    target = tmp_path / "m.onnx"
    assert main(["export", "onnx", str(tmp_path), "-o", str(target)]) == 0
    target.touch()
    assert main(["export", "onnx", str(tmp_path), "-o", str(target)]) == 2
    assert main(["export", "verify", str(target)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(target),
        str(target),
        "  m.onnx None None",
        "  tensorrt: not measured",
    ]
