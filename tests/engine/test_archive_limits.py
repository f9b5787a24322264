"""Archives that would explode, and archives beyond the limits: refused by themselves, and the run goes on."""

import io
import random
import struct
import tarfile
import zlib

import pytest
from packing import PDF, tarred, zipped

from semscan.engine.errors import NoticeCode
from semscan.engine.options import ScanOptions
from semscan.engine.sources import Intake

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
