"""The box around the tumour of a slice, as four corners."""

from glioma.tasks._task import QueryTask

TASK = QueryTask(name="bounding_box", title="Bounding box", noun="box", output="region", position=2)
