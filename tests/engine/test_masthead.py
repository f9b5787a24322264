"""DOI and title: what a file states, what its first page prints, and nothing that is not the paper's own."""

import zlib
from contextlib import closing
from dataclasses import replace

import pytest
from examining import TASK, texture
from pdf_factory import Pdf
from test_bundle import model_file

from semscan.engine.backends.fake import FakeBackend
from semscan.engine.examine import Examiner
from semscan.engine.options import ScanOptions
from semscan.engine.parse import record_from_json
from semscan.engine.pdf import masthead
from semscan.engine.pdf.wire import LONGEST_TITLE, Named
from semscan.engine.pipeline import scan
from semscan.engine.records import DocumentRecord, to_jsonable
from semscan.engine.sinks.sqlite import SqliteSink

DOI = "10.1234/abc.2020-7(1)x"
TITLE = "Cracks and pores in slowly cooled cast steel"
BODY = "this sentence is of the running text, and there is more of it than of anything else on the page"


def stating(xmp: str = "", info: str = "", *, packed: bool = False, lines=()) -> Pdf:
    """A PDF with an XMP packet, a title in its information dictionary and lines of text: size, height, words."""
    pdf = Pdf()
    font = pdf.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    shown = "".join(f"/F {size} Tf 1 0 0 1 60 {y} Tm ({words}) Tj " for size, y, words in lines)
    pdf.page(f"BT {shown}ET", f"/MediaBox [0 0 612 792]/Resources <</Font <</F {font} 0 R>>>>")
    if xmp:
        data = f"<x:xmpmeta>{xmp}</x:xmpmeta>".encode()
        stored = zlib.compress(data) if packed else data
        entries = "/Type/Metadata/Subtype/XML" + ("/Filter/FlateDecode" if packed else "")
        pdf.catalogue_entries = f"/Metadata {pdf.stream(entries, stored)} 0 R"
    if info:
        pdf.info = pdf.add(f"<</Title <{info.encode('utf-16').hex()}>>>" if info[0] != "<" else info)
    return pdf


def document(pdf: Pdf):
    data = pdf.build()
    if number := getattr(pdf, "info", None):
        data = data.replace(b"/Root 1 0 R", b"/Root 1 0 R/Info %d 0 R" % number)
    return masthead.pymupdf.open(stream=data, filetype="pdf")


def declared(pdf: Pdf) -> Named:
    return masthead.declared(document(pdf))


def printed(*lines: tuple[float, float, str]) -> Named:
    return masthead.printed(document(stating(lines=lines)))


@pytest.mark.parametrize(
    "xmp",
    [
        f"<prism:doi>{DOI}</prism:doi>",
        f"<dc:identifier>doi:{DOI}</dc:identifier>",
        f"<rdf:Description prism:doi='{DOI}'/>",
        f'<rdf:Description pdf:x="1" dc:identifier="https://doi.org/{DOI}"/>',
        f"<dc:description><rdf:li>Journal of Tests 3, doi:{DOI}.</rdf:li></dc:description>",
        f"<prism:doi>10.1234/(ISSN)1234-5678</prism:doi><pdfx:doi>{DOI}</pdfx:doi>",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_doi_that_the_file_states(xmp, packed):
    assert declared(stating(xmp, packed=packed)).doi == DOI


def test_a_summary_that_names_two_is_not_believed():
    both = f"<dc:description>doi:{DOI} and doi:10.1234/other</dc:description>"
    assert declared(stating(both)).doi is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f"<rdf:Alt><rdf:li xml:lang='x-default'>\n {TITLE}\n</rdf:li></rdf:Alt>", TITLE),
        ("Do Na&amp;#x02013;O&lt;sub&gt;2&lt;/sub&gt; cells work?", "Do Na–O2 cells work?"),
        ("Proteins of Alzheimerâ€™s disease", "Proteins of Alzheimer’s disease"),
        ("鋳鋼の微細組織と割れ", "鋳鋼の微細組織と割れ"),
        ("Docking of TNF-#_#x03B1; and others", "Docking of TNF-α and others"),
        ("Two\u202ereversed \u2066words\u2069\x7f in\u200b a title\x00", "Tworeversed words in a title"),
    ],
)
def test_the_title_that_the_file_states(written, read):
    assert declared(stating(f"<dc:title>{written}</dc:title>")).title == read


def test_xmp_comes_before_the_information_dictionary_unless_it_holds_junk():
    title = f"<dc:title>{TITLE}</dc:title>"
    assert declared(stating(title, "Some other title entirely")).title == TITLE
    assert declared(stating("<dc:title>untitled</dc:title>", TITLE)).title == TITLE


@pytest.mark.parametrize(
    "junk",
    [
        "Microsoft Word - A long name of a paper.docx",
        "untitled",
        "Layout 1",
        "1635361.dvi",
        "HDOMC_1261356 1..12",
        "nature of things 1..12",
        "acs_nn_2020_01234 rev two final",
        "Science Journals — AAAS",
        "PII: S0001 two three",
        "Template for authors of papers",
        "10.1234/abc",
        "My paper of last year final.tex",
        "https://www.example.org/a/b c d",
        "AM_Com_NonLegReport",
    ],
)
def test_names_of_files_and_templates_are_no_titles(junk):
    assert declared(stating(info=junk)) == Named()


def test_a_title_of_megabytes_is_none():
    hostile = "word " * 400_000
    assert declared(stating(f"<dc:title>{hostile}</dc:title><prism:doi>10.1234/{'a' * 10**6}", hostile)) == Named()
    assert masthead.clean_title("_" * 10**6) is None
    assert masthead.clean_title("ab " * 5000) is None
    assert masthead.clean_title("x" * (LONGEST_TITLE + 1)) is None
    assert masthead.clean_title("x" * LONGEST_TITLE) == "x" * LONGEST_TITLE


def test_a_packet_that_unpacks_to_very_much_is_read_in_part():
    bomb = stating("<dc:title>" + " " * 10**8 + "</dc:title>", packed=True)
    assert declared(bomb) == Named()


@pytest.mark.parametrize("filters", ["/Filter/DCTDecode", "/Filter/FlateDecode", "/Filter[/ASCIIHexDecode/LZWDecode]"])
def test_a_packet_that_cannot_be_read_states_nothing(filters):
    pdf = stating()
    pdf.catalogue_entries = f"/Metadata {pdf.stream(filters, b'<dc:title>' + TITLE.encode())} 0 R"
    assert declared(pdf) == Named()


@pytest.mark.parametrize(
    ("lines", "doi"),
    [
        (["Cite as https://doi.org/10.1234/abc.7."], "10.1234/abc.7"),
        (["\\(doi:10.1234/abc\\(7\\)\\)"], "10.1234/abc(7)"),
        (["Digital Object Identifier 10.1234/TED.1"], "10.1234/TED.1"),
        (["Data: 10.5061/data", "DOI: 10.1234/abc"], "10.1234/abc"),
        (["doi: 10.1234/long.2019.", "e0132", "https://doi.org/10.1234/long.2019.e0132"], "10.1234/long.2019.e0132"),
        (["doi:10.1234/abc", "doi:10.1234/other", "https://doi.org/10.1234/other"], "10.1234/other"),
        (["10.1234/alone"], "10.1234/alone"),
        (["10.1234/one", "10.1234/two"], None),
        (["References", "1. A. Author, doi:10.1234/theirs"], None),
    ],
)
def test_the_doi_that_the_first_page_prints(lines, doi):
    assert printed(*[(9, 700 - 30 * at, words) for at, words in enumerate(lines)]).doi == doi


def test_dois_of_later_pages_are_other_peoples():
    pdf = stating(lines=[(9, 700, "Nothing here")])
    pdf.pages.append(stating_page(pdf, "doi:10.1234/theirs"))
    assert masthead.printed(document(pdf)) == Named()


def stating_page(pdf: Pdf, words: str) -> int:
    font = pdf.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    pdf.page(f"BT /F 9 Tf 60 700 Td ({words}) Tj ET", f"/MediaBox [0 0 612 792]/Resources <</Font <</F {font} 0 R>>>>")
    return pdf.pages.pop()


JOURNAL = (24, 750, "Steel Letters")
HEADING = [(18, 700, "Cracks and pores in slowly"), (18, 680, "cooled cast steel")]
TEXT = [(9, 400 - 11 * at, BODY) for at in range(12)]


def test_the_title_is_the_largest_heading_of_the_upper_part():
    assert printed(JOURNAL, *HEADING, *TEXT).title == TITLE
    assert printed((18, 722, "Research Article"), *HEADING, *TEXT).title == TITLE


@pytest.mark.parametrize(
    "lines",
    [
        TEXT,
        [JOURNAL, *TEXT],
        [(size, y - 500, words) for size, y, words in HEADING] + TEXT,
        [*HEADING, (18, 600, "Another heading that is as large"), *TEXT],
    ],
    ids=["no heading", "a journal's name", "at the foot", "two as large"],
)
def test_no_title_unless_it_is_plain(lines):
    assert printed(*lines).title is None


def messages(folder, pdf: Pdf) -> list:
    file = folder / "document"
    file.write_bytes(pdf.build())
    sent = []
    Examiner().examine(replace(TASK, file=str(file)), sent.append)
    return [message for message in sent if isinstance(message, Named)]


def with_picture(pdf: Pdf) -> Pdf:
    grey = texture(256, 256)
    image = pdf.flate(256, 256, grey.tobytes())
    pdf.page("300 0 0 300 50 50 cm /I Do", I=image)
    return pdf


def test_the_first_page_is_read_for_documents_with_figures_that_do_not_name_themselves(tmp_path):
    lines = [*HEADING, (9, 500, "https://doi.org/10.1234/abc"), *TEXT]
    whole = Named("10.1234/abc", TITLE)
    assert messages(tmp_path, stating(lines=lines)) == []
    assert messages(tmp_path, with_picture(stating(lines=lines))) == [whole]
    half = stating(f"<dc:title>{TITLE}</dc:title>", lines=[(18, 700, "What is printed is something else"), *lines[2:]])
    assert messages(tmp_path, with_picture(half)) == [Named(None, TITLE), whole]
    full = stating(f"<dc:title>{TITLE}</dc:title><prism:doi>{DOI}</prism:doi>", lines=lines)
    assert messages(tmp_path, with_picture(full)) == [Named(DOI, TITLE)]


def test_a_first_page_that_is_a_trap_is_not_read(tmp_path):
    pdf = stating(lines=[*HEADING, (9, 500, "https://doi.org/10.1234/abc"), *TEXT])
    trap = pdf.form("")
    for _ in range(16):
        trap = pdf.form("/A Do /A Do", A=trap)
    pdf.objects[pdf.pages[0]] = pdf.objects[pdf.pages[0]].replace(b"/Font <<", b"/XObject <</A %d 0 R>>/Font <<" % trap)
    number = int(pdf.objects[pdf.pages[0]].split(b"/Contents ")[1].split()[0])
    content = pdf.objects[number].partition(b"stream\n")[2].rpartition(b"\nendstream")[0] + b" /A Do"
    pdf.objects[number] = b"<</Length %d>>\nstream\n" % len(content) + content + b"\nendstream"
    assert messages(tmp_path, with_picture(pdf)) == []


def test_a_scan_and_its_database_hold_the_name(tmp_path):
    pdf = with_picture(stating("<dc:title>A title\u202e with\x1b\x00 marks in it</dc:title>", lines=TEXT))
    (tmp_path / "a.pdf").write_bytes(pdf.build())
    options = ScanOptions(model=str(model_file(tmp_path / "m.onnx")), fpr=0.99, jobs=1)
    records = list(scan(tmp_path / "a.pdf", options, backend=FakeBackend()))
    (document,) = [record for record in records if isinstance(record, DocumentRecord)]
    assert (document.doi, document.title) == (None, "A title with marks in it")
    assert record_from_json(to_jsonable(document)) == document
    with closing(SqliteSink(tmp_path / "run.sqlite")) as sink:
        for record in records[:-1]:
            sink.write(record)
        sink.write(records[-1])
        assert next(sink.records()) == document
