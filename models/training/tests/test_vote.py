"""The vote over the reads of a pass: its rules, and the committed verdicts that the agent must reach too."""

import json

import pytest

from training.reader.decode import Reading
from training.evaluate.intervals import wilson
from training.reader.passes import _count, Result
from training.reader.vote import Pass, tally, vote, weight
from training.reader.votes import VOTES, reads_of, row_of


def read(text, p=0.9):
    return Reading(text, (p,) * len(text))


def test_the_committed_verdicts_are_those_of_this_code():
    rows = json.loads(VOTES.read_text())
    assert len(rows) >= 20
    for row in rows:
        reads = reads_of(row)
        assert row_of(reads, vote(reads)) == row


def test_a_read_that_missed_a_character_still_votes_on_the_others():
    verdict = tally([(read("8B12CD"), 0.7), (read("AB12CD"), 0.7), (read("A12CD"), 0.9)])
    assert verdict.text == "AB12CD" and verdict.agreeing == 1
    assert verdict.probabilities[1] < verdict.probabilities[2]
    assert "A12CD" in [text for text, _ in verdict.alternates]


def test_nothing_read_is_no_verdict_and_is_not_told():
    assert tally([]) is None and tally([(read(""), 1.0)]) is None
    assert not Pass().told


def test_near_and_sure_reads_weigh_most():
    assert weight(read("AB", 1.0), 32) == 1.0
    assert weight(read("AB", 1.0), 16) == pytest.approx(0.125)
    assert weight(read("AB", 0.5), 32) == pytest.approx(0.5**12)


def test_a_pass_stops_reading_when_enough_agree_unless_the_plate_comes_closer():
    far = [(read("AB12"), 15.0)] * 9
    assert len(vote(far).reads) == 6
    assert len(vote([*far, (read("AB12"), 20.0)]).reads) == 7


def test_one_doubtful_read_is_not_told_and_a_wrong_one_counts_against():
    unsure, sure = vote([(read("AB12", 0.6), 30.0)]), vote([(read("AB12"), 30.0)])
    assert not unsure.told and sure.told
    report = _count([Result("AB12", [], unsure), Result("AB17", [], sure), Result("AB12", [], sure)])
    assert (report["exact"], report["voted"]["exact"]) == (0.3333, 0.6667)
    assert report["told_wrong"] == {"n": 3, "share": 0.3333, "interval": wilson(1, 3)}
