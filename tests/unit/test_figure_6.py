"""The study's Figure 6, its one patient printed in full: how answers are parsed, and how they make a patient.

Quoted as data from Liu, Yoo, Khalvati, arXiv 2509.10683, Figure 6: the answers that are printed ("||" stands for a line
break, "..." for a text cut off by the print), the number that each slice was counted as (3: an error), their tally over
LGG, HGG, no glioma and error, and the decision.
"""

import numpy as np
import pandas as pd
import pytest

from configuration import resolved
from glioma import tasks
from glioma.scoring.settings import Votes
from glioma.scoring.votes import vote

PRINTED = {
    2: "Choice: 2 Reasoning: No mass, no contrast enhancement, normal brain structure.",
    3: "Choice: 1 Reasoning: Heterogeneous mass, irregular borders, necrosis, edema",
    4: "|| || Choice: 1 || || Reasoning: Heterogeneous mass, irregular margins, necrosis",
    5: "Choice: 2 Reasoning: No visible tumor, no mass effect, normal brain structure, no",
    6: "|| || Step 1: Identify the visual features of the brain scan. || || The brain scan shows a",
    74: "Choice: 2 Reasoning: No visible tumor, normal brain structure, no abnormal enhancement.",
    75: "Choice: 0 Reasoning: Small, round, non-enhancing lesion with minimal edema.",
    76: "Choice: 2 Reasoning: No tumor visible, normal brain structure, no irregularities, no",
    77: "Choice: 0 Reasoning: Uniform gray matter, no contrast enhancement, no mass effect, no",
    78: "|| || Classification: || || Choice: 2 || Reasoning: No mass, no abnormal enhancement",
    79: "Choice: 1 Reasoning: Enhancing mass, irregular margins, heterogeneous signal intensity.",
}
FIRST_SLICE = 2
GUESSES = [
    *(2, 1, 3, 2, 3, 2, 1, 1, 0, 2, 0, 0, 1, 3, 2, 1, 0, 3, 2, 1, 2, 3, 2, 0, 2, 2, 2, 0, 0, 1, 0, 2, 1, 2, 0, 0, 0, 0),
    *(0, 1, 2, 2, 1, 0, 1, 1, 1, 1, 2, 0, 2, 2, 2, 1, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 2, 1, 3, 2, 2, 3, 3, 3, 2, 0, 2, 0),
    *(3, 1),
]
TALLY = [24, 20, 24, 10]
GRADE = DECISION = "LGG"


@pytest.fixture(scope="module")
def paper():
    return resolved("paper")


@pytest.fixture
def answers():
    """The patient's slices as a table of answers."""
    choice = pd.Series(GUESSES, dtype="Int64")
    error = choice == 3
    return pd.DataFrame(
        {
            "patient": "77",
            "status": np.where(error, "malformed", "ok"),
            "choice": choice.mask(error),
            "p_hgg": np.nan,
        }
    )


def printed_text(slice_number: int) -> str:
    return PRINTED[slice_number].replace(" || ", "||").replace("|| ", "||").replace("||", "\n")


@pytest.mark.parametrize("slice_number", PRINTED)
def test_answers_are_parsed_as_the_study_counted_them(slice_number, paper):
    answer = tasks.get("classification").parse(printed_text(slice_number), paper["parsing"])
    counted = GUESSES[slice_number - FIRST_SLICE]
    assert (answer.choice, answer.status) == ((None, "malformed") if counted == 3 else (counted, "ok"))


def test_the_print_is_whole():
    assert np.bincount(GUESSES).tolist() == TALLY
    assert len(GUESSES) == max(PRINTED) - FIRST_SLICE + 1
    assert printed_text(4) == "\n\nChoice: 1\n\nReasoning: Heterogeneous mass, irregular margins, necrosis"


def test_the_patient_is_decided_as_the_study_decided(paper, answers):
    found = vote(answers, Votes.read(paper["votes"]), pd.Series({"77": GRADE})).loc["77"]
    assert [found.n_lgg, found.n_hgg, found.n_no_glioma, found.n_unparsed] == TALLY
    assert found.label == DECISION
    assert found.gldr == 20 / 44


@pytest.mark.parametrize("other", [{"no_glioma": "undecided"}, {"no_glioma": "counts"}])
def test_other_votes_do_not_decide_so(other, paper, answers):
    """With a vote, 24 slices without glioma tie with 24 of LGG."""
    assert vote(answers, Votes.read(paper["votes"] | other))["label"]["77"] == ""


def test_too_short_an_answer_for_the_ten_keywords_is_still_counted(paper):
    """Slices 5, 76 and 77 stop in mid-sentence: the limit cut them, and their choices count."""
    run = paper["runs"]["grade-general"]
    assert run["generation"]["max_new_tokens"] == 20
