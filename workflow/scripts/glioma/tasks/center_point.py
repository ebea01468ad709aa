"""The centre of the tumour of a slice, as one point."""

from glioma.tasks._task import QueryTask

TASK = QueryTask(name="center_point", title="Centre point", noun="centre", output="point", position=4)
