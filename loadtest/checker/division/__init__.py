"""Decide what each copy of the state belongs to, from the answers and the final reads.

copies     a division: its copies, and the sentence about it
evidence   measurements on the answers, which refute or allow a division
ways       the ways in which a few workers can share copies
divide     the decision
"""

from loadtest.checker.division.copies import LABELLED as LABELLED
from loadtest.checker.division.copies import LABELS as LABELS
from loadtest.checker.division.copies import LEVELS as LEVELS
from loadtest.checker.division.copies import Copy as Copy
from loadtest.checker.division.copies import Division as Division
from loadtest.checker.division.copies import Owner as Owner
from loadtest.checker.division.divide import MANY as MANY
from loadtest.checker.division.divide import divide as divide
