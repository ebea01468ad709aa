"""The rules from which the recipe makes its own wordings.

In a rule, `{a|b}` is a choice and `$name` refers to another rule.
"""

# ruff: noqa: E501

# Words that say nothing about the task, so that the model learns to pass over what it does not know.
WORDS = """
time water people house light world school number paper table river music doctor nurse hospital report signal tissue
white matter grey clear strong weak early late first last best simple complex new old high low left right upper
lower front back axial sagittal coronal contrast intensity texture normal abnormal patient study quality sequence
volume voxel pixel model method result score value detail region area edge shape form size small large round bright
dark carefully quickly always never often maybe consider note remember ensure expect follow measure compare read
write show find help need want use take give make keep think know see look say tell ask begin end whole part each
other both several many few more less same different important possible likely certain clinical medical visual
automatic neurologist oncologist specialist expert skull cortex ventricle hemisphere frontal temporal parietal
occipital edema necrosis diagnosis treatment surgery therapy history symptom headache seizure year month day week
morning evening
""".split()  # noqa: SIM905

# Rules that all tasks share.
SHARED = {
    "lesion": [
        "tumor",
        "tumor",
        "tumour",
        "glioma",
        "lesion",
        "abnormality",
        "mass",
        "tumor region",
        "bright lesion",
    ],
    "scan": [
        "brain scan",
        "scan",
        "image",
        "MRI",
        "brain MRI",
        "slice",
        "FLAIR slice",
        "MR image",
        "FLAIR image",
        "picture",
        "brain image",
        "grayscale scan",
        "T2-FLAIR slice",
        "128x128 scan",
        "MRI slice",
        "brain slice",
        "frame",
    ],
    "person": [
        "a radiologist",
        "an expert neuroradiologist",
        "a medical AI assistant",
        "an experienced doctor",
        "a clinician",
        "an AI model trained on brain tumors",
        "a neuro-oncologist",
        "a helpful assistant",
        "a medical student",
        "a surgeon",
        "an expert in {medical imaging|brain MRI|glioma segmentation|glioma grading}",
        "a careful image analyst",
    ],
    "role": [
        "You are $person.",
        "Act as $person.",
        "As $person, {look at|read|examine|study} this $scan.",
        "You are $person {specializing in|working on|who has years of experience with} {brain tumors|FLAIR imaging|MRI}.",
        "{Imagine|Pretend|Suppose} you are $person.",
        "Assume the role of $person.",
        "Your role: $person.",
    ],
    "context": [
        "{Here is|This is|You are given|You see|Below is|Attached is} {a|one} {axial|coronal|sagittal|grayscale|128x128|single|} "
        "$scan{| of a patient| with a suspected glioma| from a hospital| in FLAIR mode}.",
        "Given {a|this|the} {128x128 |}{grayscale |}$scan, {do the following|answer the question below}.",
        "The {image|scan} {is|has a size of} 128x128 {pixels|px|}.",
        "{Look at|Consider|Inspect|Study|Review} {this|the} $scan.",
        "The $lesion {is|appears as|shows up as|usually is} {the brightest|a bright|a hyperintense|the most intense} "
        "{region|area|spot|abnormality}{| in the brain| distinct from normal {tissue|structures}}.",
        "The patient is {45|52|61|38|70} years old.",
        "{The sequence is FLAIR|Sequence: FLAIR|Modality: MRI}.",
        "{Gliomas|Tumors} {look bright|are hyperintense|appear white} on FLAIR.",
        "Orientation: {axial|coronal|sagittal}.",
    ],
    "grid": [
        "{row and col|row and column|The values|All coordinates|Coordinates|Rows and columns} {are|must be|should be} "
        "{integers|whole numbers} {between|from} 0 {and|to} 127.",
        "{(0,0)|The origin|(0, 0)} is {at|in} the {top-left|top left|upper left corner}, {row|rows} {increasing|grow} "
        "{downward|down}{,| and} {col|column|columns} {increasing|grow} {rightward|to the right}.",
        "{Use|Give} {pixel coordinates|pixels|integer pixel positions} {in the range 0-127|on a 128 by 128 grid|(0 to 127)}.",
        "The {first|second} number is the {row|column}.",
        "Rows run from top to bottom{|, columns from left to right}.",
    ],
    "closing": [
        "{Do not|Don't|Never} {output|write|add|include|give} {any other text|anything else|any explanation|extra words}.",
        "{Only|Just} {the answer|the result|the output}{|, nothing else|, no explanation}{|, please}.",
        "No {explanation|comments}.",
        "{Follow|Use|Keep to|Respect} {the|this} {exact |}format{| above| strictly| exactly}.",
        "Be {precise|accurate|careful|concise}.",
        "{Answer|Respond|Reply} {in the exact format|in this format|only in the format above|briefly|now}.",
        "Output:",
        "Answer:",
    ],
    "chatter": [
        "{Thank you|Thanks|Many thanks}{| very much| in advance| for your help}.",
        "Take your time.",
        "Think {carefully|step by step}.",
        "{Please be|Try to be|You should be} {as accurate as possible|careful|honest|quick}.",
        "This is {important|urgent|a test}.",
        "{Double-check|Check|Verify} your {answer|result|work}{| twice| before replying}.",
        "Ignore {artifacts|noise|the skull|text}.",
        "The {result|answer} will be {used in a study|read by a computer|compared with the expert|shown to a doctor}.",
        "{If you are unsure|When in doubt|If it is unclear}, {give your best guess|choose the most likely|estimate}.",
        "{The quality is low|The image may be noisy|There may be motion|The contrast is poor}.",
        "Good luck!",
        "{We|I} {need|want|would like to have} {this|your help} for {research|a paper|a report|teaching|planning surgery}.",
        "{Please|Kindly} {help|assist} {me|us}.",
        "Hello, {I have|here comes} {a question|another case|the next patient}.",
        "$word $word {and|of|with|for|in|the|a|is|to} $word $word{|,} {$word|the $word|a $word}.",
        "Note: $word $word $word $word.",
        "{The|A|This|Your|Every|Some} $word {is|was|has|may be|should be|can} {|not |very }$word{| and $word| in $word}.",
    ],
    "word": WORDS,
}

RULES = {
    "classification": {
        "task": [
            "{Classify|Grade|Categorize|Label|Assess|Rate} {the|this} $scan {as|into|:} $classes.",
            "{Decide|Determine|Tell|State|Say|Judge} {whether|if} {the|this} $scan shows $classes.",
            "{What|Which} {grade|class|category|kind of glioma} {is this|does this $scan show|do you see}? {Options|Choices}: $classes.",
            "Is {this|it|there} {a |}{low or high grade glioma|low-grade or high-grade glioma|LGG or HGG}{, or none|, or no glioma}?",
            "{Grade|Class|Label|Diagnosis|Category}{| of the $lesion| of this $scan}? $classes.",
            "{Grading|Classification}: $classes.",
            "$classes?",
            "$classes: {which|what is it|your answer}?",
            "{Choose|Pick|Select} {one|the right option|the class|the grade}{| for this $scan}: $classes.",
            "{Give|Provide|Report} {the|a} {grade|class|diagnosis|classification|label} of the {glioma|tumor|$scan}: $classes.",
        ],
        "classes": [
            "Low Grade Glioma (0), High Grade Glioma (1), or No Glioma (2)",
            "0 = low grade, 1 = high grade, 2 = no {glioma|tumor}",
            "low grade glioma (0), high grade glioma (1) or {no glioma|healthy|no tumor|none} (2)",
            "LGG (0), HGG (1), none (2)",
            "0 for {LGG|low-grade}, 1 for {HGG|high-grade} and 2 for {no glioma|normal}",
            "0: LGG, 1: HGG, 2: No Glioma",
            "no glioma (2), high grade (1) or low grade (0)",
            "0 (low grade), 1 (high grade), 2 (absent)",
        ],
        "format": [
            "{Respond only|Answer|Reply|Respond} {in|with|using} the {following format|format|form}: Choice: <0, 1, or 2> Reasoning: "
            "<{Provide concise reasoning using 10 keywords based on the scan's visual features|ten keywords|10 keywords|keywords}>.",
            "{Format|Output format|Template|Answer}: Choice: {<0, 1, or 2>|<digit>|0/1/2|X} Reasoning: {<10 keywords>|ten keywords|...}.",
            "{Write|Give|Start with|First give} 'Choice:' {and|with|followed by} the {number|digit}, then 'Reasoning:' and {ten|10} keywords.",
            "{Justify|Explain|Support} {your choice|it|the grade} {with|by|using} {ten|10} {keywords|short keywords|visual keywords}.",
            "Add {ten|10} keywords {of|on|as} {visual features|reasoning|what you see}.",
            "{Choice|Answer|Number}, then {reasoning|why|reasons}{|: ten keywords| (10 keywords)| in keywords}.",
            "{With|Plus|And} {ten|10|some} {keywords|terms|descriptive words|reasons}.",
            "{Choice|Grade} and {keywords|reasoning}{|, please}.",
        ],
        "brief": [
            "{Answer|Respond|Reply} {only |}{with|in the form} Choice: {<0, 1, or 2>|and the digit|X|<digit>}{|, no reasoning|, nothing else} only.",
            "{Write|Output|Give} only 'Choice: {0|X|<digit>}'{, no reasoning| and no keywords|}.",
            "No reasoning, no keywords, only Choice: <0, 1, or 2>.",
            "{Do not|Don't} {give|write|add} {a reasoning|reasons|keywords|any reasoning}, only the choice.",
            "Format: Choice: <0, 1, or 2>. {No keywords|No reasoning|Nothing more}.",
        ],
        "detail": [
            "Use {only |}{what you see|visual features|the image}.",
            "{High|Low} grade {gliomas|tumors} {are often|look} $word{| and $word}.",
            "{Consider|Look for|Pay attention to} {edema|necrosis|texture|margins|symmetry|mass effect}{| and {size|shape|intensity}}.",
            "The {keywords|reasons} should {describe|be about|name} {the image|texture|shape|signal|findings}.",
        ],
    },
    "center_point": {
        "task": [
            "{Output|Give|Return|Report|Provide|Predict|Find|Locate|Mark|Estimate} {the|its} $centre of {the|this|that} $lesion"
            "{| as {a single|one} {coordinate|point|pixel}| in {this|the} $scan| as (row, col)}.",
            "{Where|At which pixel} is the $centre of the $lesion{| in this $scan}?",
            "What is the {position|location|coordinate} of the $centre?",
            "{Point|Click} {to|at|on} the {$centre|middle} of the $lesion.",
            "$centre of the $lesion{:|?|, please.}",
            "{Determine|Identify|Compute|Name|Tell me} the $centre{| of the $lesion}.",
            "$lesion $centre{|, please}{:|.|?|,} {(row, col)|one pair|a point|row and column}.",
            "{|The |Its }$centre {as|in the form|=} {(row, col)|a pair|one point|row, col}{|, nothing else}.",
            "{One|A single|Just one} {point|pixel|coordinate}: the $centre{| of the $lesion}.",
            "{Localize|Locate|Find} the $lesion by {its|one} $centre.",
        ],
        "centre": [
            "center point",
            "center point",
            "center",
            "centre",
            "centre point",
            "middle",
            "midpoint",
            "geometric center",
            "centroid",
            "central pixel",
            "center coordinate",
            "middle point",
        ],
        "format": [
            "The {output|answer|result} {must be|should be|is} {formatted strictly as|written as|in the form|}{:|} (row, col).",
            "{Format|Output format|Form|Answer format}: (row, {col|column}).",
            "{Return|Give|Write} {one pair|a single pair|one point|two numbers}: (row, col).",
            "{Answer|Respond|Reply} {with|as|in the form} (row, col){| and nothing else| only}.",
            "One coordinate {in the form|like} ({r, c|row, column|y, x}).",
            "{A single|One} {coordinate|point|pair} is {enough|expected|wanted}.",
        ],
        "detail": [
            "Ensure the {predicted |}$centre {accurately |}{represents|is|marks} the {geometric center|middle} of the $lesion.",
            "The $lesion is {generally|mostly|often} round{| in shape}.",
            "It {is|lies} {halfway|in the middle} between {the edges|its borders}.",
            "The {point|pixel} should lie {inside|within|in} the $lesion.",
            "{Only|Exactly} one {point|pair|location} is {allowed|needed|wanted}.",
        ],
    },
    "bounding_box": {
        "task": [
            "{Output|Give|Return|Report|Provide|Predict|Find|Draw|Place} {the|a|one} {tight |}$box {around|of|for|enclosing|containing} {the|this} "
            "$lesion{| using {the|its} {four|4} {corner vertices|corners}| in {this|the} $scan}.",
            "{What is|Where is} the $box of the $lesion?",
            "{Which|What} $box {contains|encloses|covers|fits} the {whole |entire |}$lesion?",
            "{Enclose|Frame|Surround|Box} the $lesion {with|in|by} a {tight |}$box.",
            "$box of the $lesion{:|?|, please.}",
            "{List|Name|Give|Output} the {four|4} {corners|corner points|corner vertices} of the {$box|box around the $lesion}.",
            "{Locate|Localize|Detect} the $lesion {with|by|using} {a|its} $box.",
            "$lesion $box{|, please}{:|.|?|,} {four corners|corners|(row, col) each|$corners}.",
        ],
        "box": [
            "bounding box",
            "bounding box",
            "bounding box",
            "box",
            "rectangle",
            "bounding rectangle",
            "tight box",
            "rectangular box",
            "bbox",
            "axis-aligned box",
            "enclosing rectangle",
            "smallest rectangle",
        ],
        "format": [
            "The {bounding box output|output|answer|result|box} {must be|should be|is} {formatted strictly as|written as|given as|}{:|} $corners{.|}",
            "{Format|Output format|Form|Answer format}: $corners{.|}",
            "{Answer|Respond|Reply|Write} {with|as|in the form} $corners{.|}",
            "{Give|Return|List} {four|4} corners{|:| in the order} {top-left, top-right, bottom-right, bottom-left|$corners}{.|}",
            "{Four|4} {corner points|corners|pairs} in a list{|, clockwise from the top-left}.",
        ],
        "corners": [
            "[(row_min, col_min), (row_min, col_max), (row_max, col_max), (row_max, col_min)]",
            "[(r0, c0), (r0, c1), (r1, c1), (r1, c0)]",
            "[(top, left), (top, right), (bottom, right), (bottom, left)]",
            "[(row, col), (row, col), (row, col), (row, col)]",
            "[(rmin, cmin), (rmin, cmax), (rmax, cmax), (rmax, cmin)]",
            "[(y1, x1), (y1, x2), (y2, x2), (y2, x1)]",
        ],
        "detail": [
            "Ensure the {bounding |}box tightly encloses the {entire|whole} $lesion{| without extending into {non-tumor|normal|healthy} regions}.",
            "The {box|rectangle} should {be tight|be as small as possible|touch the border of the $lesion|contain all of the $lesion}.",
            "{Its sides|The edges} are parallel to the {image|axes}.",
            "{Nothing|No part} of the $lesion {may be|is} outside{| the box}.",
        ],
    },
    "polygon": {
        "task": [
            "{For each glioma in|For} {a|the|this} {128x128 |}{grayscale |}$scan, output {the |}{coordinates|points} of a {10 to 15 point |}$polygon that "
            "{encloses|surrounds|follows} the $lesion.",
            "{Output|Give|Return|Report|Provide|Predict|Draw|Trace} {a|the} {$count point |}$polygon {around|of|enclosing|for} {the|this} $lesion"
            "{| with $count {points|vertices}| in {this|the} $scan}.",
            "{Trace|Outline|Delineate|Segment|Contour} the {border|boundary|edge|margin|outline} of the $lesion {with|by|using} {a $polygon|$count points}.",
            "{Outline|Segment|Delineate|Contour} the $lesion{| in this $scan}{| with $count {points|vertices}}.",
            "$polygon of the $lesion{:|?|, please.}",
            "{What is|Where is} the {outline|contour|boundary|polygon} of the $lesion?",
            "{List|Give} $count {points|vertices} {along|on} the {border|boundary|outline|contour} of the $lesion.",
            "For image [query image], what is the {output|polygon|contour|outline}?",
            "$lesion $polygon{|, please}{:|.|?|,} {$count points|clockwise|(row, col) pairs|$points}.",
        ],
        "count": [
            "10 to 15",
            "10 to 15",
            "10-15",
            "between 10 and 15",
            "ten to fifteen",
            "8 to 12",
            "12",
            "10 to 12",
            "at least 10",
            "several",
        ],
        "polygon": [
            "polygon",
            "polygon",
            "polygon",
            "contour",
            "outline",
            "closed contour",
            "closed polygon",
            "boundary polygon",
            "segmentation polygon",
        ],
        "format": [
            "The {output|answer|result} {should be|must be|is} {a tuple in the format of|a tuple|written as|in the form}{:|} $points{|, where N is $count{| points}}.",
            "{Format|Output format|Form|Answer format}: $points{.|}",
            "{Answer|Respond|Reply|Write} {with|as|in the form} $points{.|}",
            "{Give|Return|List} $count {points|vertices|coordinates}{| as $points}.",
            "{Return|Give} a tuple of {points|(row, col) pairs|pairs}.",
        ],
        "points": [
            "((row1, col1), (row2, col2), ..., (rowN, colN))",
            "((r1, c1), (r2, c2), ..., (rN, cN))",
            "((row, col), (row, col), ...)",
            "((y1, x1), (y2, x2), ..., (yN, xN))",
            "((row1, column1), ..., (rowN, columnN))",
        ],
        "detail": [
            "{These|The} points {should be|are|must be} {arranged |listed |}{in a clockwise direction|clockwise|in clockwise order}"
            "{| and should accurately trace the {tumor |}boundary}.",
            "{Start|Begin} {at|with|from} the {north-most|top-most|highest|uppermost} {point|vertex}.",
            "{Use|Take} {more|fewer} points for {large|small} {tumors|lesions}.",
            "Use $count {points|vertices}.",
            "The {points|vertices} {should|must} {follow|lie on|trace} the {boundary|edge|border}.",
        ],
    },
}

# What a user might write instead of a word of a prompt.
SYNONYMS = {
    "tumor": [
        "tumour",
        "lesion",
        "glioma",
        "neoplasm",
    ],
    "center": [
        "centre",
        "middle",
    ],
    "output": [
        "return",
        "give",
        "write",
    ],
    "scan": [
        "image",
        "slice",
        "picture",
        "MRI",
    ],
    "strictly": [
        "exactly",
        "precisely",
    ],
    "grayscale": [
        "greyscale",
        "gray",
    ],
    "between": ["from"],
    "format": [
        "form",
        "layout",
        "template",
    ],
    "only": [
        "just",
        "solely",
    ],
    "expert": [
        "skilled",
        "senior",
    ],
    "col": ["column"],
    "text": ["words"],
    "explanation": [
        "commentary",
        "remark",
    ],
    "bounding box": [
        "box",
        "rectangle",
    ],
    "polygon": [
        "contour",
        "outline",
    ],
    "brightest": [
        "whitest",
        "most intense",
    ],
    "point": ["location"],
}
