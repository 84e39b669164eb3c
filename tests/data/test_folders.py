import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from mlp_cli.data import folders
from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import DataError
from mlp_cli.images.decode import decode
from mlp_cli.images.digits import prepare


@pytest.fixture(scope="module")
def digits():
    """(images (n, 28, 28), labels) of the first 200 test images of MNIST."""
    dataset = load_dataset("test")
    return dataset.images[:200].reshape(-1, 28, 28), dataset.labels[:200]


@pytest.fixture(scope="module")
def sorted_by_class(digits, tmp_path_factory):
    """A directory with a folder per digit; two pictures are one folder deeper."""
    path = tmp_path_factory.mktemp("mine")
    for number, (image, label) in enumerate(zip(*digits, strict=True)):
        folder = path / str(label) / ("anna" if number < 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    return path


def number(picture):
    return int(os.path.basename(picture.file).removesuffix(".png"))


def test_a_folder_per_class_is_labelled_by_the_names_of_its_folders(sorted_by_class, digits):
    dataset = load_dataset("all", sorted_by_class)
    images, labels = digits
    order = [number(picture) for picture in dataset.pictures]
    assert sorted(order) == list(range(200))
    np.testing.assert_array_equal(dataset.images, images[order].reshape(-1, 784))  # MNIST images are taken as they are
    np.testing.assert_array_equal(dataset.labels, labels[order])
    assert (dataset.classes, dataset.image_shape, dataset.left_out) == (tuple("0123456789"), (28, 28), ())
    assert dataset.labels.tolist() == sorted(dataset.labels)
    columns = {number(picture): picture.columns for picture in dataset.pictures}
    assert columns[0] == {"folder": "7/anna"}
    assert columns[2] == {"folder": "1"}


def test_pictures_are_prepared_as_predict_prepares_them(tmp_path, digits):
    photo = 255 - np.pad(digits[0][0], ((30, 200), (90, 10))).repeat(3, axis=0).repeat(3, axis=1) // 2
    (tmp_path / "7").mkdir()
    Image.fromarray(photo).save(tmp_path / "7/photo.png")
    dataset = load_dataset("all", tmp_path)
    np.testing.assert_array_equal(dataset.images[0].reshape(28, 28), prepare(decode(tmp_path / "7/photo.png")).image)


def test_a_fifth_is_held_out_by_the_bytes_of_the_files_and_by_nothing_else(sorted_by_class, tmp_path):
    train, test = load_dataset("train", sorted_by_class), load_dataset("test", sorted_by_class)
    numbers = [{number(picture) for picture in part.pictures} for part in (train, test)]
    assert numbers[0] | numbers[1] == set(range(200))
    assert not numbers[0] & numbers[1]
    assert 20 <= len(test) <= 60  # 40 are expected, with a deviation of 5.7
    for picture in test.pictures:
        with open(picture.file, "rb") as file:
            assert int(hashlib.sha256(file.read()).hexdigest(), 16) / 2**256 < 0.2
    # other names in another folder, and others beside them, change nothing
    for picture in (*train.pictures, *test.pictures):
        if number(picture) < 100:
            (tmp_path / picture.label).mkdir(exist_ok=True)
            with (
                open(picture.file, "rb") as file,
                open(tmp_path / picture.label / f"{number(picture):05}.png", "wb") as to,
            ):
                to.write(file.read())
    assert {number(picture) for picture in load_dataset("test", tmp_path).pictures} == {
        n for n in numbers[1] if n < 100
    }


def test_folders_train_and_test_are_the_parts(sorted_by_class, tmp_path):
    for part, labels in (("train", "013"), ("test", "12")):
        for label in labels:
            (tmp_path / part / label).mkdir(parents=True)
            source = next((sorted_by_class / label).glob("*.png"))
            (tmp_path / part / label / "x.png").write_bytes(source.read_bytes())
    assert load_dataset("train", tmp_path).labels.tolist() == [0, 1, 3]
    test = load_dataset("test", tmp_path)
    assert (test.labels.tolist(), test.classes) == ([1, 2], ("0", "1", "2", "3"))  # the classes of both
    assert len(load_dataset("all", tmp_path)) == 5


def test_classes_stand_in_their_natural_order_or_in_that_of_the_model(tmp_path, digits):
    for name in ("10", "9", "b", "a"):
        (tmp_path / name).mkdir()
        Image.fromarray(digits[0][0]).save(tmp_path / name / "x.png")
    assert load_dataset("all", tmp_path).classes == ("9", "10", "a", "b")
    given = load_dataset("all", tmp_path, ["b", "a", "10", "9", "8"])
    assert dict(zip([picture.label for picture in given.pictures], given.labels.tolist(), strict=True)) == {
        "b": 0, "a": 1, "10": 2, "9": 3,
    }  # fmt: skip


def write_csv(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_a_csv_file_labels_the_pictures_beside_it_and_its_other_columns_are_kept(sorted_by_class, tmp_path):
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(next((sorted_by_class / "4").glob("*.png")).read_bytes())
    rows = 'hand,file,label,notes\r\nanna,one.png,4,"a, b"\r\nben,two.png, 4 ,\r\nben,two.png,,no label\r\n'
    path = write_csv(tmp_path / "list.csv", "\ufeff" + rows)
    for where in (tmp_path, path):
        dataset = load_dataset("all", where)
        assert dataset.pictures[0].columns == {"hand": "anna", "notes": "a, b"}
        assert [picture.label for picture in dataset.pictures] == ["4", "4"]
        assert dataset.pictures[1].file == str(tmp_path / "two.png")


def test_labels_csv_is_preferred_among_several_csv_files(sorted_by_class, tmp_path):
    (tmp_path / "x.png").write_bytes(next((sorted_by_class / "4").glob("*.png")).read_bytes())
    write_csv(tmp_path / "a.csv", "file,label\nx.png,1\n")
    write_csv(tmp_path / "b.csv", "file,label\nx.png,2\n")
    with pytest.raises(DataError, match=r"has several CSV files \(a.csv, b.csv\); choose one with --data .*a.csv"):
        load_dataset("all", tmp_path)
    write_csv(tmp_path / "labels.csv", "file,label\nx.png,3\n")
    assert load_dataset("all", tmp_path).classes == ("3",)


def test_what_cannot_be_used_is_left_out_with_its_reason(sorted_by_class, tmp_path):
    for name in ("0", "1", "2"):
        (tmp_path / name).mkdir()
    (tmp_path / "0/good.png").write_bytes(next((sorted_by_class / "0").glob("*.png")).read_bytes())
    (tmp_path / "0/broken.jpg").write_bytes(b"no picture")
    Image.new("L", (40, 40), 255).save(tmp_path / "1/blank.png")
    (tmp_path / "1/.hidden.png").write_bytes(b"not looked at")
    (tmp_path / "1/notes.txt").write_bytes(b"not looked at")
    dataset = load_dataset("all", tmp_path)
    assert len(dataset) == 1
    assert [(os.path.relpath(file, tmp_path), reason) for file, reason in dataset.left_out] == [
        ("0/broken.jpg", "not a picture in a format that mlp reads"),
        ("1/blank.png", "no digit found: the page is blank"),
        ("2", "has no pictures"),
    ]


def test_a_zero_byte_in_the_name_of_a_file_is_a_reason_to_leave_it_out(sorted_by_class, tmp_path):
    table = tmp_path / "table.csv"
    names = [path.resolve() for path in sorted(sorted_by_class.glob("3/*"))]
    table.write_text("\n".join(["file,label", "zero\0.png,3", *(f"{name},3" for name in names)]))
    (left_out,) = load_dataset("train", table).left_out
    assert left_out.file == f"{tmp_path}/zero\0.png"


def test_an_error_in_one_picture_leaves_the_others(sorted_by_class, monkeypatch):
    def faulty(page):
        if page.levels.mean() > 40:
            raise RuntimeError("oh")
        return prepare(page)

    monkeypatch.setattr(folders, "prepare", faulty)
    dataset = load_dataset("all", sorted_by_class)
    assert 0 < len(dataset) < 200
    assert {reason for _, reason in dataset.left_out} == {"cannot be read because of a bug in mlp: RuntimeError: oh"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"x.png": b""}, "has pictures without labels; put them into a folder per class, or list them in a CSV file"),
        ({"notes.txt": b""}, "has no pictures; put them into a folder per class"),
        ({"1/x.txt": b""}, "none of its pictures can be used; {path}/1: has no pictures"),
        ({"l.csv": b"name,class\n"}, "l.csv: its first line must name the columns file and label; it has name, class"),
        ({"l.csv": b""}, "l.csv: its first line must name the columns file and label; it has nothing"),
        ({"l.csv": b"file,label\n"}, "l.csv: has no row with a label"),
        ({"l.csv": b"file,label\n,1\n"}, "l.csv: line 2 names no file"),
        ({"l.csv": b"file,label\n\xff,1\n"}, "l.csv: not UTF-8 text; save it as CSV in UTF-8"),
        ({"l.csv": b'file,label\n"x,1\n'}, "l.csv: not CSV after line 1: unexpected end of data"),
        ({"l.csv": b"file,label\nx.png,1\n"}, "none of its pictures can be used; {path}/x.png: no such file"),
        ({"l.csv": b"file,label\nx.png,\x1b[2J\n"}, "{path}/x.png is labelled \\x1b[2J; the classes are 0, 1"),
        ({"2/x.png": b""}, "{path}/2/x.png is labelled 2; the classes are 0, 1"),
    ],
)
def test_a_folder_without_usable_pictures_is_a_one_line_error(tmp_path, files, problem):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset("all", tmp_path, None if "labelled" not in problem else ["0", "1"])
    assert problem.format(path=tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_folder_that_may_not_be_listed_gives_one_clear_line(sorted_by_class, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"cannot be listed: Permission denied$"):
        load_dataset("all", sorted_by_class)


def test_the_bar_goes_over_all_pictures(sorted_by_class):
    seen = []

    def bar(pictures, total):
        seen.append(total)
        for picture in pictures:
            seen.append(None)
            yield picture

    load_dataset("all", sorted_by_class, bar=bar)
    assert seen == [200, *[None] * 200]


def test_at_most_a_fifth_is_held_out_for_validation(sorted_by_class):
    dataset = load_dataset("all", sorted_by_class)
    for validation, expected in ((5000, 40), (10, 10)):
        train, held_out = dataset.split(validation, 0)
        assert len(held_out) == expected
        assert sorted([*train, *held_out]) == list(range(200))
