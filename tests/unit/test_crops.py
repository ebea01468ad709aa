import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from glioma.base.errors import UserError
from glioma.cohort import crop_files, crops, nifti
from glioma.cohort.sequences import SEQUENCES

LABELS = {1: "necrosis", 2: "oedema", 4: "enhancing"}
AFFINES = {
    # BraTS: i to the left, j to posterior, k to superior.
    "LPS": np.array([[-1, 0, 0, 0], [0, -1, 0, 39], [0, 0, 1, 0], [0, 0, 0, 1]], float),
    "RAS": np.diag([1.0, 1, 1, 1]),
    "PSR": np.array([[0, 0, 1, -20], [-1, 0, 0, 30], [0, 1, 0, 4], [0, 0, 0, 1]], float),
    "anisotropic": np.array([[-0.8, 0, 0, 0], [0, -0.8, 0, 39], [0, 0, 2.5, 0], [0, 0, 0, 1]], float),
}


@pytest.fixture(params=AFFINES)
def patient(request, tmp_path):
    """Five files of one patient in one of several voxel orders, with a tumour off the centre."""
    affine = AFFINES[request.param]
    rng = np.random.default_rng(1)
    shape = (40, 44, 30)
    brain = np.zeros(shape, bool)
    brain[4:36, 5:40, 3:28] = True
    mask = np.zeros(shape, np.uint8)
    mask[8:15, 25:34, 8:14] = 2
    mask[10:13, 27:31, 9:12] = 4
    paths = {"mask": str(tmp_path / "seg.nii.gz")}
    nifti.write(mask, affine, paths["mask"])
    for name in SEQUENCES:
        paths[name] = str(tmp_path / f"{name}.nii.gz")
        nifti.write(np.where(brain, rng.integers(1, 900, shape), 0).astype(np.int16), affine, paths[name])
    return paths, affine, brain, mask


def test_tumour_crop_goes_back_without_loss(patient):
    paths, affine, _, mask = patient
    crop = crops.make("p", paths, "tumour", (32, 32, 32), LABELS)
    scan, its_affine = crops.mask_to_scan(crop.mask > 0, crop.geometry)
    np.testing.assert_array_equal(scan, mask > 0)
    np.testing.assert_allclose(its_affine, affine)


def test_tumour_crop_holds_the_tumour_in_the_middle(patient):
    crop = crops.make("p", patient[0], "tumour", (32, 32, 32), LABELS)
    centre = np.argwhere(crop.mask > 0).mean(axis=0)
    assert np.all(np.abs(centre - 16) <= 1)
    assert crop.geometry["tumour_share_in_crop"] == 1.0


def test_brain_crop_holds_all_brain_and_comes_back_close(patient):
    paths, _, _, mask = patient
    crop = crops.make("p", paths, "brain", (64, 72, 72), LABELS)
    assert crop.geometry["tumour_share_in_crop"] == 1.0
    scan, _ = crops.mask_to_scan(crop.mask > 0, crop.geometry)
    dice = 2 * np.sum(scan & (mask > 0)) / (scan.sum() + np.sum(mask > 0))
    assert dice > 0.9
    assert np.ptp(crop.geometry["spacing"]) < 1e-9  # isotropic


def test_a_tumour_beyond_the_brain_counts_as_one_that_the_crop_lacks(tmp_path):
    brain, mask = np.zeros((40, 44, 30), bool), np.zeros((40, 44, 30), np.uint8)
    brain[4:36, 5:40, 3:28] = True
    mask[8:15, 25:34, 8:14] = mask[:2, :2, 0] = 2
    paths = {name: str(tmp_path / f"{name}.nii.gz") for name in (*SEQUENCES, "mask")}
    nifti.write(mask, AFFINES["LPS"], paths["mask"])
    for name in SEQUENCES:
        scan = np.where(brain, np.random.default_rng(0).integers(1, 900, brain.shape), 0)
        nifti.write(scan.astype(np.int16), AFFINES["LPS"], paths[name])
    crop = crops.make("p", paths, "brain", (25, 35, 32), LABELS)
    assert crop.geometry["tumour_share_in_crop"] == pytest.approx(1 - 4 / np.count_nonzero(mask))


def test_to_voxel_agrees_with_nibabel_resampling(patient):
    """The crop's own affine to world, used by nibabel's resampler, gives the same labels back."""
    from nibabel.processing import resample_from_to

    paths, affine, _, _ = patient
    crop = crops.make("p", paths, "brain", (40, 48, 48), LABELS)
    to_world = affine @ np.asarray(crop.geometry["to_voxel"])
    image = nib.Nifti1Image((crop.mask > 0).astype(np.uint8), to_world)
    theirs = resample_from_to(image, nib.load(paths["mask"]), order=0).get_fdata() > 0
    ours, _ = crops.mask_to_scan(crop.mask > 0, crop.geometry)
    assert np.mean(theirs == (ours > 0)) > 0.999


def test_axes_are_superior_posterior_left(patient):
    """A voxel one step on along an axis lies further superior, posterior and left in the world (RAS+)."""
    paths, affine, _, _ = patient
    for mode, shape in (("brain", (40, 48, 48)), ("tumour", (24, 24, 24))):
        to_world = affine @ np.asarray(crops.make("p", paths, mode, shape, LABELS).geometry["to_voxel"])
        assert nib.orientations.aff2axcodes(to_world) == ("S", "P", "L")


@pytest.mark.parametrize(
    ("mode", "shape"), [("brain", (40, 48, 48)), ("brain", (21, 17, 30)), ("tumour", (36, 32, 20))]
)
def test_crops_are_what_scipy_samples_from_whole_scans(patient, mode, shape):
    """Only part of a scan is looked at, without any effect: scipy on the whole scan gives the same bytes."""
    paths, affine, *_ = patient
    crop = crops.make("p", paths, mode, shape, LABELS)
    scans = {}
    for name, path in paths.items():
        scans[name], to_disk, _ = nifti.read(path)
    place = np.linalg.inv(to_disk) @ np.asarray(crop.geometry["to_voxel"])

    def sampled(volume, order):
        scale, offset = np.diag(place)[:3].round(12), place[:3, 3].round(12)
        return ndimage.affine_transform(volume, scale, offset, shape, order=order, mode="constant", cval=0)

    codes = np.array([0, 1, 2, 0, 3], np.uint8)
    np.testing.assert_array_equal(crop.mask, sampled(codes[scans["mask"]], 0))
    brain = np.any([scans[name] != 0 for name in SEQUENCES], axis=0)
    for channel, name in zip(crop.image, SEQUENCES, strict=True):
        low, high = np.percentile(scans[name][brain], (0.5, 99.5))
        grey = np.where(brain, np.clip((scans[name] - low) * 254 / (high - low) + 1, 1, 255), 0)
        expected = np.where(sampled(brain.astype(np.uint8), 0), sampled(grey.astype(np.float32), 1), 0)
        assert np.abs(channel - expected).max() <= 0.501
    theirs = ndimage.affine_transform(crop.mask, np.linalg.inv(crop.geometry["to_voxel"]), None, (40, 44, 30), order=0)
    np.testing.assert_array_equal(crops.mask_to_scan(crop.mask, crop.geometry)[0], theirs)


def test_labels_are_those_that_were_declared(patient):
    declared = {2: "cavity", 4: "tumour"}
    crop = crops.make("p", patient[0], "tumour", (32, 32, 32), declared)
    assert np.unique(crop.mask).tolist() == [0, 4]
    assert crop.geometry["tumour_voxels_in_scan"] == np.count_nonzero(patient[3] == 4) == np.count_nonzero(crop.mask)
    with pytest.raises(UserError, match=r"seg\.nii\.gz: holds 4, but declared are 2 \(oedema\)"):
        crops.make("p", patient[0], "tumour", (32, 32, 32), {2: "oedema"})


def test_voxels_that_are_no_numbers_are_named(patient):
    paths, affine, brain, _ = patient
    nifti.write(np.where(brain, 1.0, np.nan).astype(np.float32), affine, paths["t1"])
    with pytest.raises(UserError, match=r"t1\.nii\.gz: holds voxels that are no numbers"):
        crops.make("p", paths, "brain", (24, 24, 24), LABELS)


def test_background_is_zero_and_brain_is_not(patient):
    paths, _, brain, _ = patient
    crop = crops.make("p", paths, "tumour", (32, 32, 32), LABELS)
    in_scan, _ = crops.mask_to_scan(crop.image[0] > 0, crop.geometry)
    inside, _ = crops.mask_to_scan(np.ones(crop.mask.shape, bool), crop.geometry)
    np.testing.assert_array_equal(in_scan > 0, brain & (inside > 0))


def test_truncated_file_is_named(patient, tmp_path):
    paths, *_ = patient
    whole = (tmp_path / "flair.nii.gz").read_bytes()
    (tmp_path / "flair.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"flair\.nii\.gz: cannot be read to its end"):
        crops.make("p", paths, "brain", (24, 24, 24), LABELS)


def test_other_grid_is_named(patient, tmp_path):
    paths, affine, *_ = patient
    nifti.write(np.ones((10, 10, 10), np.int16), affine, paths["t2"])
    with pytest.raises(UserError, match=r"t2\.nii\.gz: shape"):
        crops.make("p", paths, "brain", (24, 24, 24), LABELS)


def test_empty_mask_has_no_tumour_crop(patient):
    paths, affine, _, mask = patient
    nifti.write(np.zeros_like(mask), affine, paths["mask"])
    with pytest.raises(UserError, match="the mask is empty"):
        crops.make("p", paths, "tumour", (24, 24, 24), LABELS)


def test_save_and_load(patient, tmp_path):
    crop = crops.make("p", patient[0], "tumour", (16, 16, 16), LABELS)
    crops.save(crop, tmp_path / "p.npy", tmp_path / "p.mask.npy", tmp_path / "p.json")
    loaded = crop_files.load(tmp_path, "p")
    assert isinstance(loaded, np.memmap)
    np.testing.assert_array_equal(loaded, crop.image)
    np.testing.assert_array_equal(crop_files.load_mask(tmp_path, "p"), crop.mask)
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.sampled_from(crops.PERCENTILES))
def test_percentiles_of_counts_are_numpys(values, share):
    assert crops._percentile(np.bincount(values), share) == np.percentile(values, share)


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.uint8, np.float32])
def test_counted_intensities_are_scaled_as_any_others(kind):
    rng = np.random.default_rng(0)
    brain = rng.random((12, 13, 14)) < 0.6
    scan = np.where(brain, rng.integers(0 if np.dtype(kind).kind == "u" else -90, 200, brain.shape), 0).astype(kind)
    np.testing.assert_array_equal(crops._scaled(scan, brain), crops._scaled(scan.astype(np.float64), brain))
    for wide in (
        scan.astype(np.int64) * 10_000,
        np.where(scan > 100, 32_000, np.where(brain, -32_000, 0)).astype(np.int16),
    ):
        np.testing.assert_array_equal(crops._scaled(wide, brain), crops._scaled(wide.astype(np.float64), brain))
