"""Low- or high-grade glioma: a choice about each slice, put to the vote of a patient."""

from glioma.tasks._task import QueryTask

TASK = QueryTask(
    name="classification",
    title="Grade",
    noun="grade",
    output="grade",
    position=0,
    forced_start="Choice: ",
    choices=("0", "1", "2"),
)
