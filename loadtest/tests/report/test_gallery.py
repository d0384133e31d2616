"""The gallery's README says what the code says; its figures alone are a run's."""

import re

from loadtest.report import gallery
from loadtest.report.gallery import COLUMNS, README, trial
from variants.gallery import GALLERY


def words(text):
    """A README without what was measured."""
    return re.sub(r"<br>[^|]*?(?= \|)|\d+, \d+ ms|–(?= \|)", "", text)


def test_the_readme_has_the_words_that_follow_from_the_code():
    assert words(README.read_text(encoding="utf-8")) == words(gallery.readme([]))


def test_the_readme_has_figures_only_where_an_idiom_can_be_served():
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if "| [`" in line]
    for idiom, row in zip(GALLERY, rows, strict=True):
        cells = row.split(" | ")[1 : 1 + len(COLUMNS)]
        for column, shown in zip(COLUMNS, cells, strict=True):
            assert trial(idiom, column) or shown == "–"


def test_no_sign_says_another_thing_than_the_figure_below_it():
    cells = re.findall(r"\| ([✓✗])[^|]*?<br>([^|]*) (?=\|)", README.read_text(encoding="utf-8"))
    assert cells
    for sign, figure in cells:
        assert (sign == "✓") == figure.startswith("0 in "), (sign, figure)


def test_every_idiom_that_is_wrong_somewhere_is_shown_wrong_by_a_column():
    for idiom in GALLERY:
        shown = [gallery.promised(trial(idiom, column)) for column in COLUMNS]
        # a lock that expires does so where a worker stands still, which no column does
        right = "Instead" not in gallery.said(idiom).lines or idiom == "redis_lock_ttl"
        assert right or any(word.startswith("✗") for word in shown[:-1])


def test_every_column_tells_two_idioms_apart_that_are_alike_in_the_others():
    shown = {
        idiom: [gallery.promised(trial(idiom, column)) for column in COLUMNS] for idiom in GALLERY
    }
    for left_out in range(len(COLUMNS)):
        others = {tuple(row[:left_out] + row[left_out + 1 :]) for row in shown.values()}
        assert len(others) < len(set(map(tuple, shown.values()))), list(COLUMNS)[left_out]
