"""Wordings that the recipe never trains on, to measure whether an edited prompt is still answered in format.

Three styles: terse notes, long-winded letters, and edits a user would make to the paper's prompts.
"""

# ruff: noqa: E501

from glioma.demo.tiny_vlm.paper import PAPER

TERSE = {
    "classification": [
        "FLAIR. LGG=0 HGG=1 no tumour=2. Reply 'Choice: n Reasoning: k1, ..., k10'.",
        "Grading task. Which of 0 (LGG), 1 (HGG), 2 (healthy brain)? Then ten descriptive keywords.",
        "0 low, 1 high, 2 nothing found. Your verdict with keywords?",
        "Glioma grade? Choice first, reasoning after it (ten terms).",
    ],
    "center_point": [
        "Tumour midpoint, one (row, col) pair, 0..127.",
        "Centroid of the hyperintensity as (row, col), no prose.",
        "Pixel at the heart of the lesion: (row, col)?",
        "One point. The center of what is bright and should not be there.",
    ],
    "bounding_box": [
        "Tumour bbox: 4 corners, TL TR BR BL, each (row, col).",
        "Rectangle enclosing the hyperintensity, corners only, range 0..127.",
        "Smallest box that holds the whole neoplasm. Corners clockwise in square brackets.",
        "Box it: [(top, left), (top, right), (bottom, right), (bottom, left)].",
    ],
    "polygon": [
        "Lesion contour, 10-15 vertices, clockwise, ((row, col), ...).",
        "Polygonal outline of the hyperintensity, first vertex at the top.",
        "Trace it. Ten to fifteen (row, col) vertices in one tuple.",
        "Boundary of the neoplasm as a polygon, integers 0..127, no prose.",
    ],
}
WORDY = {
    "classification": [
        "Dear colleague, we would be grateful if you could tell us which category fits the enclosed picture best, namely a "
        "glioma of low grade (0), one of high grade (1), or the absence of any glioma (2). Kindly phrase your reply as "
        "Choice: <number> Reasoning: <a list of ten keywords that you would put in a report>.",
        "A patient was imaged yesterday. Having inspected the slice, assign it to one of three groups: 0 when the glioma "
        "looks low grade, 1 when it looks high grade, 2 when you can see none. Begin with the word Choice and continue "
        "with the word Reasoning and ten keywords.",
        "Radiology exam, question 7. The candidate shall grade the glioma shown (0 low, 1 high) or state that there is "
        "none (2), and shall defend that choice in ten keywords.",
    ],
    "center_point": [
        "Dear colleague, for the planning of a biopsy we must know where the middle of the tumour lies. Would you be so "
        "kind as to write down its row and its column, both counted from the upper left corner, as (row, col)?",
        "The needle should hit the lesion exactly in its center. State the pixel at which you would aim, in the form "
        "(row, col), with numbers that do not exceed 127.",
        "Somewhere in this picture a glioma stands out. Tell the reader at which row and column its central point is "
        "situated and refrain from saying anything more.",
    ],
    "bounding_box": [
        "Dear colleague, please draw in your mind the tightest rectangle whose sides run parallel to the borders of the "
        "picture and which leaves no part of the tumour outside, and write down where its four corners are, beginning at "
        "the upper left and going clockwise.",
        "For the annotation tool we need a bounding box. It consists of four (row, col) vertices, and the whole of the "
        "glioma has to fit in it while as little healthy brain as possible does.",
        "An object detector would put a box over the abnormal area here. Be that detector and state the box's corners as "
        "[(row_min, col_min), (row_min, col_max), (row_max, col_max), (row_max, col_min)].",
    ],
    "polygon": [
        "Dear colleague, would you follow the margin of the tumour with a pencil and note ten to fifteen places the pencil "
        "passes, in clockwise order and starting at the top, so that a polygon through them encloses the tumour?",
        "The radiotherapy team asks for the contour of the target. Submit it as a polygon: a tuple of (row, col) pairs "
        "that walks along the edge of the glioma.",
        "Imagine cutting the glioma out of the picture with scissors. The vertices of the polygon along which you would "
        "cut are what we are after, at least ten and at most fifteen.",
    ],
}


def _swap(task: str, old: str, new: str) -> str:
    if old not in PAPER[task]:
        raise ValueError(f"{old!r} is not in the paper's prompt for {task}")
    return PAPER[task].replace(old, new)


NO_TALK = "Do not output any other text or explanation, only"
EDITED = {
    "classification": [
        PAPER["classification"] + " Pay special attention to the corpus callosum.",
        "You are a neurologist. " + PAPER["classification"],
        _swap("classification", "Classify the brain scan", "Clasify teh brain scan"),
        _swap(
            "classification", "Respond only in the following format:", "Your reply has this structure, nothing more:"
        ),
        _swap("classification", "using 10 keywords", "using exactly 10 radiological keywords"),
        _swap(
            "classification",
            " Reasoning: <Provide concise reasoning using 10 keywords based on the scan's visual features>",
            "",
        ),
        PAPER["classification"].split(" Respond")[0] + " Answer with Choice: only.",
    ],
    "center_point": [
        PAPER["center_point"] + " Pay special attention to the corpus callosum.",
        "You are a neurologist. " + PAPER["center_point"].split(". ", 1)[1],
        _swap("center_point", "output the center point of the tumor", "ouput the centr point of teh tumor"),
        _swap("center_point", NO_TALK, "Silence is golden, so print"),
        PAPER["center_point"].split(". ", 1)[1].split(" The tumor region")[0],
        " ".join(reversed(PAPER["center_point"].split(". "))),
    ],
    "bounding_box": [
        PAPER["bounding_box"] + " Pay special attention to the corpus callosum.",
        "You are a neurologist. " + PAPER["bounding_box"].split(". ", 1)[1],
        _swap("bounding_box", "output the bounding box around the tumor", "ouput the bounding bx around teh tumor"),
        _swap("bounding_box", NO_TALK, "Silence is golden, so print"),
        PAPER["bounding_box"].split(". ", 1)[1].split(" Ensure")[0],
        " ".join(reversed(PAPER["bounding_box"].split(". "))),
    ],
    "polygon": [
        PAPER["polygon"] + " Pay special attention to the corpus callosum.",
        "You are a neurologist. " + PAPER["polygon"],
        _swap("polygon", "10 to 15 point polygon that encloses", "10 to 15 piont poligon taht encloses"),
        PAPER["polygon"].replace("10 to 15", "8 to 12").replace("10 and 15", "8 and 12"),
        PAPER["polygon"].split(" These points")[0],
        " ".join(reversed(PAPER["polygon"].split(". "))),
    ],
}
STYLES = {"terse": TERSE, "wordy": WORDY, "edited": EDITED}
