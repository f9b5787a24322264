"""Archives are read in passing: nothing escapes, nothing explodes, nothing is left behind, nothing is lost silently."""

import io
import random
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from packing import PDF, tarred, zipped

from semscan.engine.archives import archive_kind, clean_name
from semscan.engine.errors import NoticeCode, OutputError
from semscan.engine.options import ScanOptions
from semscan.engine.sources import Intake

MODES = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


@pytest.mark.parametrize("suffix", ["zip", "meca", *MODES])
def test_supported_members_become_documents(read, suffix):
    members = {"b.pdf": PDF + b"b", "sub/a.TIF": b"II*\0a", "data.csv": b"1,2", "manifest.xml": b"<manifest/>"}
    members |= {"__MACOSX/._b.pdf": b"junk"}
    data = tarred(members, MODES[suffix]) if suffix in MODES else zipped(members)
    name = f"x.{suffix}"
    assert read(name, data) == [(f"{name}!b.pdf", (PDF + b"b")[-8:]), (f"{name}!sub/a.TIF", b"II*\0a")]


def test_only_the_pictures_of_a_docx_are_its_documents(read):
    members = {
        "[Content_Types].xml": b"<x/>",
        "word/document.xml": b"<x/>",
        "word/media/image1.png": b"\x89PNG1",
        "word/media/image2.jpeg": b"\xff\xd8\xff2",
        "word/media/image3.emf": b"emf",
        "docProps/thumbnail.jpeg": b"\xff\xd8\xff",
        "word/embeddings/x.zip": zipped({"a.pdf": PDF}),
    }
    images = [
        ("paper.docx!word/media/image1.png", b"\x89PNG1"),
        ("paper.docx!word/media/image2.jpeg", b"\xff\xd8\xff2"),
    ]
    assert read("paper.docx", zipped(members)) == images
    assert read("x.zip", zipped({"paper.docx": zipped(members)})) == [
        ("x.zip!" + label, data) for label, data in images
    ]


def test_archives_inside_archives_keep_their_chain(tmp_path, scratch):
    inner = zipped({"deep/a.pdf": PDF})
    (tmp_path / "x.tar.gz").write_bytes(tarred({"sub/i.zip": inner, "j.tgz": tarred({"b.pdf": PDF}, "w:gz")}, "w:gz"))
    with Intake(ScanOptions()) as intake:
        first, second = intake.documents([tmp_path / "x.tar.gz"])
    outer = str(tmp_path / "x.tar.gz")
    assert (first.container, first.path) == ((outer, "sub/i.zip"), "deep/a.pdf")
    assert (second.container, second.path) == ((outer, "j.tgz"), "b.pdf")


def nested(levels: int) -> bytes:
    data = zipped({"level0.pdf": PDF})
    for level in range(1, levels):
        data = zipped({f"{level}.zip": data, f"level{level}.pdf": PDF})
    return data


def test_nesting_ends_at_the_limit_and_its_neighbours_are_read(read):
    found = read("x.zip", nested(6), archive_depth=3)
    assert [label.rpartition("!")[2] for label, _ in found if label.endswith("pdf")] == [
        "level3.pdf", "level4.pdf", "level5.pdf",
    ]  # fmt: skip
    assert [item for item in found if item[0] == NoticeCode.ARCHIVE_LIMIT] == [
        (NoticeCode.ARCHIVE_LIMIT, "x.zip!5.zip!4.zip!3.zip")
    ]
    assert len(read("x.zip", nested(4))) == 4


NAMES = ["/etc/a.pdf", "../../b.pdf", "C:\\temp\\..\\c.pdf", "x/\x1b[31m\u202ed.pdf", "a//./e.pdf", "..\\..\\f.pdf"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_are_only_labels(read, scratch, pack):
    found = read("x.zip" if pack is zipped else "x.tar", pack(dict.fromkeys(NAMES, PDF)))
    labels = [label.partition("!")[2] for label, _ in found]
    assert labels == ["etc/a.pdf", "b.pdf", "temp/c.pdf", "x/[31md.pdf", "a/e.pdf", "f.pdf"]


def test_a_name_of_nothing_and_a_name_of_novel_length(read):
    assert clean_name("../..") == clean_name("\0") == "unnamed"
    nameless = zipped({"a.pdf": PDF})
    place = nameless.index(b"PK\x01\x02") + 28
    assert read("x.zip", nameless[:place] + b"\0" + nameless[place + 1 :])[0][0] == NoticeCode.ARCHIVE_CORRUPT
    assert len(clean_name("a" * 60_000 + ".pdf")) == 500 and clean_name("a" * 60_000 + ".pdf").endswith(".pdf")
    assert clean_name("caf\udce9.pdf") == "caf.pdf"
    assert archive_kind("._x.zip") is None and archive_kind("a/X.DOCX") and archive_kind("gz") is None


def test_links_and_devices_are_passed_over(read):
    specials = []
    for number, kind in enumerate(
        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
    ):
        info = tarfile.TarInfo(f"{number}.pdf")
        info.type, info.linkname = kind, "/etc/passwd"
        specials.append(info)
    assert read("x.tar", tarred({"a.pdf": PDF}, "w", *specials)) == [("x.tar!a.pdf", PDF[-8:])]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("link.pdf")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("folder.pdf/", b"")
    assert read("x.zip", file.getvalue()) == [(NoticeCode.NO_SUPPORTED_FILES, "x.zip")]


def test_duplicate_names_are_all_read_and_told_apart(read):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped([("a.pdf", PDF + b"1"), ("a.pdf", PDF + b"2"), ("../a.pdf", PDF + b"3")])
    assert [(label, content[-1:]) for label, content in read("x.zip", data)] == [
        ("x.zip!a.pdf", b"1"), ("x.zip!a.pdf#2", b"2"), ("x.zip!a.pdf#3", b"3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data"), [("x.zip", zipped({})), ("x.tar", tarred({})), ("x.tgz", tarred({}, "w:gz"))]
)
def test_an_archive_with_nothing_of_use_is_a_warning(read, name, data):
    assert read(name, data) == [(NoticeCode.NO_SUPPORTED_FILES, name)]
    assert read("y.zip", zipped({"a.txt": b"", "b.zip": zipped({"c.csv": b""})})) == [
        (NoticeCode.NO_SUPPORTED_FILES, "y.zip")
    ]


@pytest.mark.parametrize("name", ["x.zip", "x.docx", "x.tar", "x.tar.gz"])
@pytest.mark.parametrize("data", [b"", b"no archive at all" * 100])
def test_what_is_no_archive_is_damaged(read, name, data):
    assert read(name, data) == [(NoticeCode.ARCHIVE_CORRUPT, name)]


# Damage


def test_encrypted_members_are_told_once_and_the_others_read(read):
    data = bytearray(zipped({"a.pdf": PDF, "b.pdf": PDF, "c.pdf": PDF}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    data[data.index(b"PK\x01\x02", directory + 4) + 8] |= 1
    assert read("x.zip", bytes(data)) == [(NoticeCode.ARCHIVE_ENCRYPTED, "x.zip"), ("x.zip!c.pdf", PDF[-8:])]


def test_a_member_whose_bytes_changed_is_damaged_and_the_others_read(read):
    data = zipped({"a.pdf": PDF + b"1", "b.pdf": PDF + b"2"}, zipfile.ZIP_STORED).replace(PDF + b"1", PDF + b"x")
    assert [item[0] for item in read("x.zip", data)] == [NoticeCode.ARCHIVE_CORRUPT, "x.zip!b.pdf"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_what_lies_before_a_cut_is_read(read, mode):
    noise = random.Random(0).randbytes(300_000)
    data = tarred({"a.pdf": noise, "b.pdf": noise[:1000]}, mode)
    if mode in ("w", "w:gz"):  # the others compress in blocks larger than this archive
        found = read("x.tar", data[: len(data) // 2])
        assert found == [(NoticeCode.ARCHIVE_CORRUPT, "x.tar")]
        found = read("x.tar", data[:301_200])
        assert found[0][0] == "x.tar!a.pdf" and found[-1] == (NoticeCode.ARCHIVE_CORRUPT, "x.tar")
    for size in (20, len(data) // 3, 310_000):
        assert read("x.tar", data[:size])[-1] in [
            (NoticeCode.ARCHIVE_CORRUPT, "x.tar"), ("x.tar!b.pdf", noise[992:1000]),
        ]  # fmt: skip
    assert read("x.zip", zipped({"a.pdf": noise})[:-30]) == [(NoticeCode.ARCHIVE_CORRUPT, "x.zip")]


def test_a_damaged_header_is_not_taken_for_the_end(read):
    data = bytearray(tarred({"a.pdf": PDF, "b.pdf": PDF}))
    data[1024 + 10] ^= 0xFF
    assert read("x.tar", bytes(data)) == [("x.tar!a.pdf", PDF[-8:]), (NoticeCode.ARCHIVE_CORRUPT, "x.tar")]
    assert read("y.tar", tarred({"a.pdf": PDF})[:1024])[1:] == [(NoticeCode.ARCHIVE_CORRUPT, "y.tar")]


def test_headers_about_headers_end(read):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    assert read("x.tar", (info.tobuf(tarfile.GNU_FORMAT) + bytes(512)) * 900)[-1][0] == NoticeCode.ARCHIVE_CORRUPT


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_ends_the_run(read, seed):
    """Bytes are changed at random: whatever the readers raise becomes a notice, and the next input is read."""
    chance = random.Random(seed)
    inner = zipped({"a.pdf": PDF * 20, "b.txt": b"hello"})
    sources = {
        "x.zip": zipped({"a.pdf": PDF * 50, "i.zip": inner, "t.tgz": tarred({"q.pdf": PDF}, "w:gz")}),
        "s.zip": zipped({"a.pdf": PDF * 50, "i.zip": inner}, zipfile.ZIP_STORED),
        "l.zip": zipped({"a.pdf": PDF * 50}, zipfile.ZIP_LZMA) + zipped({"a.pdf": PDF * 50}, zipfile.ZIP_BZIP2),
        "x.tar": tarred({"a.pdf": PDF * 50, "n" * 200 + ".pdf": PDF}, format=tarfile.PAX_FORMAT),
        "g.tar": tarred({"a.pdf": PDF * 50, "n" * 200 + ".pdf": PDF}, format=tarfile.GNU_FORMAT),
        "x.tgz": tarred({"a.pdf": PDF * 50, "i.zip": inner}, "w:gz"),
        "x.tbz": tarred({"a.pdf": PDF * 50}, "w:bz2"),
        "x.txz": tarred({"a.pdf": PDF * 50}, "w:xz"),
    }
    for name, data in sources.items():
        for _ in range(15):
            damaged = bytearray(data)
            for _ in range(chance.choice((1, 2, 8))):
                place = chance.randrange(len(damaged)) if name[0] != "x" else chance.randrange(min(len(damaged), 1600))
                damaged[place] = chance.randrange(256)
            read(name, bytes(damaged[: chance.choice((len(damaged), chance.randrange(1, len(damaged))))]))


# Mechanics


def test_a_tar_is_read_as_it_comes(tmp_path, scratch):
    """Documents are handed out before the rest of the archive exists."""
    stream = io.BytesIO(tarred({"a.pdf": PDF, "b.pdf": bytes(10**6)}))
    with Intake(ScanOptions(), stream) as intake:
        documents = intake.documents(["-"])
        assert next(documents).path == "a.pdf" and stream.tell() < 200_000
        assert [item.path for item in documents] == ["b.pdf"]


def test_bytes_are_copied_only_when_asked_for_and_gone_whatever_happens(tmp_path, scratch):
    (tmp_path / "x.zip").write_bytes(zipped({"i.zip": nested(3), "a.pdf": PDF}))

    def copies() -> int:
        return sum(path.is_file() and path.name != "in-use" for path in scratch.rglob("*"))

    with pytest.raises(RuntimeError, match="interrupted"), Intake(ScanOptions()) as intake:
        documents = intake.documents([tmp_path / "x.zip"])
        assert copies() == 0
        first = next(documents)
        assert copies() == 4 and first.container[-1] == "1.zip"  # three inner archives and the document
        raise RuntimeError("interrupted")
    assert copies() == 0
    documents.close()


def test_no_room_for_temporary_files_is_a_refusal(tmp_path, monkeypatch):
    (tmp_path / "x.zip").write_bytes(zipped({"a.pdf": PDF}))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(OutputError) as refused, Intake(ScanOptions()) as intake:
        list(intake.documents([tmp_path / "x.zip"]))
    assert "TMPDIR" in refused.value.remedy


def test_archives_in_folders_are_found_and_read_once(tmp_path, scratch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.zip").write_bytes(zipped({"a.pdf": PDF}))
    with Intake(ScanOptions()) as intake:
        (document,) = intake.documents([tmp_path / "in", tmp_path / "in" / "x.zip"])
    assert document.container == (str(Path(tmp_path / "in" / "x.zip")),)
