"""Lists of paths and patterns mean what a shell user expects."""

import io

import pytest

from semscan.engine.errors import UsageError
from semscan.engine.selection import Selection, expand, is_pattern, listed_paths


def test_a_list_of_paths(tmp_path):
    (tmp_path / "list").write_bytes("\ufeffa.pdf\r\n\n b c.pdf\n-\npapers/*.pdf\ncaf\xe9.pdf".encode() + b"\n\xff.pdf")
    names = ["a.pdf", " b c.pdf", "./-", "papers/*.pdf", "caf\xe9.pdf", "\udcff.pdf"]
    assert list(listed_paths(str(tmp_path / "list"))) == names
    assert list(listed_paths("-", io.BytesIO((tmp_path / "list").read_bytes()))) == names


def test_a_list_that_cannot_be_read_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match="list cannot be read"):
        listed_paths(str(tmp_path / "missing"))


def test_a_list_is_read_while_it_is_used():
    class Endless(io.BytesIO):
        def __iter__(self):
            return self

        def __next__(self):
            return b"x.pdf\n"

    paths = listed_paths("-", Endless())
    assert [next(paths), next(paths)] == ["x.pdf", "x.pdf"]


@pytest.mark.parametrize(
    ("include", "exclude", "admitted"),
    [
        ((), (), {"a.pdf", "x/b.pdf", "x/y/b.png"}),
        (("*.pdf",), (), {"a.pdf", "x/b.pdf"}),
        (("x/*",), (), {"x/b.pdf", "x/y/b.png"}),
        (("b.*",), ("y",), {"x/b.pdf"}),
        ((), ("x",), {"a.pdf"}),
        ((), ("x/y",), {"a.pdf", "x/b.pdf"}),
        (("*.PDF",), (), set()),
        (("*.pdf",), ("*.pdf",), set()),
    ],
)
def test_selection(include, exclude, admitted):
    selection = Selection(include, exclude)
    assert {path for path in ("a.pdf", "x/b.pdf", "x/y/b.png") if selection.admits(path)} == admitted
    assert bool(selection) == bool(include or exclude)


def test_patterns(tmp_path):
    for name in ("b/x.pdf", "a/x.pdf", "a/deep/y.pdf", ".hidden/z.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    def names(pattern):
        return [str(path.relative_to(tmp_path)) for path in expand(str(tmp_path / pattern))]

    assert names("*/x.pdf") == ["a/x.pdf", "b/x.pdf"]
    assert names("**/*.pdf") == ["a/x.pdf", "a/deep/y.pdf", "b/x.pdf"]
    assert names("[!a]") == ["b"] and names("a/**") == ["a"] and names("nothing/*") == []
    assert is_pattern("a?.pdf") and not is_pattern("a.pdf")
