"""Which slices a run asks about, in an order that shards can share out. No model is needed to know."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from glioma.base.errors import UserError
from glioma.cohort import crop_files, parts
from glioma.geometry import slices


class Request(NamedTuple):
    """One question: a slice of a patient, and how often it was asked before."""

    patient: str
    orientation: str
    slice: int
    repeat: int = 0

    @property
    def name(self) -> str:
        """What the random numbers of its answer are keyed by."""
        return "/".join(map(str, self))


def slices_of(
    patients: Iterable[str],
    crops: str | Path,
    orientations: Sequence[str] = ("axial",),
    selection: str = "all",
    every: int = 1,
    tumour_pixels: int = 1,
) -> list[Request]:
    """The slices of a selection ("all", "range", "tumour"), by patient, orientation and index."""
    requests = []
    for patient in patients:
        mask = crop_files.load_mask(crops, patient)
        for orientation in orientations:
            indices = slices.select(mask, orientation, selection, tumour_pixels, every)
            requests += [Request(patient, orientation, int(index)) for index in indices]
    return requests


def repeated(patients: Iterable[str], crops: str | Path, times: int, orientation: str = "axial") -> list[Request]:
    """The consistency test: each patient's slice with the largest tumour, asked `times` times."""
    requests = []
    for patient in patients:
        mask = crop_files.load_mask(crops, patient)
        requests += [Request(patient, orientation, slices.largest(mask, orientation), i) for i in range(times)]
    return requests


def sampled(requests: Iterable[Request], times: int) -> list[Request]:
    """Each request so many times, one after the other."""
    return [request._replace(repeat=number) for request in requests for number in range(times)]


def shard(requests: Sequence[Request], number: int, count: int) -> list[Request]:
    """Contiguous part `number` of `count`: the parts' answers, put together in order, are the whole's."""
    return list(requests[number * len(requests) // count : (number + 1) * len(requests) // count])


def answered(path: str | Path, responses: Iterable[Mapping], requests: Sequence[Request]) -> Iterator[Mapping]:
    """The rows of a file of responses (patient, orientation, slice, repeat, ...) as they come.

    `UserError` where they are not one for each request, in the order of the requests.
    """
    edited, wanted = "it was edited: delete it and run again", iter(requests)
    for row in responses:
        found, request = Request(*(row[name] for name in Request._fields)), next(wanted, None)
        if request is None:
            raise UserError(f"{path}: an answer that nobody asked for, {found.name}; {edited}")
        if found != request:
            raise UserError(f"{path}: an answer to {found.name} in place of one to {request.name}; {edited}")
        yield row
    if missing := list(wanted):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{path}: no answer to {missing[0].name}{more}; {edited}")


def of_run(folds: pd.DataFrame, crops: str | Path, queries: Mapping, part: str = "test") -> list[Request]:
    """The questions of a run to one part of the patients, in the order of its shards.

    `folds` has patient, grade, split and fold; for its parts see `cohort.parts`.
    `queries`: orientations, selection, every, tumour_pixels, samples (answers to each slice), and repeats: a number
    makes it the consistency test, on the first test patient of each grade; it has no other part.
    """
    patients = parts.rows(folds, part).sort_values("patient")
    if queries["repeats"]:
        if part != "test":
            raise ValueError(f"the consistency test is on test patients, not on {part}")
        pair = patients.drop_duplicates("grade")["patient"]
        return [
            request for axis in queries["orientations"] for request in repeated(pair, crops, queries["repeats"], axis)
        ]
    choice = {key: queries[key] for key in ("orientations", "selection", "every", "tumour_pixels")}
    found = slices_of(patients["patient"], crops, **choice)
    if not found and len(patients):
        raise UserError(
            f"the run asks about no slice of its {len(patients)} patients ({part}): selection {choice['selection']}, "
            f"every {choice['every']}, slices.tumour_pixels {choice['tumour_pixels']}; lower one of them"
        )
    return sampled(found, queries["samples"])
