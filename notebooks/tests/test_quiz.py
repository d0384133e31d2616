"""The quiz is fair, and its grader knows a perfect reader, a random one and an empty one."""

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest

from loadtest.trial import Server
from notebooks.run import HERE


@dataclass
class Cell:
    """The parts of a finished cell that the grader needs."""

    expectation: object
    as_expected: bool = True
    verdict: object = None


@pytest.fixture
def quiz(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.delenv("COURSE", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    import quiz

    return quiz


@pytest.fixture
def comes_out(quiz, monkeypatch):
    """Return outcomes as expected, without running the cells."""
    from outcomes import Found

    def come_out(trial):
        rule = quiz.expectation(trial)
        must = frozenset(map(str, rule.must)) or frozenset(["holds"])
        return Found(must, frozenset(map(str, rule.may)), Cell(rule))

    monkeypatch.setattr(quiz, "come_out", come_out)
    monkeypatch.setattr(quiz, "redis_url", lambda: None)
    monkeypatch.setattr(Found, "__str__", lambda found: ", ".join(sorted(found.words)))
    return come_out


def test_paper_is_varied(quiz, comes_out):
    """Each paper has ten different cells, and no word answers most of them."""
    papers = [quiz.draw(seed) for seed in range(50)]
    for paper in papers:
        assert len({trial.name for trial in paper}) == len(paper) == 10
        answers = Counter(comes_out(trial).words for trial in paper)
        assert max(answers.values()) <= 3
    assert quiz.draw(7) == papers[7]
    drawn = Counter(trial.name for paper in papers for trial in paper)
    assert len(drawn) > 60
    assert max(drawn.values()) < len(papers)
    assert quiz.draw() != quiz.draw()


def test_a_perfect_reader_predicts_ten(quiz, comes_out, capsys):
    for seed in range(20):
        paper = quiz.draw(seed)
        said = {n: ", ".join(comes_out(trial).words) for n, trial in enumerate(paper, 1)}
        assert quiz.mark(paper, said) == 10
    assert capsys.readouterr().out.endswith("10 of 10\n")


def test_random_guesses_score_low(quiz, comes_out):
    """A reader who guesses at random predicts few."""
    random = Random(1)
    rights = []
    for seed in range(50):
        said = {n: random.choice(quiz.WORDS) for n in range(1, 11)}
        rights.append(quiz.mark(quiz.draw(seed), said))
    assert sum(rights) / len(rights) < 3
    assert max(rights) < 7


@pytest.mark.parametrize("word", ["holds", "loses", "divided", "loses, divided, forgets"])
def test_constant_guesses_score_low(quiz, comes_out, word):
    """A reader who always answers the same predicts few."""
    for seed in range(20):
        assert quiz.mark(quiz.draw(seed), dict.fromkeys(range(1, 11), word)) <= 3


def test_empty_guess_runs_nothing(quiz, comes_out, monkeypatch):
    """A reader without a guess is asked for one before anything runs."""
    monkeypatch.setattr(quiz, "come_out", lambda trial: pytest.fail("it ran"))
    said = dict.fromkeys(range(1, 11), "loses") | {3: "?", 7: ""}
    with pytest.raises(quiz.Stop, match="not answered yet: 3, 7"):
        quiz.mark(quiz.draw(1), said)


def test_unknown_word_is_refused(quiz, comes_out):
    """An unknown word is refused."""
    with pytest.raises(quiz.Stop, match="'breaks' is none of these: holds · loses"):
        quiz.mark(quiz.draw(1), dict.fromkeys(range(1, 11), "breaks"))


def test_unexpected_cell_is_no_mistake(quiz, comes_out, monkeypatch):
    """A cell that comes out unexpectedly is not the reader's mistake."""

    def otherwise(trial):
        found = comes_out(trial)
        found.cell.as_expected = False
        return found

    monkeypatch.setattr(quiz, "come_out", otherwise)
    assert quiz.mark(quiz.draw(1), dict.fromkeys(range(1, 11), "refuses")) == 10


@pytest.mark.parametrize(
    ("said", "words", "may", "right"),
    [
        ("holds", "holds", "", True),
        ("holds", "refuses", "refuses", True),
        ("holds", "refuses", "", False),
        ("forgets", "forgets, refuses", "refuses", True),
        ("loses", "loses, divided", "", False),
        ("loses, divided", "divided, loses", "", True),
        ("loses", "holds", "", False),
        ("?", "holds", "", False),
    ],
)
def test_what_may_come_is_no_mistake(quiz, said, words, may, right):
    from outcomes import Found

    found = Found(quiz.words(words), quiz.words(may), Cell(None))
    assert found.predicted_by(quiz.words(said)) is right


def test_questions_are_new(quiz):
    """No question repeats what a chapter or the ladder has shown."""
    from ladder import RUNGS

    asked = {(t.variant, t.server, t.fault) for trials in quiz.pool().values() for t in trials}
    shown = {(t.variant, t.server, t.fault) for t in RUNGS.values()}
    assert shown.isdisjoint(asked)
    assert ("plain_global", Server(4, 8), None) not in asked
    assert ("plain_global", Server(4, 1), None) in asked


def test_card_hides_the_docstring(quiz):
    """No card shows the expectation in the docstring."""
    from outcomes import card

    for trials in quiz.pool().values():
        for trial in trials:
            assert "def increment(" in card(trial)
            assert not {"Loses:", "Guard:", "Lives in"} & {*card(trial).split()}
