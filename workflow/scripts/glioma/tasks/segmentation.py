"""The whole tumour as a mask: what a segmentation network predicts."""

from glioma.tasks._task import Task

TASK = Task(name="segmentation", title="Mask", noun="mask", output="region", position=1)
