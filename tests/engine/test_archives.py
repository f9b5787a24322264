"""Archives are read in passing: nothing escapes, nothing explodes, nothing is left behind, nothing is lost silently."""

import io
import random
import struct
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest

from semscan.engine.archives import archive_kind, clean_name
from semscan.engine.document import Document
from semscan.engine.errors import NoticeCode, OutputError
from semscan.engine.options import ScanOptions
from semscan.engine.records import NoticeRecord
from semscan.engine.sources import Intake

PDF = b"%PDF-1.4 "


def zipped(members: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w", *extra: tarfile.TarInfo, **options) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, **options) as tar:
        for info in extra:
            tar.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files, checked to be empty afterwards."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def read(tmp_path, scratch):
    """Labels and first bytes of the documents in an archive, and codes and labels of its notices."""

    def reader(name: str, data: bytes, **options) -> list:
        path = tmp_path / name
        path.write_bytes(data)
        out = []
        with Intake(ScanOptions(**options)) as intake:
            for item in intake.documents([path]):
                label = str(item.label if isinstance(item, Document) else item.path).replace(str(path), name)
                if isinstance(item, NoticeRecord):
                    assert item.message and item.message.isprintable()
                    out.append((str(item.code), label))
                    continue
                content = item.opened.read_bytes()
                assert len(content) == item.bytes and len(list(item.opened.parent.iterdir())) <= 2 + 4
                out.append((label, content[-8:]))
                intake.release(item)
                assert not item.opened.exists()
        return out

    return reader


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


# Bombs


def test_a_member_that_explodes_is_refused_and_its_neighbours_are_read(read):
    bomb = bytes(30 * 2**20)
    padding = random.Random(0).randbytes(400_000)  # the archive as a whole stays within the ratio
    data = zipped({"a.pdf": PDF, "bomb.pdf": bomb, "padding.bin": padding, "z.pdf": PDF})
    assert read("x.zip", data) == [
        ("x.zip!a.pdf", PDF[-8:]), (NoticeCode.ARCHIVE_BOMB, "x.zip!bomb.pdf"), ("x.zip!z.pdf", PDF[-8:]),
    ]  # fmt: skip
    assert len(read("x.zip", data, archive_ratio=2000)) == 3
    assert len(read("y.zip", zipped({"black.tif": bytes(9 * 2**20)}))) == 1  # too small to harm anybody


def test_an_archive_that_explodes_as_a_whole_is_ended_and_the_next_input_is_read(read, tmp_path, scratch):
    small_bombs = {f"{n}.pdf": bytes(9 * 2**20) for n in range(8)}
    assert read("x.zip", zipped(small_bombs))[1:] == [(NoticeCode.ARCHIVE_BOMB, "x.zip")]
    (tmp_path / "next.pdf").write_bytes(PDF)
    with Intake(ScanOptions()) as intake:
        *_, notice, document = intake.documents([tmp_path / "x.zip", tmp_path / "next.pdf"])
    assert notice.code == NoticeCode.ARCHIVE_BOMB and document.path.endswith("next.pdf")


def test_a_bomb_of_bombs_is_ended_by_what_the_outermost_archive_holds(read):
    level = zipped({f"{n}.pdf": bytes(8 * 2**20) for n in range(16)})
    for _ in range(2):
        level = zipped([(f"{n}.zip", level) for n in range(16)])
    assert len(level) < 2**20
    assert read("42.zip", level)[-1] == (NoticeCode.ARCHIVE_BOMB, "42.zip")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_tar_whose_decompression_explodes_in_a_member_nobody_wants(read, mode):
    data = tarred({"a.pdf": PDF, "zeros.bin": bytes(40 * 2**20), "z.pdf": PDF}, mode)
    assert read("x.tgz", data) == [("x.tgz!a.pdf", PDF[-8:]), (NoticeCode.ARCHIVE_BOMB, "x.tgz")]
    nested_bomb = {"bomb.tgz": data, "z.pdf": PDF, "padding.bin": random.Random(0).randbytes(10**6)}
    assert [item for item in read("y.zip", zipped(nested_bomb)) if item[0] != NoticeCode.ARCHIVE_BOMB] == [
        ("y.zip!bomb.tgz!a.pdf", PDF[-8:]), ("y.zip!z.pdf", PDF[-8:]),
    ]  # fmt: skip


def overlapping(members: int, size: int) -> bytes:
    """A ZIP whose members all share the same compressed bytes."""
    data = bytes(size)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = compressor.compress(data) + compressor.flush()
    sizes = struct.pack("<LLL", zlib.crc32(data), len(packed), size)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0x21) + sizes + struct.pack("<HH", 5, 0) + b"a.pdf"
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0x21) + sizes
    entry += struct.pack("<HHHHHLL", 5, 0, 0, 0, 0, 0, 0) + b"a.pdf"
    directory = entry * members
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, members, members, len(directory), len(local + packed), 0)
    return local + packed + directory + end


def test_members_that_share_their_bytes_are_a_bomb(read):
    found = read("x.zip", overlapping(2000, 2**20))
    assert found[-1][0] in (NoticeCode.ARCHIVE_BOMB, NoticeCode.ARCHIVE_CORRUPT) and len(found) < 30


def test_holes_of_a_sparse_file_count_as_expansion(read):
    header = tarfile.TarInfo("a.pdf")
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a.pdf",
                          "GNU.sparse.realsize": str(900 * 2**20)}  # fmt: skip
    sparse_map = f"1\n{900 * 2**20 - 1}\n1\n".encode().ljust(512, b"\0")
    header.size = len(sparse_map) + 1
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(header, io.BytesIO(sparse_map + b"x"))
    assert read("x.tar", file.getvalue()) == [(NoticeCode.ARCHIVE_BOMB, "x.tar")]


# Limits


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_files_beyond_the_limit_are_not_read(read, pack):
    name = "x.zip" if pack is zipped else "x.tar"
    data = pack({f"{n}.txt": b"" for n in range(9999)} | {"a.pdf": PDF, "b.pdf": PDF})
    assert read(name, data) == [(f"{name}!a.pdf", PDF[-8:]), (NoticeCode.ARCHIVE_LIMIT, name)]
    assert len(read(name, data, archive_files=10_001)) == len(read(name, data, archive_files=10**12)) == 2


def test_files_of_inner_archives_count(read):
    inner = zipped({f"{n}.pdf": PDF for n in range(6)})
    found = read("x.zip", zipped([(f"{n}.zip", inner) for n in range(3)]), archive_files=10)
    assert len(found) == 9 and found[-1] == (NoticeCode.ARCHIVE_LIMIT, "x.zip")


def test_a_directory_far_longer_than_the_limit_is_not_loaded(read):
    data = zipped([(f"{n}-{'x' * 600}.txt", b"") for n in range(5000)])
    assert read("x.zip", data, archive_files=10) == [(NoticeCode.ARCHIVE_LIMIT, "x.zip")]


def test_the_expanded_total_is_limited_but_a_plain_tar_does_not_expand(read):
    noise = random.Random(0).randbytes(700_000)
    members = {f"{n}.pdf": noise for n in range(4)}
    found = read("x.zip", zipped(members), archive_mib=2)
    assert [item[0] for item in found[2:]] == [NoticeCode.ARCHIVE_LIMIT]
    assert read("x.tgz", tarred(members, "w:gz"), archive_mib=2)[-1] == (NoticeCode.ARCHIVE_LIMIT, "x.tgz")
    assert len(read("x.tar", tarred(members), archive_mib=1)) == 4


def test_a_member_beyond_the_limit_for_files(read):
    big = random.Random(0).randbytes(2**20 + 1)
    expected = [(NoticeCode.FILE_TOO_LARGE, "x.zip!big.pdf"), ("x.zip!a.pdf", PDF[-8:])]
    assert read("x.zip", zipped({"big.pdf": big, "a.pdf": PDF}), max_file_mib=1) == expected
    assert read("x.tar", tarred({"big.pdf": big, "a.pdf": PDF}), max_file_mib=1)[1][0] == "x.tar!a.pdf"


def test_a_huge_declared_size_is_refused_before_anything_is_written(read):
    info = tarfile.TarInfo("a.pdf")
    info.size = 2**60
    found = read("x.tar", info.tobuf(tarfile.GNU_FORMAT) + PDF)
    assert found == [(NoticeCode.FILE_TOO_LARGE, "x.tar!a.pdf"), (NoticeCode.ARCHIVE_CORRUPT, "x.tar")]


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_headers_of_gigabytes_are_not_loaded(tmp_path, scratch, kind):
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 2**34
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(2**34)
    with Intake(ScanOptions()) as intake:
        (notice,) = intake.documents([tmp_path / "x.tar"])
    (tmp_path / "x.tar").unlink()
    assert notice.code == NoticeCode.ARCHIVE_CORRUPT and "header" in notice.message


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
