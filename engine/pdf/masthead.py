"""What a paper calls itself: its DOI and its title.

The file's own statements come first: the XMP packet (Prism, Dublin Core), then the document information dictionary.
Many titles there are left over from a template or a file name, and are not taken. What is missing can be looked for on
the first page: a DOI that the page prints as its own, and the largest heading in its upper part. Only the first page,
because later ones print the DOIs of other people's papers. Nothing is guessed: where nothing is convincing the answer
is ``None``. All of it is written by whoever made the file, so it is bounded, and holds printable characters only.
"""

from __future__ import annotations

import html
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pymupdf

from semscan.engine.pdf.guard import MupdfError, calling_mupdf
from semscan.engine.pdf.wire import LONGEST_DOI, LONGEST_TITLE, Named

_LONGEST_PACKET = 1 << 20
_LONGEST_FIELD = 8192
_MOST_LINES = 2000

_DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>{}|\\^`\u2026]{1,200}")
_SAYS_DOI = re.compile(r"(?:doi|digital object identifier)\W{0,12}(?:org\W{1,3})?\Z", re.IGNORECASE)
_DOI_FIELDS = ("prism:doi", "dc:identifier", "pdfx:doi", "crossmark:DOI", "prism:url")
_JOURNAL_DOI = re.compile(r"10\.\d{4,9}/\(ISSN\)", re.IGNORECASE)
_REFERENCES = re.compile(
    r"\W*(?:\d+\.?\s*)?(?:references(?: and notes)?|literature cited|bibliography)\W*", re.IGNORECASE
)

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_ENTITY = re.compile(r"#_#x([0-9A-Fa-f]{2,6});")
_MISREAD = re.compile("[\u00c2\u00c3\u00ce\u00cf\u00e2][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122]")
_JUNK = re.compile(
    r"(?:microsoft (?:word|powerpoint)\b|untitled|layout \d|(?:[\w.]+ )?template\b|title of (?:the )?(?:paper|article)"
    r"|(?:paper|article|manuscript|full) title|(?:manuscript|main (?:text|document))\b.{0,20}\Z|pii:|doi:|slide \d"
    r"|powerpoint\b|science journals|author(?:'s)? (?:version|manuscript)\Z|no job name)",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"\.(?:docx?|dvi|tex|pdf|indd|qxd|qxp|ps|eps|rtf|odt|fm|xml|pptx?|png|jpe?g|tiff?|html?)\b|://|\d+ ?\.\.+ ?\d+\Z",
    re.IGNORECASE,
)
_KIND_OF_ARTICLE = re.compile(
    r"\W*(?:(?:original|research|review|regular|short|full|invited|open access) ?)*"
    r"(?:articles?|papers?|communications?|reports?|letters?|reviews?|research|access)\W*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\d{3}")
_UNSPACED = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_WORD = re.compile(r"[^\W\d_]{2,}")

_UPPER_SHARE = 0.6
_SIZES_ALIKE_PT = 0.6
_LARGER_THAN_BODY = 1.15
_LEAST_WORDS, _LEAST_WORDS_PRINTED = 3, 4


class _Line(NamedTuple):
    """A line of a page, read from left to right: ``size`` of most of its characters and its edges in points."""

    text: str
    size: float
    top: float
    bottom: float


def declared(doc: pymupdf.Document) -> Named:
    """DOI and title as the file states them.

    Args:
        doc: an open PDF.
    """
    packet = _packet(doc)
    info: dict[str, str] = doc.metadata or {}
    subject = str(info.get("subject") or "")[:_LONGEST_FIELD]
    stated = [found for name in _DOI_FIELDS for text in _fields(packet, name) for found, _ in _dois(text)]
    described = [found for text in (*_fields(packet, "dc:description"), subject) for found, _ in _dois(text)]
    # A summary may name the DOI of something else as well; then none of them is believed.
    doi = next(iter(stated), None) or (described[0] if len({item.lower() for item in described}) == 1 else None)
    titles = [*_fields(packet, "dc:title"), *_fields(packet, "prism:title"), str(info.get("title") or "")]
    return Named(doi, next((title for title in map(clean_title, titles) if title and believable(title)), None))


def printed(doc: pymupdf.Document) -> Named:
    """DOI and title as the first page prints them.

    Args:
        doc: an open PDF.
    """
    try:
        with calling_mupdf():
            page = doc[0]
            text = page.get_text("dict", flags=pymupdf.TEXT_MEDIABOX_CLIP)
            height = float(page.cropbox.height) if page.rotation == 0 else 0.0
    except MupdfError:  # a name is a courtesy; a damaged page is told of when its images are looked for
        return Named()
    lines = list(_lines(text))
    return Named(_printed_doi([line.text for line in lines]), _printed_title(lines, height))


def clean_title(text: str) -> str | None:
    r"""A title as a person would write it: without mark-up, entities, control and invisible characters.

    Returns:
        One line, or ``None`` if nothing is left or it is too long for a title.

    >>> clean_title("Na&#x02013;O<sub>2</sub>\n batteries\u202e")
    'Na–O2 batteries'
    """
    text = _ENTITY.sub(r"&#x\1;", text[:_LONGEST_FIELD])
    text = html.unescape(html.unescape(text))  # some producers escape what was escaped already
    text = _TAG.sub("", text)
    if _MISREAD.search(text):
        text = _read_again(text)
    kept = (c if c.isprintable() else " " if c.isspace() else "" for c in unicodedata.normalize("NFC", text))
    text = " ".join("".join(kept).replace("\ufffd", " ").split()).strip("\"' *\u00b6")
    return text if 0 < len(text) <= LONGEST_TITLE else None


def believable(title: str) -> bool:
    """Whether a cleaned title can be that of a paper, rather than of a file, a template or a journal's system.

    >>> believable("Microsoft Word - paper3.doc"), believable("1635361.dvi"), believable("Cracks in cast steel")
    (False, False, True)
    """
    if _words(title) < _LEAST_WORDS or _JUNK.match(title) or _FILE_NAME.search(title):
        return False
    return not any("_" in word and _NUMBERED.search(word) for word in title.split())  # acs_nn_2c01234 and the like


def _words(title: str) -> int:
    """How many words a title has; two characters that are written without spaces count as one."""
    return sum(_WORD.search(word) is not None for word in title.split()) + len(_UNSPACED.findall(title)) // 2


def _packet(doc: pymupdf.Document) -> str:
    """The XMP packet of a document, empty if there is none that can be read at a bounded cost."""
    try:
        with calling_mupdf():
            xref = doc.xref_xml_metadata()
            if not xref:
                return ""
            data = doc.xref_stream_raw(xref) or b""
            kind, filters = doc.xref_get_key(xref, "Filter")
    except MupdfError:
        return ""
    if "FlateDecode" in filters:
        try:
            data = zlib.decompressobj().decompress(data, _LONGEST_PACKET)
        except zlib.error:
            return ""
    elif kind != "null":
        return ""
    return data[:_LONGEST_PACKET].decode("utf-8", "replace")


def _fields(packet: str, name: str) -> list[str]:
    """The first value of an XMP property, as an element or as an attribute; its length is bounded."""
    start = packet.find(f"<{name}")
    if start >= 0:
        begin = packet.find(">", start, start + 200) + 1
        end = packet.find(f"</{name}>", begin, begin + _LONGEST_FIELD)
        return [packet[begin:end]] if 0 < begin < end else []
    start = packet.find(f" {name}=")
    if start < 0:
        return []
    begin = start + len(name) + 2
    end = packet.find(packet[begin : begin + 1] or '"', begin + 1, begin + _LONGEST_FIELD)
    return [packet[begin + 1 : end]] if packet[begin : begin + 1] in ("'", '"') and end > 0 else []


def _dois(text: str) -> Iterator[tuple[str, bool]]:
    """Every DOI in a text, and whether the text calls it one."""
    for found in _DOI.finditer(text):
        doi = _ended(found[0])
        if len(doi.partition("/")[2]) > 1 and len(doi) <= LONGEST_DOI and not _JOURNAL_DOI.match(doi):
            yield doi, _SAYS_DOI.search(text[max(0, found.start() - 40) : found.start()]) is not None


def _ended(doi: str) -> str:
    """A DOI without what belongs to the sentence around it: punctuation, and brackets that were opened before it."""
    doi = "".join(char for char in doi if char.isprintable())
    while doi:
        last = doi[-1]
        opening = {")": "(", "]": "["}.get(last)
        if last not in ".,;:'\u2019\u201d*" and (opening is None or doi.count(opening) >= doi.count(last)):
            return doi
        doi = doi[:-1]
    return doi


def _printed_doi(lines: Sequence[str]) -> str | None:
    """The DOI that a page prints as its own: called one, printed most often, first."""
    own: list[str] = []
    for line in lines:
        if _REFERENCES.fullmatch(line):
            break
        own.append(line)
    found = list(_dois("\n".join(own)))
    labelled = [doi for doi, says in found if says]
    counts = Counter(doi.lower() for doi in labelled)
    if not counts:
        alone = {doi.lower(): doi for doi, _ in found}
        return next(iter(alone.values())) if len(alone) == 1 else None
    best = max(labelled, key=lambda doi: counts[doi.lower()])  # of equal ones the first
    # One that is broken at the end of its line is the beginning of another.
    whole = [doi for doi in labelled if doi.lower().startswith(best.lower())]
    return max(whole, key=len)


def _printed_title(lines: Sequence[_Line], height_pt: float) -> str | None:
    """The largest heading in the upper part of a page, if it can be a title."""
    sizes = Counter[float]()
    for line in lines:
        sizes[round(line.size, 1)] += len(line.text)
    if not sizes:
        return None
    body = sizes.most_common(1)[0][0]
    headings = _headings(line for line in lines if line.top < _UPPER_SHARE * height_pt)
    large = [
        (group[0].size, title)
        for group in headings
        if group[0].size >= _LARGER_THAN_BODY * body
        and (title := clean_title(_joined(group))) is not None
        and believable(title)
        and _words(title) >= _LEAST_WORDS_PRINTED
    ]
    if not large:
        return None
    most = max(size for size, _ in large)
    titles = {title for size, title in large if size > most - _SIZES_ALIKE_PT}
    return titles.pop() if len(titles) == 1 else None


def _headings(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Lines of one size that follow each other closely."""
    group: list[_Line] = []
    for line in lines:
        last = group[-1] if group else None
        if last and abs(line.size - last.size) < _SIZES_ALIKE_PT and -line.size < line.top - last.bottom < line.size:
            group.append(line)
        elif last and line.top < last.bottom and line.size < last.size and len(line.text) < 4:
            group.append(line._replace(size=last.size, bottom=last.bottom))  # a subscript that is a line of its own
        else:
            if group:
                yield group
            group = [line]
    if group:
        yield group


def _joined(group: Sequence[_Line]) -> str:
    text = ""
    for line in group:
        if not text and _KIND_OF_ARTICLE.fullmatch(line.text):
            continue
        text += ("" if text.endswith(("-", "\u2013", "/")) else " ") + line.text.strip()
    return text


def _lines(page: dict[str, object]) -> Iterator[_Line]:
    blocks = page["blocks"]
    assert isinstance(blocks, list)
    count = 0
    for block in blocks:
        for line in block.get("lines", ()):
            spans = line["spans"]
            text = "".join(span["text"] for span in spans)
            if not text.strip() or line["dir"][0] < 0.99:
                continue
            count += 1
            if count > _MOST_LINES:
                return
            size = max(spans, key=lambda span: len(span["text"].strip()))["size"]
            yield _Line(text[:_LONGEST_FIELD], float(size), float(line["bbox"][1]), float(line["bbox"][3]))


def _read_again(text: str) -> str:
    """UTF-8 that was taken for Windows-1252, read as UTF-8."""
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text
