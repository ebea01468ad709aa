import monai.losses
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glioma.base.errors import UserError
from glioma.cnn import losses, networks
from glioma.cnn.recipe import Recipe, prediction_entry, training_entry

FULL = (95, 128, 128)


def recipe(task: str, architecture: str, **more) -> Recipe:
    return Recipe.read({"task": task, "architecture": architecture, **more})


def on_meta(task: str, architecture: str, shape, **more):
    with torch.device("meta"):
        return networks.build(recipe(task, architecture, **more), shape)


def test_published_classifier_has_the_published_size():
    classifier = on_meta("classification", "paper:classifier", FULL)
    first_dense = classifier.head[1]
    assert tuple(first_dense.weight.shape) == (128, 376_832)
    convolutions = 8 * (4 * 27 + 1) + 16 * (8 * 27 + 1)
    assert networks.count_parameters(classifier) == convolutions + (376_832 + 1) * 128 + 129 == 48_239_097
    assert classifier(torch.zeros(3, 4, *FULL, device="meta")).shape == (3, 1)


def test_published_segmenter_has_the_published_layers():
    segmenter = on_meta("segmentation", "paper:segmenter", FULL)
    down = 16 * (4 * 27 + 1) + 32 * (16 * 27 + 1) + 64 * (32 * 27 + 1)
    up = (64 * 8 * 32 + 32) + (32 * 8 * 16 + 16)
    assert networks.count_parameters(segmenter) == down + up + 17
    assert segmenter(torch.zeros(2, 4, *FULL, device="meta")).shape == (2, 1, *FULL)


@settings(max_examples=15, deadline=None)
@given(shape=st.tuples(*[st.integers(4, 13)] * 3), multiple=st.integers(1, 5))
def test_padding_is_undone(shape, multiple):
    seen = []

    class Identity(torch.nn.Module):
        def forward(self, x):
            seen.append(x.shape[2:])
            return x

    x = torch.randn(2, 1, *shape)
    assert torch.equal(networks.Padded(Identity(), multiple)(x), x)
    assert all(size % multiple == 0 and size - old < multiple for size, old in zip(seen[0], shape, strict=True))


def test_95_slices_get_one_plane_above():
    padded = networks.Padded(torch.nn.Identity(), 4)
    lowest_plane = torch.zeros(1, 1, 95, 8, 8)
    lowest_plane[:, :, 0] = 1
    inside = []
    padded.network.register_forward_hook(lambda _, inputs, output: inside.append(inputs[0]))
    padded(lowest_plane)
    assert inside[0].shape[2:] == (96, 8, 8)
    assert inside[0][:, :, 0].all() and not inside[0][:, :, -1].any()


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 11, 10)])
def test_networks_keep_the_contract_at_small_sizes(shape):
    x = torch.randn(2, 2, *shape)
    channels = {"channels": ["flair", "t2"]}
    assert networks.build(recipe("classification", "paper:classifier", **channels), shape)(x).shape == (2, 1)
    assert networks.build(recipe("segmentation", "paper:segmenter", **channels), shape)(x).shape == (2, 1, *shape)


@pytest.mark.parametrize(
    ("task", "name", "arguments"),
    [
        ("segmentation", "UNet", {"channels": [4, 8], "strides": [2]}),
        ("segmentation", "SegResNet", {"init_filters": 8}),
        ("segmentation", "AttentionUnet", {"channels": [4, 8], "strides": [2]}),
        ("segmentation", "DynUNet", {"kernel_size": [3] * 3, "strides": [1, 2, 2], "upsample_kernel_size": [2, 2]}),
        ("segmentation", "BasicUNet", {"features": [4, 4, 4, 4, 4, 4]}),
        ("segmentation", "UNETR", {"feature_size": 4, "hidden_size": 24, "mlp_dim": 32, "num_heads": 2}),
        ("classification", "DenseNet121", {}),
        ("classification", "EfficientNetBN", {"model_name": "efficientnet-b0"}),
        # What it does not name it passes on to its base, the number of classes among it.
        ("classification", "SEResNet50", {"layers": [1, 1, 1, 1], "inplanes": 8}),
    ],
)
def test_monai_networks_by_name(task, name, arguments):
    network = on_meta(task, f"monai:{name}", (40, 52, 65), arguments=arguments)
    expected = (2, 1) if task == "classification" else (2, 1, 40, 52, 65)
    assert network(torch.zeros(2, 4, 40, 52, 65, device="meta")).shape == expected


def test_a_network_that_computes_with_numbers_while_it_is_built_is_checked_like_others():
    """And begins with the weights that it would begin with unchecked."""
    small = {"arguments": {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}, "multiple": 32}
    entry, weights = recipe("segmentation", "monai:SwinUNETR", **small), []
    for check in (True, False):
        torch.manual_seed(0)
        weights.append(networks.build(entry, (32, 64, 64), check).state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    with pytest.raises(UserError, match="feature"):
        networks.build(recipe("segmentation", "monai:SwinUNETR", arguments={"feature_size": 13}), (32, 64, 64))


@pytest.mark.parametrize(
    ("task", "architecture", "more", "message"),
    [
        ("segmentation", "monai:NoSuchNet", {}, "NoSuchNet"),
        ("segmentation", "monai:get_mednext", {}, "no network class"),
        ("segmentation", "monai:UNet", {"arguments": {"channels": [4, 8], "stride": [2]}}, "stride"),
        ("segmentation", "monai:UNet", {"arguments": {"channels": [4, 8, 16], "strides": [2, 2]}, "multiple": 1}, "96"),
        ("segmentation", "paper:segmenter", {"arguments": {"depth": 3}}, "depth"),
        ("segmentation", "paper:classifier", {}, "no network for segmentation"),
        ("classification", "paper:segmenter", {"input": [96, 128, 128]}, "no network for classification"),
        ("classification", "paper:classifier", {"input": [2, 8, 8]}, "cannot run"),
    ],
)
def test_a_wrong_network_is_one_line(task, architecture, more, message):
    entry = recipe(task, architecture, **more)
    with pytest.raises(UserError, match=message) as caught:
        networks.build(entry, entry.shape(FULL))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "grading"}, "task"),
        ({"epoch": 3}, "unknown key 'epoch'; did you mean epochs"),
        ({"augmentation": {"rotate": 1}}, "augmentation.rotate"),
        ({"architecture": "paper:transformer"}, "paper:transformer"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": []}, "learning_rate"),
        ({"batch_size": "many"}, "batch_size"),
        ({"loss": "dice"}, "loss"),
        ({"select_by": "dice"}, "select_by"),
        ({"channels": ["flair", "dwi"]}, "dwi"),
        ({"input": [24, 32]}, "give 3 sizes"),
        ({"threshold": 1.5}, "threshold"),
        ({"normalisation": "rank"}, "normalisation"),
        ({"keep": "first"}, "keep"),
        ({"keep": "last", "patience": 3}, "keep: last does not go with patience"),
        ({"keep": "last", "learning_rate": [1e-3, 1e-4]}, "keep: last does not go with .*learning_rate"),
        ({"learning_rate": [1e-3, "1e-3"]}, "twice"),
        ({"slices": "tumour"}, "slices: paper:classifier sees whole crops"),
        ({"every": 2}, "every: paper:classifier"),
        ({"architecture": "slice:small", "slices": "range"}, "slices"),
        ({"architecture": "slice:small", "input": [8, 64, 64]}, "rows, columns"),
        ({"architecture": "slice:small", "task": "segmentation"}, "use classification"),
        ({"architecture": "slice:small", "loss": "bce"}, "cross_entropy"),
    ],
)
def test_a_wrong_entry_is_one_line(change, message):
    with pytest.raises(UserError, match=message):
        Recipe.read({"task": "classification", "architecture": "paper:classifier"} | change)


def test_learning_rate_may_be_one_or_many_or_text():
    entry = {"task": "classification", "architecture": "paper:classifier"}
    assert Recipe.read(entry | {"learning_rate": 0.1}).learning_rates == (0.1,)
    assert Recipe.read(entry | {"learning_rate": [1e-4, "4e-7"]}).learning_rates == (1e-4, 4e-7)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("slice:small", {}),
        ("slice:monai:DenseNet121", {}),
        ("slice:monai:ResNet", {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [8, 16, 32, 64]}),
    ],
)
def test_slice_networks_give_three_logits(architecture, arguments):
    network = on_meta("classification", architecture, (64, 70), arguments=arguments)
    assert network(torch.zeros(5, 1, 64, 70, device="meta")).shape == (5, 3)


def test_small_slice_network_is_small_and_grades_a_slice_alike_in_any_company():
    network = networks.build(recipe("classification", "slice:small", channels=["flair", "t2"]), (40, 36)).eval()
    convolutions = 9 * (2 * 8 + 8 * 16 + 16 * 32 + 32 * 64)
    assert networks.count_parameters(network) == convolutions + 2 * (8 + 16 + 32 + 64) + 2 * 64 * 3 + 3
    x = torch.randn(4, 2, 40, 36)
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]))


def test_a_slice_network_sees_flair_in_rows_and_columns():
    entry = recipe("classification", "slice:small")
    assert entry.channels == ("flair",) and entry.shape(FULL) == FULL[1:] and entry.kind == "slices"
    assert recipe("classification", "slice:small", input=[64, 48]).shape(FULL) == (64, 48)
    assert recipe("classification", "paper:classifier").channels == ("flair", "t1", "t1ce", "t2")


ENTRY = {
    "task": "segmentation",
    "architecture": "monai:UNet",
    "arguments": {"strides": [2], "channels": [4, 8]},
    "threshold": 0.7,
    "learning_rate": 1e-3,
    "input": [8, 8, 8],
    "crops": "tumour",
    "replicates": ["1/test"],
}


def test_training_and_prediction_read_their_part_of_an_entry():
    read = Recipe.read({key: value for key, value in ENTRY.items() if key not in ("crops", "replicates")})
    assert {"crops", "replicates", "threshold"} == set(ENTRY) - set(training_entry(ENTRY))
    assert {"crops", "replicates", "learning_rate"} == set(ENTRY) - set(prediction_entry(ENTRY))
    # What Snakemake compares is the text: it must not depend on the order of keys at any level.
    shuffled = dict(reversed(ENTRY.items())) | {"arguments": {"channels": [4, 8], "strides": [2]}}
    assert repr(training_entry(shuffled)) == repr(training_entry(ENTRY))
    assert Recipe.read(training_entry(ENTRY)) == read.model_copy(update={"threshold": 0.5})
    assert Recipe.read(prediction_entry(ENTRY)) == read.model_copy(update={"learning_rate": (1e-4,)})


def test_no_key_of_a_recipe_is_forgotten_by_both():
    entry = dict.fromkeys(Recipe.model_fields)
    kept = set(training_entry(entry)) | set(prediction_entry(entry))
    assert kept == set(entry)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), soft=st.booleans())
def test_dice_loss_equals_monai(seed, soft):
    torch.manual_seed(seed)
    logits = torch.randn(3, 1, 4, 5, 6)
    target = torch.rand(3, 1, 4, 5, 6)
    target = target if soft else (target > 0.7).float()
    ours, theirs = losses.dice_loss(logits, target), monai.losses.DiceLoss(sigmoid=True)(logits, target)
    torch.testing.assert_close(ours, theirs)


def test_dice_loss_of_an_empty_truth_is_finite():
    logits = torch.full((1, 1, 3, 3, 3), -30.0)
    assert losses.dice_loss(logits, torch.zeros_like(logits)).item() < 1e-3


def test_dice_bce_is_the_sum():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 3, 3, 3), (torch.rand(2, 1, 3, 3, 3) > 0.5).float()
    both = monai.losses.DiceCELoss(sigmoid=True)(logits, target)
    torch.testing.assert_close(losses.dice_bce_loss(logits, target), both)
