"""The phantom cohort: layout, determinism, and the mistakes that would make its images or its task unreal."""

import dataclasses
from importlib import util

import nibabel
import numpy as np
import pandas
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.demo import phantom
from glioma.demo.phantom import anatomy, fields, template, tumour

SEED = 5
SEQUENCES = ("flair", "t1", "t1ce", "t2")
PATIENTS = {"BraTS20_Training_001": "HGG", "BraTS20_Training_002": "LGG"}


@pytest.fixture(scope="module")
def prepared():
    return template.prepare()


@pytest.fixture(scope="module")
def simulated(prepared):
    """Per patient: anatomy, tumour, scans on the box."""
    return {patient: phantom.simulate(patient, grade, SEED, prepared) for patient, grade in PATIENTS.items()}


@pytest.fixture(scope="module")
def written(simulated, prepared, tmp_path_factory):
    """The first patient on disk, written after another was made."""
    folder = tmp_path_factory.mktemp("phantom") / "BraTS20_Training_001"
    # From the prepared brain as the workflow passes it on.
    template.save(prepared, folder.parent / "template")
    loaded = template.load(folder.parent / "template")
    phantom.write_patient(folder, folder.name, PATIENTS[folder.name], SEED, loaded)
    return folder


@pytest.fixture(scope="module")
def grown(prepared):
    """A tumour drawn as `make_patient` draws it, with some of its plan replaced."""

    def grow(name: str, grade: str, start: np.ndarray | None = None, **changes):
        rng = seeds.generator(SEED, "phantom", name)
        plan = dataclasses.replace(tumour.plan(rng, grade, prepared.seeds), **changes)
        plan = plan if start is None else dataclasses.replace(plan, start=start)
        brain = anatomy.build(rng, plan.start, plan.push, prepared)
        return brain, tumour.grow(rng, plan, brain)

    return grow


def enclosed(labels: np.ndarray) -> float:
    """Share of the core (label 1) that the enhancing part (label 4) encloses within its axial slice."""
    ring = labels == tumour.ENHANCING
    in_plane = ndimage.generate_binary_structure(3, 1) & (np.arange(3) == 1)
    cavity = ndimage.binary_fill_holes(ring, in_plane) & ~ring
    return (cavity & (labels == tumour.CORE)).sum() / max((labels == tumour.CORE).sum(), 1)


def test_files_and_headers_are_those_of_brats(written):
    names = {f"{written.name}_{kind}.nii.gz" for kind in (*SEQUENCES, "seg")}
    assert {path.name for path in written.iterdir()} == names
    for name in names:
        image = nibabel.load(written / name)
        assert image.shape == (240, 240, 155)
        assert image.get_data_dtype() == np.int16
        assert image.header.get_zooms() == (1, 1, 1)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
        np.testing.assert_array_equal(image.affine, [[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_a_patient_does_not_depend_on_who_was_made_before(written, simulated):
    _, lesion, scans = simulated[written.name]
    expected = {**scans, "seg": lesion.labels}
    for kind, values in expected.items():
        volume = np.asarray(nibabel.load(written / f"{written.name}_{kind}.nii.gz").dataobj)
        np.testing.assert_array_equal(volume[anatomy.BOX_SLICES], values)
        assert np.count_nonzero(volume) == np.count_nonzero(values)


def test_patients_differ(simulated):
    first, second = simulated.values()
    assert not np.array_equal(first[0].brain, second[0].brain)
    assert not np.array_equal(first[2]["t1"], second[2]["t1"])


def test_roster_hides_the_grade():
    roster = phantom.roster(30, 10, SEED)
    assert roster["patient"].tolist() == [f"phantom-{n:03d}" for n in range(1, 41)]
    assert roster["grade"].value_counts().to_dict() == {"HGG": 30, "LGG": 10}
    pandas.testing.assert_frame_equal(roster, phantom.roster(30, 10, SEED))
    order = [roc_auc_score(phantom.roster(30, 10, seed)["grade"] == "HGG", np.arange(40)) for seed in range(200)]
    assert abs(np.mean(order) - 0.5) < 0.03 and np.std(order) > 0.05


def test_name_mapping_as_brats(tmp_path):
    roster = phantom.roster(2, 1, SEED)
    phantom.write_name_mapping(tmp_path / "name_mapping.csv", roster)
    header = "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID"
    lines = (tmp_path / "name_mapping.csv").read_text().splitlines()
    assert lines[0] == f"{header},BraTS_2020_subject_ID"
    assert lines[1:] == [f"{grade},NA,NA,NA,NA,{patient}" for patient, grade in roster.itertuples(index=False)]


@pytest.mark.parametrize("patient", PATIENTS)
def test_background_is_exactly_zero_and_shared(simulated, patient):
    brain, lesion, scans = simulated[patient]
    for scan in scans.values():
        assert scan.dtype == np.int16
        np.testing.assert_array_equal(scan != 0, brain.brain)
        assert scan.min() == 0
    assert ndimage.label(brain.brain)[1] == 1
    assert 900 < brain.brain.sum() / 1000 < 1800
    assert not brain.brain[[0, -1]].any() and not brain.brain[:, [0, -1]].any()
    assert set(np.unique(lesion.labels)) <= {0, 1, 2, 4}
    assert not (lesion.labels[~brain.brain]).any()
    assert ndimage.label(lesion.labels > 0)[1] == 1


@pytest.mark.parametrize("patient", PATIENTS)
def test_tissue_contrast_of_each_sequence(simulated, patient):
    brain, lesion, scans = simulated[patient]
    away = ndimage.distance_transform_edt(lesion.labels[::2, ::2, ::2] == 0) > 8
    level = {}
    for name, scan in scans.items():
        for tissue in ("wm", "gm", "csf"):
            pure = (brain[tissue][::2, ::2, ::2] > 0.9) & (brain["depth"][::2, ::2, ::2] > 5) & away
            level[name, tissue] = np.median(scan[::2, ::2, ::2][pure])
    for name in ("t1", "t1ce"):
        assert level[name, "wm"] > level[name, "gm"] > level[name, "csf"]
    assert level["t2", "csf"] > level["t2", "gm"] > level["t2", "wm"]
    assert level["flair", "gm"] > level["flair", "wm"] > 1.8 * level["flair", "csf"]


@pytest.mark.parametrize("patient", PATIENTS)
def test_tumour_is_visible(simulated, patient):
    """Against the same place in the other hemisphere: wet on T2, bright oedema on FLAIR, dark core on T1."""
    brain, lesion, scans = simulated[patient]
    mirrored = {name: scan[::-1].astype(float) for name, scan in scans.items()}
    other = brain.brain[::-1] & (lesion.labels[::-1] == 0) & (brain["csf"][::-1] < 0.3)

    def contrast(name: str, zone: np.ndarray) -> float:
        zone = zone & other
        spread = scans[name][brain.brain].std()
        return (scans[name][zone].mean() - mirrored[name][zone].mean()) / spread

    assert contrast("t2", lesion.labels > 0) > 0.4
    assert contrast("flair", lesion.labels == tumour.OEDEMA) > 0.3
    assert contrast("t1", lesion.labels == tumour.CORE) < -0.5


def test_low_grade_is_never_a_ring_round_necrosis(grown):
    """Even one that enhances as much as any; the same measure does find the ring of a high-grade tumour."""
    _, low = grown("ring", "LGG", enhancement=1.0, volume=90.0)
    assert (low.labels == tumour.ENHANCING).any()
    assert low.necrosis.max() == 0
    assert enclosed(low.labels) < 0.02
    _, high = grown("ring", "HGG", enhancement=1.0, necrosis=1.0, volume=90.0)
    assert enclosed(high.labels) > 0.5
    assert abs((high.labels > 0).sum() / 1000 - 90) < 9


def test_mismatch_tumour_stays_visible_on_flair(prepared):
    name, plan = next(
        (name, plan)
        for name in map(str, range(100))
        if (plan := tumour.plan(seeds.generator(SEED, "phantom", name), "LGG", prepared.seeds)).mismatch
        and plan.volume > 60
    )
    brain, lesion, scans = phantom.simulate(name, "LGG", SEED, prepared)
    white = (brain["wm"] > 0.9) & (lesion.labels == 0)
    noise = scans["flair"][white].std()
    normal = np.median(scans["flair"][white])
    inner = (lesion.border < 0.1) & (lesion.core > 0.9) & (lesion.enhancing < 0.1)
    outer = (lesion.border > 0.8) & (lesion.enhancing < 0.1)
    assert np.median(scans["flair"][inner]) < normal - noise
    assert np.median(scans["flair"][outer]) > normal + noise
    assert np.median(scans["t2"][inner]) > 1.4 * np.median(scans["t2"][white])


def test_growth_does_not_jump_the_falx(prepared, grown):
    """A tumour beside the falx reaches the other side through white matter alone, so far less than a ball would."""
    seedable = prepared.seeds
    world = seedable - template.ORIGIN
    start = seedable[np.argmin(np.linalg.norm(world - np.array([15.0, 25.0, 40.0]), axis=1))]
    brain, lesion = grown("falx", "HGG", start=start, volume=110.0)
    whole = lesion.labels > 0
    midline = brain.midline * np.sign(brain.midline[tuple(brain.centre.astype(int))])
    falx = brain.brain & (np.abs(midline) < 1) & (brain["wm"] < 0.4)
    near = ndimage.distance_transform_edt(~whole) < 6
    assert (falx & near).sum() > 500
    assert whole[falx].sum() < 0.02 * (falx & near).sum()
    grids = np.ix_(*(np.arange(size) - c for size, c in zip(whole.shape, brain.centre, strict=True)))
    distance = np.where(brain.brain, sum(grid**2 for grid in grids), np.inf)
    ball = distance <= np.partition(distance.ravel(), whole.sum())[whole.sum()]
    assert (midline[whole] < -2).mean() < 0.5 * (midline[ball] < -2).mean()


def test_mass_effect_moves_tissue_but_not_the_skull(prepared):
    plan = tumour.plan(seeds.generator(SEED, "plan"), "HGG", prepared.seeds)
    radius = 18.0
    still, moved = (
        anatomy.build(seeds.generator(SEED, "push"), plan.start, anatomy.Push(radius, shift, 22.0), prepared)
        for shift in (0.0, 8.0)
    )
    np.testing.assert_array_equal(still.brain, moved.brain)
    grids = np.ix_(*(np.arange(size) - c for size, c in zip(anatomy.BOX, still.centre, strict=True)))
    distance = np.sqrt(sum(grid**2 for grid in grids))
    change = np.abs(moved.midline - still.midline)
    towards_falx = (np.abs(grids[1]) < 4) & (np.abs(grids[2]) < 4) & still.brain
    at_surface = towards_falx & (np.abs(distance - radius) < 2) & (still["depth"] > 12)
    assert change[at_surface].max() > 3
    assert change[still.brain & (distance > 95)].max() < 0.5
    # The falx itself, which is where midline = 0, now lies on the far side of where it was.
    side = np.sign(still.midline[tuple(still.centre.astype(int))])
    was_falx = towards_falx & (np.abs(still.midline) < 1)
    assert np.mean(side * moved.midline[was_falx]) > 1


def test_grades_overlap(prepared):
    """The latent malignancy separates the grades well but not wholly; one HGG in ten or more hardly enhances."""
    plans = [tumour.plan(seeds.generator(SEED, n), "HGG" if n % 2 else "LGG", prepared.seeds) for n in range(800)]
    high = np.array([plan.grade == "HGG" for plan in plans])
    assert 0.85 < roc_auc_score(high, [plan.malignancy for plan in plans]) < 0.98
    enhancing = np.array([plan.enhancement * (1 if plan.grade == "HGG" else 0.45) for plan in plans])
    assert 0.75 < roc_auc_score(high, enhancing) < 0.96
    assert 0.05 < (enhancing[high] < 0.15).mean() < 0.25
    volume = np.array([plan.volume for plan in plans])
    assert 0.5 < roc_auc_score(high, volume) < 0.75
    assert abs(np.mean([plan.mismatch for plan in plans if plan.grade == "LGG"]) - 0.3) < 0.06


def test_fields_against_numpy_and_scipy():
    rng = np.random.default_rng(SEED)
    field = np.stack([fields.noise(rng, (30, 20, 25), 6) for _ in range(300)])
    assert field.dtype == np.float32
    assert np.abs(field.mean(0)).max() < 0.35 and np.abs(field.std(0) - 1).max() < 0.25
    values = rng.normal(size=9)
    positions = rng.uniform(-2, 11, 40)
    expected = np.interp(positions, np.arange(9), values)
    np.testing.assert_allclose(fields.linear_matrix(9, positions) @ values, expected, atol=1e-6)
    half = rng.normal(size=(5, 6, 4)).astype(np.float32)
    expected = ndimage.zoom(half, (9 / 5, 11 / 6, 7 / 4), order=1)
    np.testing.assert_allclose(fields.enlarge(half, (9, 11, 7)), expected, atol=1e-5)


def test_an_axis_of_even_length_repeats_its_last_sample():
    half = np.random.default_rng(SEED).normal(size=(5, 6, 4)).astype(np.float32)
    whole = fields.enlarge(half, (10, 12, 8))
    np.testing.assert_array_equal(whole[:9, :11, :7], fields.enlarge(half, (9, 11, 7)))
    np.testing.assert_array_equal(whole[9], whole[8])
    np.testing.assert_array_equal(whole[..., 7], whole[..., 6])


def test_part_of_a_field_is_the_field_there():
    part = (slice(3, 20), slice(0, 12), slice(9, None))
    whole = fields.octaves(np.random.default_rng(SEED), (30, 20, 25), (4, 9))
    cut = fields.octaves(np.random.default_rng(SEED), (30, 20, 25), (4, 9), part)
    np.testing.assert_allclose(cut, whole[part], atol=1e-5)


def test_sampling_against_scipy():
    rng = np.random.default_rng(SEED)
    volume = rng.normal(size=(7, 9, 8, 3)).astype(np.float32)
    positions = rng.uniform(-1.5, 9.5, (3, 50, 400)).astype(np.float32)
    positions[:, :2] = np.rint(positions[:, :2])  # voxels themselves, the last of an axis among them
    sampled = fields.sample(volume, positions)
    assert sampled.dtype == np.float32 and sampled.shape == (3, 50, 400)
    for channel, values in enumerate(sampled):
        expected = ndimage.map_coordinates(volume[..., channel], positions, order=1, output=np.float32)
        np.testing.assert_allclose(values, expected, atol=1e-6)
        assert (expected == 0).any() and (expected != 0).any()


def test_nothing_of_a_tumour_lies_beyond_its_window(simulated):
    for _, lesion, _ in simulated.values():
        outside = np.ones(lesion.labels.shape, dtype=bool)
        outside[lesion.window] = False
        for field in ("labels", "core", "enhancing", "necrosis", "oedema", "border", "edge"):
            assert not getattr(lesion, field)[outside].any()


def test_a_missing_template_is_one_line(monkeypatch):
    monkeypatch.setattr(template, "find_spec", lambda name: None if name == "nilearn" else util.find_spec(name))
    with pytest.raises(UserError, match="nilearn"):
        template.prepare()
