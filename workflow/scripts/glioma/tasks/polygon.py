"""The outline of the tumour of a slice, as 10 to 15 points."""

from glioma.tasks._task import QueryTask

TASK = QueryTask(name="polygon", title="Polygon", noun="polygon", output="region", position=3)
