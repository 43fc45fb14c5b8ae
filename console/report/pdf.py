"""The public figures as PDF, with title, language and bookmarks.

The core fonts of PDF are used, which every reader has and which know the letters of Latin-1 alone; the
document says so where a name has others. No package that we depend on ships a font with more.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpdf import FPDF, FontFace, TextStyle, ViewerPreferences
from fpdf.enums import PageOrientation, XPos, YPos

from console.report.figures import WITHHELD, Figure, Report

TITLE = "Public figures: searches of faces, and alerts about them"
#: Columns of counts beyond which a table is laid across the page.
MOST_UPRIGHT = 6
_HEAD = FontFace(emphasis="BOLD", fill_color=(238, 241, 244))
_SUM = FontFace(emphasis="BOLD")


def pdf(reports: Sequence[Report]) -> bytes:
    """The whole document; equal reports give equal bytes. `reports` are one or more."""
    document = _Document(format="A4")
    document.set_lang("en")
    document.set_title(TITLE)
    document.set_subject("; ".join(_latin(f"{report.agency}, {report.period}") for report in reports))
    document.viewer_preferences = ViewerPreferences(display_doc_title=True)
    # The time of making would make every run another document.
    document.set_creation_date(max(report.period.end for report in reports))
    document.set_section_title_styles(_style(15), _style(12))
    document.alias_nb_pages()
    document.add_page()
    document.write_words(TITLE, 19, bold=True)
    for report in reports:
        document.start_section(_latin(report.agency))
        document.write_words(f"{report.period}", 11)
        document.write_words(report.rule, 9)
        for figure in report.figures:
            document.write_figure(figure)
    if document.others:
        document.write_words(
            "The fonts of this document know the letters of Latin-1 alone: a question mark stands for others."
            " The HTML and the CSV of the same report have them all.",
            9,
        )
    return bytes(document.output())


class _Document(FPDF):
    others = False
    """Whether some letter could not be shown."""

    def footer(self) -> None:
        """Pages are numbered."""
        self.set_y(-15)
        self.set_font("Helvetica", size=8)
        self.cell(0, 8, f"{self.page_no()} / {{nb}}", align="C")

    def words(self, text: str) -> str:
        """Text in the letters that there are."""
        plain = _latin(text)
        self.others = self.others or plain != text
        return plain

    def write_words(self, text: str, size: float, *, bold: bool = False) -> None:
        """A paragraph."""
        self.set_font("Helvetica", style="B" if bold else "", size=size)
        self.multi_cell(0, size * 0.5, self.words(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(size * 0.15)

    def write_figure(self, figure: Figure) -> None:
        """Heading, table, and what is to be known of it."""
        across = len(figure.head) > MOST_UPRIGHT
        wanted = PageOrientation.LANDSCAPE if across else PageOrientation.PORTRAIT
        # A heading stays with the first rows of its table.
        if wanted != self.cur_orientation or self.will_page_break(50):
            self.add_page(orientation=wanted.value)
        self.ln(4)
        self.start_section(self.words(figure.title), level=1)
        size = 9 if not across else 8 if len(figure.head) <= 10 else 6
        self.set_font("Helvetica", size=size)
        first = 2.0
        with self.table(
            headings_style=_HEAD,
            col_widths=(first, *(1.0 for _ in figure.head)),
            text_align=("LEFT", *("RIGHT" for _ in figure.head)),
            line_height=size * 0.5,
            width=self.epw if figure.columns else min(self.epw, 120),
            align="LEFT",
        ) as table:
            for place, (name, cells) in enumerate([(figure.rows.title, figure.head), *_told(figure)]):
                row = table.row(style=_SUM if place == len(figure.body) else None)
                for text in (name, *cells):
                    row.cell(self.words(text))
        self.ln(1)
        self.write_words(" ".join(figure.about), 8)


def _told(figure: Figure) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (name, tuple(WITHHELD if count is None else f"{count:,}" for count in counts))
        for name, counts in figure.body
    ]


def _style(size: int) -> TextStyle:
    return TextStyle(font_family="Helvetica", font_style="B", font_size_pt=size, t_margin=3, b_margin=1)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
