import gzip
import hashlib
import os
import shutil

import numpy as np
import pytest
from samples import blobs, write_data

from mlp_cli.data import datasets
from mlp_cli.data.datasets import load_dataset, split_indices
from mlp_cli.data.idx import read_idx
from mlp_cli.errors import DataError


@pytest.fixture(scope="module")
def mnist_test():
    return load_dataset("test")


def test_the_bundled_mnist_is_complete(mnist_test):
    assert (mnist_test.name, mnist_test.classes, mnist_test.image_shape) == ("MNIST", tuple("0123456789"), (28, 28))
    assert mnist_test.images.shape == (10_000, 784)
    assert mnist_test.images.dtype == np.uint8
    # published counts of the test labels
    assert np.bincount(mnist_test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist_test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_the_name_of_a_directory_can_be_written_as_utf_8(data, tmp_path):
    directory = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(data, directory)
    assert load_dataset("train", directory).name == r"caf\udce9"


def test_the_bundled_mnist_has_its_training_files():
    train = load_dataset("train")
    assert train.images.shape == (60_000, 784)
    assert train.images.nbytes == 47_040_000  # bytes, not floats
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


def test_the_bundled_files_have_their_recorded_hashes():
    files = sorted(datasets.MNIST_DIRECTORY.glob("*.gz"))
    found = {
        hashlib.sha256(file.read_bytes()).hexdigest(): datasets.sha256_of(
            read_idx(file, 3 if "idx3" in file.name else 1)
        )
        for file in files
    }
    assert found == datasets.PACKED


def test_a_damaged_bundled_mnist_is_an_error(tmp_path, monkeypatch):
    shutil.copytree(datasets.MNIST_DIRECTORY, tmp_path / "mnist")
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[1000] ^= 1
    path.write_bytes(gzip.compress(content, 1))
    monkeypatch.setattr(datasets, "MNIST_DIRECTORY", tmp_path / "mnist")
    with pytest.raises(DataError, match="damaged"):
        load_dataset("test")


@pytest.mark.parametrize("dot", "-.")
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_are_found_under_their_usual_names_whether_gzipped_or_not(tmp_path, dot, compress, ending):
    images, labels = blobs(20, seed=0, side=5)
    write_data(tmp_path, images, labels, dot=dot, compress=compress)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name + ending))
    found = load_dataset("train", tmp_path)
    np.testing.assert_array_equal(found.images, images.reshape(20, 25))
    np.testing.assert_array_equal(found.labels, labels)
    assert (found.image_shape, found.classes, found.name) == ((5, 5), tuple("0123"), tmp_path.name)


def test_256_classes_and_oblong_images_are_fine(tmp_path):
    labels = np.arange(256)
    write_data(tmp_path, np.zeros((256, 3, 7)), labels)
    found = load_dataset("train", tmp_path)
    assert (len(found.classes), found.image_shape) == (256, (3, 7))


def test_class_names_come_from_classes_txt(tmp_path):
    write_data(tmp_path, *blobs(20, seed=0))
    (tmp_path / "classes.txt").write_text("ka\nki\nku\nke\nko\n\n", "utf-8")
    assert load_dataset("train", tmp_path).classes == ("ka", "ki", "ku", "ke", "ko")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a\n\nb\nc\nd", "line 2 is empty"), ("a\nb\na\nc", "line 3 is used twice"), ("a\nb\x1b[2J\nc\nd", "line 2")],
)
def test_class_names_that_would_confuse_are_an_error(tmp_path, text, message):
    write_data(tmp_path, *blobs(20, seed=0))
    (tmp_path / "classes.txt").write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        load_dataset("train", tmp_path)


def test_a_label_beyond_the_named_classes_is_an_error(tmp_path):
    write_data(tmp_path, *blobs(20, seed=0))
    (tmp_path / "classes.txt").write_text("ka\nki\n", "utf-8")
    with pytest.raises(DataError, match="label 3, but there are only the classes 0 to 1"):
        load_dataset("train", tmp_path)


def test_images_and_labels_of_different_counts_are_an_error(tmp_path):
    images, labels = blobs(20, seed=0)
    write_data(tmp_path, images, labels[:-1])
    with pytest.raises(DataError, match=r"19 labels, but .* has 20 images"):
        load_dataset("train", tmp_path)


def test_directories_that_are_missing_empty_or_files_are_errors(tmp_path):
    with pytest.raises(DataError, match="no such directory"):
        load_dataset("train", tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no train-images-idx3-ubyte"):
        load_dataset("train", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"neither a directory nor a \.csv file"):
        load_dataset("train", tmp_path / "file")


def test_a_data_set_without_images_is_an_error(tmp_path):
    write_data(tmp_path, np.zeros((0, 8, 8)), np.zeros(0))
    with pytest.raises(DataError, match="no images"):
        load_dataset("train", tmp_path)


def test_the_split_is_a_partition_drawn_by_the_seed():
    train, validation = split_indices(100, 30, np.random.default_rng(5))
    assert (len(train), len(validation)) == (70, 30)
    assert sorted([*train, *validation]) == list(range(100))
    again, _ = split_indices(100, 30, np.random.default_rng(5))
    other, _ = split_indices(100, 30, np.random.default_rng(6))
    assert (train == again).all()
    assert set(train) != set(other)


def test_a_split_that_leaves_nothing_to_train_on_is_an_error():
    with pytest.raises(DataError, match=r"training\.validation = 100 leaves none"):
        split_indices(100, 100, np.random.default_rng(0))
