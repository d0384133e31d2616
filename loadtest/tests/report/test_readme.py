"""Tests that the READMEs show what is so."""

import itertools
import re

import pytest

from loadtest import trial
from loadtest.expected import expectation
from loadtest.expected_kinds import expectations
from loadtest.report.readme import (
    ANCHORS,
    COLUMNS,
    GUIDE,
    HEADINGS,
    README,
    ROOT,
    ROWS,
    SURVIVES,
    parts,
    renewed,
    shown,
    variant_diff,
)
from loadtest.trial import Trial
from variants import VARIANTS
from variants.gallery import GALLERY

DOCUMENTS = [README, GUIDE]
MADE = parts()


def text_of(path):
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.parent.name)
def test_generated_parts_are_current(path):
    """The generated parts agree with the code."""
    text = text_of(path)
    assert renewed(text, MADE) == text, "python -m loadtest.report.readme renews it"


def test_every_part_that_is_made_has_a_place():
    both = text_of(README) + text_of(GUIDE)
    assert all(f"<!-- {name} -->\n{part}\n<!-- /{name} -->" in both for name, part in MADE.items())


def test_measured_is_as_expected():
    """The measured table is as expected."""
    table = text_of(README).split("<!-- measured -->\n")[1].split("\n<!-- /measured -->")[0]
    head, _, *rows = ([cell.strip() for cell in row.split("|")[1:-1]] for row in table.split("\n"))
    assert head == ["variant", *map(str, trial.SERVERS)]
    assert [re.match(r"\[`(\w+)`\]", row[0])[1] for row in rows] == list(VARIANTS)
    for variant, row in zip(VARIANTS, rows, strict=True):
        for server, said in zip(trial.SERVERS, row[1:], strict=True):
            must = expectation(Trial(variant, server)).must
            assert said.startswith("✗" if must else "✓ linearizable"), (variant, server)
            assert ("counters" in said) == ("divided" in must), (variant, server)
            lost = re.search(r"lost ([\d,]+)/", said)
            assert bool(lost and lost[1] != "0") == ("loses" in must), (variant, server)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.parent.name)
def test_named_files_exist(path):
    """Every file and heading that the pages name exists."""
    text = text_of(path)
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    for name in re.findall(r"\]\(([^)]+)\)", text):
        file, _, heading = name.partition("#")
        assert not file or file.startswith("https://") or (path.parent / file).exists(), name
        assert file or heading in headings, name


def test_named_targets_exist():
    """Every make target that the pages name exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^    )make ([a-z_-]+)", text_of(README), re.M):
        stem = re.sub(f"-({'|'.join(VARIANTS)})$", "-%", target)
        assert stem in (*VARIANTS, *GALLERY) or f"\n{stem}: " in makefile, target


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(VARIANTS, 2)))
def test_a_diff_leaves_no_line_out(before, after):
    lines = variant_diff(before, after).splitlines()
    for name, sign in ((before, "-"), (after, "+")):
        kept = [line[2:].strip() for line in lines if line.startswith((" ", sign))]
        assert list(filter(None, kept)) == [
            line.strip() for line in shown(name).split("\n") if line
        ]


def table_under(heading):
    """The rows of the first table under a heading, cell by cell."""
    section = text_of(README).split(f"### {heading}\n")[1].split("\n#")[0]
    rows = [line for line in section.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def named(cell):
    """The variant that a cell names."""
    return re.search(r"`(\w+)`", cell)[1]


@pytest.mark.parametrize("kind", ROWS)
def test_first_table_links_to_what_was_measured(kind):
    """Each entry of the first table links to a measured cell that came out right."""
    rows = MADE["where"].split("\n")[2:]
    row = next(row for row in rows if ROWS[kind] in row).split("|")[2:-1]
    columns = {"one thread": "1×1", "one worker, 8 threads": "1×8", "4 workers, 8 threads": "4×8"}
    for column, entry in zip(COLUMNS, row, strict=True):
        survives = f"#{SURVIVES})" in entry
        assert survives or f"](#{ANCHORS[kind]})" in entry
        head, _, *table = table_under("What survives" if survives else HEADINGS[kind])
        if survives:
            fault = next(line for line in table if line[0] == "`two-machines`")
            found = fault[[cell.strip("`") for cell in head].index(named(entry))]
            assert found == "**holds**"
            continue
        line = next(line for line in table if named(line[0]) == named(entry))
        found = line[head.index(columns.get(column, "two machines, 1×8"))]
        assert found.startswith("✓"), (kind, column, entry, found)


@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind != "counter"])
def test_measured_kinds_are_as_expected(kind):
    """The measured tables of the kinds name what must come out, and nothing else."""
    head, _, *rows = table_under(HEADINGS[kind])
    assert [named(row[0]) for row in rows] == list(VARIANTS)
    for variant, row in zip(VARIANTS, rows, strict=True):
        for column, said in zip(head[1:], row[1:], strict=True):
            two = column.startswith("two machines")
            trial_ = Trial(variant, trial.ALONE, fault="two-machines")
            if not two:
                trial_ = Trial(variant, trial.Server.parse(column))
            found = expectations(trial_)[kind]
            words = said[2:].partition("<br>")[0]
            allowed = {" and ".join(sorted(found.must)) or "holds", *(found.may or ())}
            assert words in allowed, (variant, column)
