"""A frozen copy of the paper's prompts, so that the workflow's prompt files are no input of the recipe."""

# ruff: noqa: E501

# The prompts of Liu, Yoo and Khalvati (arXiv 2509.10683).
PAPER = {
    "classification": (
        "Classify the brain scan as Low Grade Glioma (0), High Grade Glioma (1), or No Glioma (2). Respond only in the "
        "following format: Choice: <0, 1, or 2> Reasoning: <Provide concise reasoning using 10 keywords based on the "
        "scan's visual features>."
    ),
    "center_point": (
        "You are an expert medical AI assistant specializing in glioma segmentation on FLAIR-mode brain scans. Given a "
        "128x128 grayscale brain scan, output the center point of the tumor as a single coordinate (row, col). The tumor "
        "region is the brightest, high-intensity abnormality distinct from normal brain structures. Ensure the predicted "
        "center point accurately represents the geometric center of the tumor, which is generally round in shape. The "
        "output must be formatted strictly as: (row, col) where row and col are integers between 0 and 127, with (0,0) at "
        "the top-left, row increasing downward, and col increasing rightward. Do not output any other text or "
        "explanation, only the coordinate in the exact format above."
    ),
    "bounding_box": (
        "You are an expert medical AI assistant specializing in glioma segmentation on FLAIR-mode brain scans. Given a "
        "128x128 grayscale brain scan, output the bounding box around the tumor using the four corner vertices. Ensure "
        "the bounding box tightly encloses the entire tumor without extending into non-tumor regions. The bounding box "
        "output must be formatted strictly as: [(row_min, col_min), (row_min, col_max), (row_max, col_max), (row_max, "
        "col_min)] where (row, col) are integers between 0 and 127, with (0,0) at the top-left and row increasing "
        "downward, and col increasing rightward. Do not output any other text or explanation, only the coordinate list in "
        "the exact format above."
    ),
    "polygon": (
        "For each glioma in a 128x128 grayscale FLAIR-mode brain scan, output coordinates of a 10 to 15 point polygon that "
        "encloses the tumor region. These points should be arranged in a clockwise direction and should accurately trace "
        "the tumor boundary. The output should be a tuple in the format of ((row1, col1), (row2, col2), ..., (rowN, "
        "colN)), where N is between 10 and 15 points, and row and col are integers between 0 and 127. The tumor region is "
        "the brightest, high-intensity abnormality distinct from normal brain structures. For image [query image], what "
        "is the output? Output only the coordinates in the exact format specified, without any additional text or "
        "explanation."
    ),
}
