"""The text view for a person at a terminal: a block per document, and what the run as a whole found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from semscan.cli import wording
from semscan.cli.rows import Show
from semscan.cli.table import PanelTable, wrapped
from semscan.cli.terminal import Style, printable
from semscan.engine.errors import NoticeCode
from semscan.engine.records import (
    DocumentRecord,
    NoticeRecord,
    PanelRecord,
    Record,
    RunRecord,
    SummaryRecord,
)

_MOST_NAMED = 6


class TextView:
    """Sink that writes text for a person.

    Args:
        write: takes finished text.
        style: colour and width.
        show: which panels are listed.
    """

    def __init__(self, write: Callable[[str], None], style: Style, show: Show) -> None:
        self._write, self._style, self._show = write, style, show
        self._run: RunRecord | None = None
        self._document: DocumentRecord | None = None
        self._panels: list[PanelRecord] = []
        self._notices: list[NoticeRecord] = []
        self._after_short = False

    def write(self, record: Record) -> None:
        """See :class:`semscan.engine.sinks.Sink`."""
        if isinstance(record, PanelRecord):
            self._panels.append(record)
        elif isinstance(record, NoticeRecord) and self._document and record.path == wording.name(self._document):
            self._notices.append(record)
        else:
            self.close()
            if isinstance(record, RunRecord):
                self._run = record
                self._print(_run_lines(record, self._style))
            elif isinstance(record, DocumentRecord):
                self._document = record
            elif isinstance(record, NoticeRecord) and record.code == NoticeCode.BATCH_HALVED:
                self._print(["", *_notice(record, self._style)])  # about a device, which is no input
            elif isinstance(record, NoticeRecord):
                self._print(["", *_unread(record.path, [record], self._style)])
            else:
                self._print(_summary_lines(record, self._run, self._style))

    def close(self) -> None:
        """Print the document whose panels were still coming in."""
        document, self._document = self._document, None
        panels, self._panels = self._panels, []
        notices, self._notices = self._notices, []
        if document is None:
            return
        if document.status == "failed":
            self._print(["", *_unread(wording.name(document), notices, self._style)])
        else:
            rate = float(self._run.policy["fpr_per_panel"]) if self._run else None
            block = _Block(document, panels, notices, rate, self._style, self._show)
            gap = [] if self._after_short and block.is_short else [""]
            self._print([*gap, *block.lines()])
            self._after_short = block.is_short

    def _print(self, lines: Sequence[str]) -> None:
        self._write("".join(line.rstrip() + "\n" for line in lines))


class _Block:
    """The lines about one document."""

    def __init__(
        self,
        document: DocumentRecord,
        panels: Sequence[PanelRecord],
        notices: Sequence[NoticeRecord],
        rate: float | None,
        style: Style,
        show: Show,
    ) -> None:
        self._document, self._counts, self._rate = document, document.counts, rate
        self._notices, self._style, self._show = notices, style, show
        self._panels = panels
        self._assessed = [p for p in panels if p.status == "assessed"]
        self._unassessed = [p for p in panels if p.status != "assessed" and not wording.left_alone(p)]
        self._flagged = [p for p in self._assessed if p.level == "look"]

    @property
    def is_short(self) -> bool:
        """Whether the document is one of many and gets one line, without an empty one around it."""
        return self._show is Show.FLAGGED and not self._flagged

    def lines(self) -> list[str]:
        if self.is_short:
            return self._short()
        listed = [p for p in self._panels if self._show.lists(p)]
        lines = [*self._head(), "", "  " + self._headline()]
        rows = [p for p in listed if p.status == "assessed"]
        table = PanelTable(listed, self._style)
        if rows:
            lines += table.assessed(rows)
            lines.append("")
        if self._assessed:
            lines += wrapped(self._others(), self._style)
        if self._flagged:
            lines += wrapped(self._step(), self._style)
        lines += self._cues()
        for title, wanted in (("Not assessed", False), ("Other panels, left alone", True)):
            skipped = [p for p in listed if p.status != "assessed" and wording.left_alone(p) is wanted]
            if skipped:
                lines += ["", f"  {title}", *table.unassessed(skipped)]
        lines += [line for notice in self._notices for line in _notice(notice, self._style)]
        return lines

    def _short(self) -> list[str]:
        """One document among many without a flag: what was examined, on one line."""
        words = f"{self._coverage()}   {wording.headline(0, len(self._assessed))}"
        if not self._assessed and self._unassessed:
            words = f"not assessed: {wording.reasons(self._unassessed)}"
        elif not self._assessed:
            words = "not assessed: no SEM panel was found"
        lines = [f"{self._title()}   {words}"]
        if len(click.unstyle(lines[0])) > self._style.width:
            lines = [self._title(), f"  {words}"]
        lines += self._cues()
        return lines + [line for notice in self._notices for line in _notice(notice, self._style)]

    def _cues(self) -> list[str]:
        said = filter(None, (show(self._panels) for show in (wording.cues, wording.siblings, wording.regions)))
        return [line for text in said for line in wrapped(printable(text), self._style)]

    def _head(self) -> list[str]:
        sem, other = f"  SEM panels  {self._coverage()}", f"other panels {wording.kinds(self._counts.other)}"
        if len(sem) + len(other) + 6 <= self._style.width:
            return [self._title(), *self._masthead(), f"{sem}      {other}"]
        return [self._title(), *self._masthead(), sem, f"  {other}"]

    def _masthead(self) -> list[str]:
        """Title and DOI of the paper on one line; a title that does not fit is cut."""
        doi = printable(f"doi:{self._document.doi}") if self._document.doi else ""
        title = printable(self._document.title or "")
        room = max(self._style.width - len(doi) - 4, 0)
        if len(title) > room:
            title = f"{title[: max(room - 3, 0)].rstrip()}..."
        named = "  ".join(filter(None, (title, doi)))
        return [f"  {named}"] if named else []

    def _title(self) -> str:
        document, counts = self._document, self._counts
        parts = [wording.count(counts.figures, "figure"), wording.count(counts.panels, "panel")]
        if document.media_type == "application/pdf":
            parts.insert(0, wording.count(document.pages, "page"))
        return f"{self._style.strong(printable(wording.name(document)))}   {', '.join(parts)}"

    def _coverage(self) -> str:
        counts = self._counts
        line = f"{counts.assessed:,} assessed, {counts.not_assessed:,} not assessed"
        # The rows below give each reason; where there are none, the reasons are counted here.
        if self._unassessed and self._show is Show.FLAGGED:
            line += f" ({wording.reasons(self._unassessed)})"
        return line

    def _headline(self) -> str:
        words = wording.headline(len(self._flagged), len(self._assessed))
        if self._flagged:
            return self._style.warn(words)
        if self._assessed:
            return self._style.strong(words)
        if not self._unassessed:
            return f"{self._style.strong(words)}: no SEM panel was found"
        return f"{self._style.strong(words)}: no SEM panel could be assessed"

    def _step(self) -> str:
        names = [printable(name) for name in wording.places(self._flagged)]
        named = ", ".join(names[:_MOST_NAMED])
        if len(names) > _MOST_NAMED:
            named += f" and {len(names) - _MOST_NAMED} more"
        return f"Suggested step: ask the authors for the original instrument file of {named}."

    def _others(self) -> str:
        """What the panels that were not flagged are, and how often a genuine paper is flagged."""
        notes = sum(p.level == "note" for p in self._assessed)
        ordinary = len(self._assessed) - len(self._flagged) - notes
        noun = "other panel" if self._flagged else "panel"
        parts = []
        if ordinary:
            parts.append(f"{wording.count(ordinary, noun)} {'lies' if ordinary == 1 else 'lie'} in the ordinary range")
        if notes:
            upper = f"{notes} at its upper end"
            if not ordinary:
                verb = "lies" if notes == 1 else "lie"
                upper = f"{wording.count(notes, noun)} {verb} at the upper end of the ordinary range"
            parts.append(f"{upper} (level note, listed with --show all)")
        return f"{', '.join(parts) or 'No other panel was assessed'}.{self._paper()}"

    def _paper(self) -> str:
        """How often a genuine paper is flagged."""
        if self._rate is None:
            return ""
        paper = f"a genuine paper with {wording.count(len(self._assessed), 'panel')} shows one or more flags"
        share = wording.percent(self._document.p_any_false_flag)
        return f" At {wording.one_in(self._rate)}, {paper} up to {share} of the time."


_CHOSEN_IN_HEAD = 60
"""Characters of what was chosen, and why, up to which it stands in the first line; more is a line of its own."""


def _run_lines(run: RunRecord, style: Style) -> list[str]:
    where = "offline" if run.offline else "uses the network"
    chosen = printable(run.chosen or "")
    why = f" ({chosen})" if 0 < len(chosen) <= _CHOSEN_IN_HEAD else ""
    runtime = f"{run.device}, {run.backend} {run.precision}{why}"
    model = f"model {run.model.id} (sha256 {run.model.sha256[:8]})"
    head = f"{style.strong(f'{run.tool.name} {run.tool.version}')}   {printable(model)}   {runtime}   {where}"
    rate = float(run.policy["fpr_per_panel"])
    calibration = run.calibration
    reference = f"{wording.count(calibration.n, 'panel')}, worth {wording.count(calibration.sources, 'source')},"
    if run.policy.get("calibration"):
        reference += f" of your own ({calibration.id})"
    meaning = (
        f"Rate {wording.one_in(rate)}: at most {wording.one_in(rate)} genuine SEM panels is flagged, as far as a "
        f"reference of {reference} can tell; panels that were reduced or denoised may be flagged more often."
    )
    smallest = wording.smallest_rate(calibration.sources)
    if smallest > 0.01:
        meaning += f" The reference is thin: it supports no rate below {wording.one_in(smallest)}."
    more = wrapped(f"Runtime: {chosen}.", style, indent="") if chosen and not why else []
    lines = [head, *more, *wrapped(printable(meaning), style, indent="")]
    if caution := run.model.caution:
        lines += wrapped(printable(f"{caution} Its card: semscan models info {run.model.id}"), style, indent="")
    return lines


def _summary_lines(summary: SummaryRecord, run: RunRecord | None, style: Style) -> list[str]:
    lines = [line for text in totals(summary) for line in wrapped(text, style, hanging=" " * 13)]
    return ["", *lines, "", *wrapped(wording.CLOSING, style)]


def totals(summary: SummaryRecord) -> list[str]:
    """What a run found beside what it would find if every panel were genuine."""
    panels, documents = summary.panels, summary.documents
    low, high = (wording.plain_number(value) for value in summary.expected_ci95)
    failed = f", {documents['failed']:,} failed" if documents.get("failed") else ""
    return [
        f"Documents  {documents.get('read', 0):,} read{failed}",
        f"Panels     {panels.get('assessed', 0):,} assessed, {panels.get('not_assessed', 0):,} not assessed",
        f"Flags      {panels.get('flagged', 0):,} found, {wording.plain_number(summary.expected_flags)} expected if "
        f"every panel were genuine (95 % interval {low} to {high})",
        *(f"Note       {printable(remark)}" for remark in summary.remarks),
    ]


def _unread(path: str, notices: Sequence[NoticeRecord], style: Style) -> list[str]:
    lines = [f"{style.strong(printable(path))}   not assessed"]
    return lines + [line for notice in notices for line in _notice(notice, style)]


def _notice(notice: NoticeRecord, style: Style) -> list[str]:
    page = f"page {notice.page}: " if notice.page else ""
    return wrapped(f"{notice.severity}: {page}{printable(notice.message)}", style)
