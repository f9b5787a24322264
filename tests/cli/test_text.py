"""What one person sees, word for word."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from semscan.cli.rows import PlainRows, Show
from semscan.cli.terminal import Style, style_for
from semscan.cli.text import TextView
from semscan.engine.records import CueRecord, KindRecord, NoticeRecord, PanelRecord, RegionRecord, SiblingRecord

PLAIN = Style(colour=False, width=110)


RARITY = "1 in 240 score this high (130-500)"


def shown(records, show=Show.BRIEF, style=PLAIN):
    texts = []
    view = TextView(texts.append, style, show)
    for record in records:
        view.write(record)
    view.close()
    return "".join(texts)


def block(text):
    return textwrap.dedent(text).lstrip("\n")


def test_a_paper_with_a_flag(sample):
    assert shown(sample.paper) == block("""
        semscan 0.1.0   model sem-1 (sha256 9f3c1e7a)   cpu, onnxruntime fp32   offline
        Rate 1 in 100: at most 1 in 100 genuine SEM panels is flagged, as far as a reference of 2,431 panels, worth
        310 sources, can tell; panels that were reduced or denoised may be flagged more often.

        paper.pdf   12 pages, 6 figures, 31 panels
          SEM panels  14 assessed, 2 not assessed      other panels 15 (graphics 9, TEM 4, photographs 2)

          1 panel for a closer look
          PAGE  FIGURE  PANEL  PIXELS   SOURCE              AMONG GENUINE PANELS LIKE IT
          4     Fig. 2  b      412x309  JPEG q~80, 300 ppi  1 in 240 score this high (130-500)   LOOK

          1 other panel lies in the ordinary range. At 1 in 100, a genuine paper with 2 panels shows one or more flags
          up to 13 % of the time.
          Suggested step: ask the authors for the original instrument file of Fig. 2 b.

          Not assessed
          7     Fig. 5  c      118x96   short side 96 px < 128 px

          Documents  1 read
          Panels     14 assessed, 2 not assessed
          Flags      1 found, 0.14 expected if every panel were genuine (95 % interval 0.1 to 0.19)

          A flag is a prompt to look, not a finding. No flag does not show that an image is genuine.
        """)


@pytest.mark.parametrize(
    ("doi", "title", "line"),
    [
        ("10.1234/abc", "Cracks in steel", "  Cracks in steel  doi:10.1234/abc"),
        ("10.1234/abc", None, "  doi:10.1234/abc"),
        (None, "Cracks in steel", "  Cracks in steel"),
        ("10.1234/abc", "Cracks " * 40, "  " + ("Cracks " * 40)[: PLAIN.width - 22].rstrip() + "...  doi:10.1234/abc"),
        (None, "Cracks\x1b[2J\u202e in steel", "  Cracks?[2J? in steel"),
    ],
)
def test_the_name_of_a_paper_is_one_line(sample, doi, title, line):
    lines = shown([sample.run, replace(sample.document(), doi=doi, title=title), sample.look]).splitlines()
    at = next(at for at, text in enumerate(lines) if text.startswith("paper.pdf"))
    assert lines[at + 1] == line
    assert len(line) <= PLAIN.width
    assert lines[at + 2].startswith("  SEM panels")


def test_a_paper_without_a_flag(sample):
    document = sample.document(flagged=0, other={"graphic": 1})
    note = sample.assessed(3, "note", tail=0.05, tail_ci95=(0.03, 0.08))
    text = shown([sample.run, document, sample.assessed(1), sample.assessed(2), note])
    assert text.partition("\n\n")[2] == block("""
        paper.pdf   12 pages, 6 figures, 31 panels
          SEM panels  14 assessed, 2 not assessed      other panels 1 (graphic 1)

          no panel flagged
          2 panels lie in the ordinary range, 1 at its upper end (level note, listed with --show all). At 1 in 100, a
          genuine paper with 3 panels shows one or more flags up to 13 % of the time.
        """)


def test_a_paper_that_was_not_assessed(sample):
    counts = sample.nothing | {"figures": 2, "panels": 2, "sem": 1, "not_assessed": 1, "other": {"graphic": 1}}
    text = shown([sample.run, sample.document(status="not_assessed", **counts), sample.small, sample.graphic])
    assert text.partition("\n\n")[2] == block("""
        paper.pdf   12 pages, 2 figures, 2 panels
          SEM panels  0 assessed, 1 not assessed      other panels 1 (graphic 1)

          not assessed: no SEM panel could be assessed

          Not assessed
          7     Fig. 5  c      118x96  short side 96 px < 128 px
        """)
    text = shown([sample.run, sample.document(status="not_assessed", **sample.nothing)])
    assert "  not assessed: no SEM panel was found\n" in text
    assert "no panel flagged" not in text


def test_documents_that_failed(sample):
    missing = replace(sample.notice, code="not_found", path="gone.pdf", message="there is no such file or folder")
    end = sample.summary(documents={"read": 0, "failed": 1}, panels={}, expected_flags=0.0, expected_ci95=(0.0, 0.0))
    text = shown([sample.run, sample.failed, sample.notice, missing, end])
    assert text.partition("\n\n")[2] == block("""
        x/locked.pdf   not assessed
          error: the PDF needs a password

        gone.pdf   not assessed
          error: there is no such file or folder

          Documents  0 read, 1 failed
          Panels     0 assessed, 0 not assessed
          Flags      0 found, 0 expected if every panel were genuine (95 % interval 0 to 0)

          A flag is a prompt to look, not a finding. No flag does not show that an image is genuine.
        """)


def test_many_documents_get_one_line_each_unless_flagged(sample):
    quiet = sample.document("quiet.pdf", flagged=0)
    small = sample.document("small.pdf", "not_assessed", **sample.nothing)
    tiny = shown([sample.run, small, sample.small, replace(sample.small, reason="corrupt"), sample.small], Show.FLAGGED)
    assert "small.pdf   12 pages, 0 figures, 0 panels   not assessed: too small 2, damaged 1\n" in tiny
    other = sample.document("other.pdf", "not_assessed", **sample.nothing)
    text = shown([sample.run, quiet, sample.assessed(1), sample.small, other, *sample.paper[1:]], Show.FLAGGED)
    short = "\nother.pdf   12 pages, 0 figures, 0 panels   not assessed: no SEM panel was found\n\npaper.pdf"
    assert short in text
    line = "quiet.pdf   12 pages, 6 figures, 31 panels   14 assessed, 2 not assessed (too small 1)   no panel flagged\n"
    assert line in text
    assert "1 panel for a closer look" in text
    assert "Not assessed\n" not in text


def test_a_warning_stays_with_its_document(sample):
    warning = replace(sample.notice, severity="warning", path="paper.pdf", page=3, message="a page is damaged")
    text = shown([*sample.paper[:-1], warning, sample.paper[-1]])
    assert "  warning: page 3: a page is damaged\n\n  Documents" in text


def test_what_was_taken_and_why_is_in_the_head(sample):
    said = shown([replace(sample.run, chosen="starts fastest"), sample.summary()])
    assert "   cpu, onnxruntime fp32 (starts fastest)   offline\n" in said
    long = "NHWC; a CUDA graph for batches of 32 refused: ONNX Runtime fails on cuda:0: CUDA failure \x1b[31m900"
    said = shown([replace(sample.run, chosen=long), sample.summary()])
    assert "   cpu, onnxruntime fp32   offline\n" in said
    assert "Runtime: NHWC; a CUDA graph for batches of 32 refused:" in said
    assert "\x1b[31m" not in said


def test_a_device_that_halves_its_batch_is_told_and_is_no_input(sample):
    said = "cuda:0 is out of memory with batches of 32 tiles; it goes on with 16 at a time"
    notice = NoticeRecord("warning", "batch_halved", "cuda:0", said)
    text = shown([sample.paper[0], notice, *sample.paper[1:-1], sample.summary(remarks=(said,))])
    assert f"warning: {said}" in text
    assert f"Note       {said}" in text
    assert "cuda:0   not assessed" not in text


def test_show_all_lists_every_panel(sample):
    text = shown(sample.paper, Show.ALL)
    assert "  4     Fig. 2  1/6    412x309  JPEG q~80, 300 ppi  1 in 3.3 score this high (2.8-4)     -\n" in text
    assert "  Other panels, left alone\n  8     Fig. 5  c      118x96   taken for: graphic\n" in text


def test_show_unassessed_lists_only_those(sample):
    text = shown(sample.paper, Show.UNASSESSED)
    assert "short side 96 px" in text
    assert "1 in 240" not in text
    assert "1 panel for a closer look" in text


def test_a_narrow_terminal_loses_nothing(sample):
    text = shown(sample.paper, style=Style(width=80))
    assert max(map(len, text.splitlines())) <= 80
    assert "  4     Fig. 2  b      412x309  JPEG q~80, 300 ppi   LOOK\n" in text
    assert "        1 in 240 score this high (130-500)\n" in text
    assert "        AMONG GENUINE PANELS LIKE IT\n" in text


def test_a_thin_reference_and_a_preliminary_model_are_said(sample):
    run = replace(
        sample.run,
        model=replace(sample.run.model, caution="Model sem-9 is preliminary."),
        calibration=replace(sample.run.calibration, sources=60),
        policy={"fpr_per_panel": 0.05},
    )
    reference = replace(sample.look.reference, sources=60)
    above = replace(sample.look, tail=round(1 / 61, 6), tail_ci95=(0.0, 0.059634), reference=reference)
    text = " ".join(shown([run, sample.document(), above]).split())
    assert "Rate 1 in 20: at most 1 in 20 genuine SEM panels is flagged" in text
    assert "The reference is thin: it supports no rate below 1 in 21." in text
    assert "Model sem-9 is preliminary" in text
    assert "fewer than 1 in 16 score this high (0 of 60 sources)" in text


def test_names_cannot_reach_the_terminal(sample):
    nasty = "a\x1b[2Jb\r\n\u202egnp.pdf"
    look = replace(sample.look, figure="Fig\x1b]0;x\x07")
    text = shown([sample.run, sample.document(nasty), look], style=Style(colour=False, width=110))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert "a?[2Jb???gnp.pdf" in text


def test_colour_changes_nothing_but_colour(sample):
    import click

    coloured = shown(sample.paper, style=Style(colour=True, width=110))
    assert "\x1b[" in coloured
    assert click.unstyle(coloured) == shown(sample.paper)


def test_an_interrupted_run_shows_what_it_had(sample):
    assert "1 panel for a closer look" in shown(sample.paper[:4])


@pytest.mark.parametrize(
    ("terminal", "option", "environment", "expected"),
    [
        (True, False, {}, True),
        (True, False, {"NO_COLOR": ""}, True),
        (True, False, {"NO_COLOR": "1"}, False),
        (True, False, {"TERM": "dumb"}, False),
        (True, True, {}, False),
        (False, False, {}, False),
    ],
)
def test_when_there_is_colour(terminal, option, environment, expected):
    assert style_for(terminal, option, environment).colour is expected


def test_piped_rows(sample):
    texts = []
    view = PlainRows(texts.append, Show.BRIEF)
    for record in [*sample.paper, sample.failed, sample.notice]:
        view.write(record)
    assert [text.rstrip("\n").split("\t") for text in texts] == [
        [
            "paper.pdf",
            "4",
            "Fig. 2",
            "b",
            "412x309",
            "JPEG q~80, 300 ppi",
            RARITY,
            "LOOK",
        ],
        ["paper.pdf", "7", "Fig. 5", "c", "118x96", "JPEG q~80, 300 ppi", "short side 96 px < 128 px", "NOT ASSESSED"],
        ["x/locked.pdf", "-", "-", "-", "-", "-", "the PDF needs a password", "NOT READ"],
    ]


def test_a_tab_in_a_name_does_not_shift_the_columns(sample):
    texts = []
    view = PlainRows(texts.append, Show.BRIEF)
    view.write(sample.document("a\tb.pdf"))
    view.write(sample.look)
    assert texts[0].count("\t") == 7


def test_a_paper_in_which_everything_is_flagged(sample):
    text = shown([sample.run, sample.document(assessed=1), sample.look])
    assert "  No other panel was assessed. At 1 in 100, a genuine paper with 1 panel shows" in text
    assert "ordinary" not in text


def test_a_document_in_an_archive_is_named_with_it(sample):
    failed = replace(sample.failed, container=("papers.zip", "more.tar"))
    notice = replace(sample.notice, path="papers.zip!more.tar!x/locked.pdf")
    assert shown([sample.run, failed, notice]).count("papers.zip!more.tar!x/locked.pdf   not assessed\n") == 1
    texts = []
    rows = PlainRows(texts.append, Show.BRIEF)
    rows.write(failed)
    rows.write(sample.look)
    assert texts[0].startswith("papers.zip!more.tar!x/locked.pdf\t")


def test_panels_at_the_upper_end_alone(sample):
    notes = [sample.assessed(number, "note", tail=0.05, tail_ci95=(0.03, 0.08)) for number in (1, 2)]
    text = shown([sample.run, sample.document(), sample.look, *notes[:1]])
    assert "  1 other panel lies at the upper end of the ordinary range (level note, listed with --show all)." in text
    text = shown([sample.run, sample.document(), *notes])
    assert "  2 panels lie at the upper end of the ordinary range (level note" in text


def test_a_panel_of_another_kind_is_marked(sample):
    graph = replace(sample.look, kind=KindRecord("graphic", 0.9))
    assert "taken for: graphic, compared with SEM" in shown([sample.run, sample.document(), graph])
    assert "taken for" not in shown([sample.run, sample.document(), sample.look])


def test_a_caption_that_had_a_say_in_the_kind_is_named(sample):
    def said(by, *methods):
        panel = replace(sample.look, kind=KindRecord("sem", 0.5, by, methods))
        return shown([sample.run, sample.document(), panel])

    assert "; SEM by its caption" in said("caption", "sem")
    assert "; its caption speaks of: TEM, light microscopy" in said("pixels", "light", "tem")
    for methods in ((), ("sem", "tem"), ("electron", "light"), ("derived", "graph", "map")):
        assert "caption" not in said("pixels", *methods)


def test_cues_are_quoted_with_their_panels_and_what_they_are_worth(sample):
    cue = CueRecord("digital_source_type", "XMP: trainedAlgorithmicMedia\x1b[31m")
    tag = CueRecord("instrument", "TIFF tag 34682, written by FEI or Thermo Fisher instruments")
    paper = [
        replace(r, cues=(cue, tag) if r.panel else (tag,)) if isinstance(r, PanelRecord) else r for r in sample.paper
    ]
    for show in Show:
        said = " ".join(shown(paper, show).split())
        assert "Cues: " in said and "\x1b" not in said
        assert "stated source type (XMP: trainedAlgorithmicMedia" in said and "in Fig. 2 b, Fig. 5 c" in said
        assert "instrument tag (TIFF tag 34682, written by FEI or Thermo Fisher instruments) in Fig. 2" in said
        assert "Anybody can write or remove them; no score depends on them." in said
    assert "Cues" not in shown(sample.paper)


def test_siblings_and_regions_are_one_quiet_line_each(sample):
    alone = SiblingRecord(n=13, median=-0.4, deviation=4.13, higher=0)
    part = RegionRecord((500, 950, 628, 1078), 1, 2.2, 0.012, (0.003, 0.04), 90)
    far = replace(sample.assessed(2), siblings=alone, region=part)
    near = replace(
        sample.assessed(3),
        siblings=replace(alone, deviation=2.0),
        region=replace(part, tail=0.09, tail_ci95=(0.04, 0.16)),
    )
    text = " ".join(shown([sample.run, sample.document(), far, near]).split())
    assert "other panels: Fig. 2 (panel 2 of 6), 4.1 spreads above their median. No level depends on it." in text
    assert "pixels 500,950 to 628,1078 (tail 1.2 %). It shows where the model looked, not where the image was" in text
    assert text.count("(panel 3 of 6)") == 0
    plain = shown([sample.run, sample.document(), near])
    assert "Far above" not in plain and "stands out" not in plain


def test_what_a_model_says_of_its_limits_is_printed(sample):
    run = replace(sample.run, model=replace(sample.run.model, caution="Tested on GANs only."))
    text = " ".join(shown([run, sample.document()]).split())
    assert "Tested on GANs only. Its card: semscan models info sem-1" in text


def test_a_reference_of_the_users_own_is_named(sample):
    run = replace(sample.run, policy=sample.run.policy | {"calibration": "ours.json"})
    assert "310 sources, of your own (pub-1)" in " ".join(shown([run, sample.document()]).split())
    run = replace(run, calibration=replace(run.calibration, id="a\x1b[2Jb"), model=replace(run.model, id="m\x1b[2J"))
    assert "\x1b" not in shown([run, sample.document()])


def test_the_threshold_that_people_are_told_is_that_of_the_engine():
    from semscan.cli import wording
    from semscan.engine import siblings

    assert wording.FAR == siblings.FAR
