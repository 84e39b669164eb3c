import numpy as np
import pytest
from PIL import Image
from samples import blobs, write_data

from mlp_cli.data.datasets import absolute, load_dataset
from mlp_cli.errors import DataError


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Two directories of IDX files, of 300 and of 60 training images, and one with 20 labelled pictures."""
    path = tmp_path_factory.mktemp("places")
    for name, n in (("many", 300), ("few", 60)):
        (path / name).mkdir()
        for part in ("train", "t10k"):
            write_data(path / name, *blobs(n, seed=n, k=4, side=28), part=part)
    rng = np.random.default_rng(0)
    for label in "0123":
        (path / "mine/train" / label).mkdir(parents=True)
        (path / "mine/test" / label).mkdir(parents=True)
        for number in range(5):
            image = np.zeros((28, 28), np.uint8)
            image[4:24, 12:16] = rng.integers(100, 255, (20, 4))
            for part in ("train", "test"):
                Image.fromarray(image).save(path / "mine" / part / label / f"{number}.png")
    return path


def shares_of(dataset, indices):
    """What share of the indices belongs to each source."""
    ends = np.cumsum([source.images for source in dataset.sources])
    counts = np.bincount(np.searchsorted(ends, indices, side="right"), minlength=len(ends))
    return (counts / len(indices)).tolist()


@pytest.mark.parametrize(
    ("suffixes", "expected"),
    [(("", ""), [0.5, 0.5]), (("", "=0.2"), [0.8, 0.2]), (("=3", "=1"), [0.75, 0.25]), (("=0.9", ""), [0.9, 0.1])],
)
def test_sources_are_mixed_equally_or_by_their_shares(places, suffixes, expected):
    where = [f"{places / name}{suffix}" for name, suffix in zip(("many", "few"), suffixes, strict=True)]
    dataset = load_dataset("train", where)
    assert (len(dataset), dataset.name, dataset.classes) == (360, "many + few", tuple("0123"))
    for part in dataset.split(15, 0):
        assert shares_of(dataset, part) == pytest.approx(expected, abs=0.003)


def test_every_image_comes_in_and_none_is_both_trained_on_and_held_out(places):
    dataset = load_dataset("train", [str(places / "many"), str(places / "few")])
    train, held_out = dataset.split(15, 0)
    assert set(train) | set(held_out) == set(range(360))
    assert not set(train) & set(held_out)
    times = np.bincount(train, minlength=360)[
        300:
    ]  # the 45 images of the small source count as much as the 285 of the large one
    assert sorted(set(times[times > 0])) == [6, 7]


def test_a_mixed_source_holds_out_the_same_images_as_alone(places):
    alone = load_dataset("train", places / "few").split(15, 3)[1]
    held_out = load_dataset("train", [str(places / "many"), str(places / "few")]).split(15, 3)[1]
    assert set(held_out[held_out >= 300] - 300) == set(alone)


def test_pictures_are_labelled_by_the_classes_of_the_other_source(places):
    alone = load_dataset("train", places / "many")
    dataset = load_dataset("train", [str(places / "mine"), str(places / "many")])
    assert dataset.classes == alone.classes
    np.testing.assert_array_equal(dataset.images[20:], alone.images)
    assert [source.of_pictures for source in dataset.sources] == [True, False]
    (places / "mine/train/9").mkdir()
    try:
        Image.new("L", (28, 28)).save(places / "mine/train/9/x.png")
        with pytest.raises(DataError, match=r"x.png is labelled 9; the classes are 0, 1, 2, 3"):
            load_dataset("train", [str(places / "mine"), str(places / "many")])
    finally:
        (places / "mine/train/9/x.png").unlink()
        (places / "mine/train/9").rmdir()


def test_the_test_parts_are_put_together_once(places):
    assert len(load_dataset("test", [f"{places / 'many'}=0.1", str(places / "mine")])) == 300 + 20


def test_mnist_is_a_name():
    assert load_dataset("test", "mnist").name == "MNIST"
    assert absolute("mnist") is None


def test_places_are_kept_so_that_they_mean_the_same_everywhere(places, monkeypatch):
    monkeypatch.chdir(places)
    kept = absolute(["mnist", "mine=0.1", "few"])
    assert kept == ["mnist=0.45", f"{places}/mine=0.1", f"{places}/few=0.45"]
    assert absolute(kept) == kept
    (places / "a=1").mkdir()
    assert absolute(["a=1", "few"]) == [f"{places}/a=1=0.5", f"{places}/few=0.5"]  # a directory of that name is there


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        (["{0}/many=x", "{0}/few"], "the share x must be a number above 0, such as .*many=0.3"),
        (["{0}/many=0", "{0}/few"], "the share 0 must be a number above 0"),
        (["{0}/many=nan", "{0}/few"], "the share nan must be a number above 0"),
        (["{0}/many=1", "{0}/few"], "the shares leave nothing for the others"),
        (["{0}/many", "{0}/none"], "none: no such directory"),
        (["{0}/many", "{1}"], "has images of 8×8 pixels, but .*many of 28×28"),
        (
            ["{0}/many", "mnist"],
            "the bundled MNIST: has the classes 0, 1, .*, 9, but .*many has 0, 1, 2, 3",
        ),
    ],
)
def test_sources_that_do_not_fit_together_are_a_one_line_error(places, data, where, problem):
    with pytest.raises(DataError, match=problem):
        load_dataset("train", [each.format(places, data) for each in where])
