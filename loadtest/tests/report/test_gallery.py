"""The gallery's README says what the code says; its figures alone are a run's."""

import re
from dataclasses import replace

from loadtest.expected import expectation
from loadtest.gallery import COLUMNS, idiom_facts, served, trial, trials
from loadtest.report import gallery
from loadtest.report.gallery import README
from variants import VARIANTS
from variants.gallery import GALLERY


def words(text):
    """A README without what was measured."""
    return re.sub(r"<br>[^|]*?(?= \|)|\d+, \d+ ms|–(?= \|)", "", text)


def test_readme_words_follow_the_code():
    """The README has the words that follow from the code."""
    assert words(README.read_text(encoding="utf-8")) == words(gallery.readme([]))


def test_figures_only_where_served():
    """The README has figures only where an idiom can be served."""
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if "| [`" in line]
    for idiom, row in zip(GALLERY, rows, strict=True):
        cells = row.split(" | ")[1 : 1 + len(COLUMNS)]
        for column, shown in zip(COLUMNS, cells, strict=True):
            assert trial(idiom, column) or shown in ("–", "")
            assert (shown == "–") != served(idiom, COLUMNS[column][0])


def test_sign_agrees_with_figure():
    """No sign disagrees with the figure below it."""
    cells = re.findall(r"\| ([✓✗])[^|]*?<br>([^|]*) (?=\|)", README.read_text(encoding="utf-8"))
    assert cells
    for sign, figure in cells:
        assert (sign == "✓") == figure.startswith("0 in "), (sign, figure)


def expectations(idiom):
    """Return its expectation in each column that it has."""
    tried = {column: trial(idiom, column) for column in COLUMNS}
    return {column: expectation(each) for column, each in tried.items() if each}


def test_wrong_idiom_is_shown_wrong():
    """Every idiom with an alternative is shown wrong by a column."""
    for idiom in GALLERY:
        wrong = {column for column, each in expectations(idiom).items() if each.expect != "holds"}
        here = wrong - {"two machines"}
        assert bool(here) == bool(idiom_facts(idiom).instead()), idiom
        assert bool(wrong) == bool(idiom_facts(idiom).instead(machines=2)), idiom


def test_alternative_holds():
    """The alternative holds in every column in which an idiom is wrong."""
    for idiom in GALLERY:
        for column, each in expectations(idiom).items():
            if each.expect == "holds":
                continue
            twin = idiom_facts(idiom).instead(machines=2 if column == "two machines" else 1)
            there = replace(trial(idiom, column), variant=twin)
            assert twin in VARIANTS or served(twin, there.server), (idiom, twin, column)
            assert expectation(there).expect == "holds", f"{twin} does not fix {idiom} at {column}"


def test_paused_worker_is_tried():
    """A paused worker is tried wherever the rule says that it matters."""
    tried = [idiom for idiom in GALLERY if trial(idiom, "2×1 paused")]
    assert tried == [idiom for idiom in GALLERY if idiom_facts(idiom).expires]
    assert tried
    assert {gallery.expected_failures(trial(idiom, "2×1 paused")) for idiom in tried} == {
        "may lose or answer late"
    }


def test_left_out_fails_like_the_rest():
    """Cells left out fail just as in the column that is run."""
    quick, every = trials(GALLERY), trials(GALLERY, every=True)
    left_out = set(every) - set(quick)
    assert left_out
    assert [each for each in every if each not in left_out] == quick
    for each in left_out:
        beside = trial(each.variant, "4×1")
        assert beside in quick
        assert expectation(each).must == expectation(beside).must != frozenset(), each.name


def test_columns_distinguish_idioms():
    """Every column distinguishes two idioms that are alike in the others."""
    shown = {idiom: [gallery.square(idiom, column, {}) for column in COLUMNS] for idiom in GALLERY}
    for left_out in range(len(COLUMNS)):
        others = {tuple(row[:left_out] + row[left_out + 1 :]) for row in shown.values()}
        assert len(others) < len(set(map(tuple, shown.values()))), list(COLUMNS)[left_out]
