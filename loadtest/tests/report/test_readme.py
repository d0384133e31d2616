"""What the README shows is so."""

import itertools
import re

import pytest

from loadtest import promises, trial
from loadtest.report.readme import README, ROOT, renewed, shown, variant_diff
from variants import VARIANTS

TEXT = README.read_text(encoding="utf-8")


def test_what_is_made_from_the_code_is_as_the_code_is_now():
    assert renewed(TEXT) == TEXT, "make pictures, or python -m loadtest.report.readme, renews it"
    assert promises.markdown(trial.SERVERS) in TEXT


def test_every_file_that_it_names_is_there():
    for name in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / name).exists(), name


def test_every_make_target_that_it_names_is_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    variants = makefile.split("VARIANTS := ")[1].split("\n")[0].split()
    for target in re.findall(r"(?:`|^    )make ([a-z_-]+)", TEXT, re.M):
        stem = re.sub(f"-({'|'.join(variants)})$", "-%", target)
        assert stem in variants or f"\n{stem}: " in makefile, target


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(VARIANTS, 2)))
def test_a_diff_leaves_no_line_out(before, after):
    lines = variant_diff(before, after).splitlines()
    for name, sign in ((before, "-"), (after, "+")):
        kept = [line[2:].strip() for line in lines if line.startswith((" ", sign))]
        assert list(filter(None, kept)) == [
            line.strip() for line in shown(name).split("\n") if line
        ]
