"""ImageIter and ImageRecordIter: order, labels, crops, threads, errors.

Images are stored as plain numbers, which the fixture teaches the decoder to read: no image library is needed. The last test
uses one, where it is installed.
"""

import struct

import numpy as np
import pytest

import cyexec as mx
from cyexec import codec
from cyexec.recordio import IRHeader, MXIndexedRecordIO, MXRecordIO, pack

COUNT = 7


def picture(number):
    """Blue, green, red: different for every image, of different heights."""
    return np.random.default_rng(number).integers(0, 256, (12 + number, 16, 3), np.uint8)


def encoded(pixels):
    return struct.pack("<4s3H", b"nums", *pixels.shape) + pixels.tobytes()


@pytest.fixture(autouse=True)
def plain_files(monkeypatch):
    def decode(content, flag=1):
        if content[:4] != b"nums":
            raise mx.MXNetError("Decoding failed. Invalid image file.")
        pixels = np.frombuffer(content, np.uint8, offset=10).reshape(struct.unpack("<3H", content[4:10]))
        return pixels if flag else pixels.mean(2).astype(np.uint8)

    monkeypatch.setattr(codec, "decode", decode)


@pytest.fixture
def folder(tmp_path):
    writer = MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w")
    plain = MXRecordIO(tmp_path / "two.rec", "w")
    for i in range(COUNT):
        writer.write_idx(i, pack(IRHeader(0, i * 1.5, 10 + i, 0), encoded(picture(i))))
        plain.write(pack(IRHeader(0, [i, -i], i, 0), encoded(picture(i))))
        (tmp_path / f"{i}.img").write_bytes(encoded(picture(i)))
    writer.close()
    plain.close()
    (tmp_path / "a.lst").write_text("".join(f"{i}\t{i * 2.5}\t{i}.img\n" for i in range(COUNT)))
    return tmp_path


def center(number, height=10, width=8):
    """The middle of an image as a batch has it: red first, channels first."""
    pixels = picture(number)
    y, x = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[y : y + height, x : x + width, ::-1].transpose(2, 0, 1)


def labels(batches):
    return [b.label[0].asnumpy().tolist() for b in batches]


def record_iter(folder, **kwargs):
    defaults = dict(path_imgrec=str(folder / "a.rec"), data_shape=(3, 10, 8), batch_size=3)
    return mx.io.ImageRecordIter(**{**defaults, **kwargs})


def image_iter(folder, **kwargs):
    return mx.image.ImageIter(**{**dict(batch_size=3, data_shape=(3, 10, 8)), **kwargs})


def test_record_iter_gives_every_image_and_goes_round(folder):
    it = record_iter(folder)
    assert isinstance(it, mx.io.MXDataIter)
    assert [tuple(d) for d in (*it.provide_data, *it.provide_label)] == [
        ("data", (3, 3, 10, 8)),
        ("softmax_label", (3,)),
    ]
    batches = list(it)
    assert labels(batches) == [[0, 1.5, 3], [4.5, 6, 7.5], [9, 0, 1.5]]
    assert [b.pad for b in batches] == [0, 0, 2]
    assert [b.index.tolist() for b in batches] == [[10, 11, 12], [13, 14, 15], [16, 10, 11]]
    for i, number in enumerate([0, 1, 2, 3, 4, 5, 6, 0, 1]):
        np.testing.assert_array_equal(batches[i // 3].data[0].asnumpy()[i % 3], center(number))
    it.reset()
    assert labels(it) == [[3, 4.5, 6], [7.5, 9, 0]]


def test_record_iter_normalises(folder):
    kwargs = dict(mean_r=100, mean_g=110, mean_b=120, std_r=2, std_g=3, std_b=4, scale=0.5)
    found = record_iter(folder, **kwargs).next().data[0].asnumpy()[1]
    mean, std = (np.array(v).reshape(3, 1, 1) for v in ([100, 110, 120], [2, 3, 4]))
    np.testing.assert_allclose(found, (center(1) - mean) * 0.5 / std, rtol=1e-6)


def test_record_iter_subtracts_a_mean_image(folder):
    mx.nd.save(str(folder / "mean.nd"), {"mean_img": mx.nd.full((3, 10, 8), 7)})
    found = record_iter(folder, mean_img=str(folder / "mean.nd")).next().data[0].asnumpy()[0]
    np.testing.assert_array_equal(found, center(0).astype(np.float32) - 7)
    with pytest.raises(mx.MXNetError, match="is no mean image of shape"):
        record_iter(folder, data_shape=(3, 9, 8), mean_img=str(folder / "mean.nd"))


def test_record_iter_makes_a_mean_image_that_is_not_there(folder):
    path = folder / "made.nd"
    wanted = np.mean([center(i).astype(np.float64) for i in range(COUNT)], axis=0)
    first = record_iter(folder, mean_img=str(path), scale=0.5).next().data[0].asnumpy()[0]
    np.testing.assert_allclose(mx.nd.load(str(path))["mean_img"].asnumpy(), wanted, rtol=1e-6)
    np.testing.assert_allclose(first, (center(0) - wanted) * 0.5, rtol=1e-4, atol=1e-4)
    again = record_iter(folder, mean_img=str(path), scale=0.5).next().data[0].asnumpy()[0]
    np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("threads", [1, 4])
def test_record_iter_shuffles_and_crops_from_its_seed_whatever_the_threads(folder, threads):
    kwargs = dict(shuffle=True, rand_crop=True, rand_mirror=True, round_batch=False)

    def epochs(**more):
        it = record_iter(folder, **kwargs, **more)
        found = []
        for _ in range(2):
            found.append([(b.data[0].asnumpy().tolist(), b.label[0].asnumpy().tolist()) for b in it])
            it.reset()
        return found

    first = epochs(seed=5, preprocess_threads=threads)
    assert first == epochs(seed=5, preprocess_threads=2)
    assert first[0] != first[1]
    assert first != epochs(seed=6)
    seen = sorted(sum((label for _, label in first[0]), [])[:COUNT])
    assert seen == [i * 1.5 for i in range(COUNT)]


def test_record_iter_mirrors(folder):
    found = record_iter(folder, mirror=True).next().data[0].asnumpy()[0]
    np.testing.assert_array_equal(found, center(0)[:, :, ::-1])


def test_record_iter_takes_parts_and_labels_of_lists(folder):
    parts = [labels(record_iter(folder, num_parts=3, part_index=i, batch_size=1, round_batch=False)) for i in range(3)]
    assert sum(sum(parts, []), []) == [i * 1.5 for i in range(COUNT)]
    (folder / "b.lst").write_text("".join(f"{10 + i}\t{i * 7}\tx\n" for i in range(COUNT)))
    assert labels(record_iter(folder, path_imglist=str(folder / "b.lst")))[0] == [0, 7, 14]
    two = record_iter(folder, path_imgrec=str(folder / "two.rec"), label_width=2)
    assert labels(two)[1] == [[3, -3], [4, -4], [5, -5]]
    indexed = record_iter(folder, path_imgidx=str(folder / "a.idx"))
    assert labels(indexed)[0] == [0, 1.5, 3]


def test_record_iter_scales_images_that_are_too_small(folder):
    found = record_iter(folder, data_shape=(3, 24, 16)).next()
    assert found.data[0].shape == (3, 3, 24, 16)
    grey = record_iter(folder, data_shape=(1, 10, 8)).next().data[0].asnumpy()
    assert grey.shape == (3, 1, 10, 8)


def test_record_iter_as_bytes(folder):
    it = mx.io.ImageRecordUInt8Iter(path_imgrec=str(folder / "a.rec"), data_shape=(3, 10, 8), batch_size=2)
    batch = it.next()
    assert batch.data[0].dtype == np.uint8 and batch.label[0].dtype == np.float32
    np.testing.assert_array_equal(batch.data[0].asnumpy()[1], center(1))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(random_resized_crop=True, rand_crop=True), "random_resized_crop excludes rand_crop"),
        (dict(min_crop_size=9, max_crop_size=5), "min_crop_size=9 and max_crop_size=5"),
        (dict(min_random_scale=1.5), "min_random_scale=1.5 and max_random_scale=1.0"),
        (dict(data_shape=(1, 10, 8), random_h=9), "random_h are for images of 3 channels"),
        (dict(colour=1), "Cannot find argument 'colour'"),
        (dict(data_shape=(10, 8)), "data_shape is"),
        (dict(part_index=2, num_parts=2), "part_index=2"),
        (dict(path_imgrec="none.rec"), "none.rec"),
    ],
)
def test_record_iter_refuses(folder, kwargs, message):
    with pytest.raises(mx.MXNetError, match=message):
        record_iter(folder, **kwargs)


def test_record_iter_names_the_image_at_fault(folder):
    with pytest.raises(mx.MXNetError, match="image 0 has 2 labels, but label_width is set to 1"):
        record_iter(folder, path_imgrec=str(folder / "two.rec")).next()
    writer = MXRecordIO(folder / "broken.rec", "w")
    writer.write(pack(IRHeader(0, 1, 42, 0), b"no image"))
    writer.close()
    with pytest.raises(mx.MXNetError, match="broken.rec: image 42: Decoding failed"):
        record_iter(folder, path_imgrec=str(folder / "broken.rec")).next()


def test_image_iter_over_records_and_lists(folder):
    rec = image_iter(folder, path_imgrec=str(folder / "a.rec"))
    assert labels(rec) == [[0, 1.5, 3], [4.5, 6, 7.5], [9, 0, 1.5]]
    rec.reset()
    np.testing.assert_array_equal(rec.next().data[0].asnumpy()[2], center(2))
    lst = image_iter(folder, path_imglist=str(folder / "a.lst"), path_root=str(folder), last_batch_handle="discard")
    assert labels(lst) == [[0, 2.5, 5], [7.5, 10, 12.5]]
    both = image_iter(folder, path_imglist=str(folder / "a.lst"), path_imgrec=str(folder / "a.rec"),
                      path_imgidx=str(folder / "a.idx"))  # fmt: skip
    assert labels(both)[0] == [0, 2.5, 5]
    own = image_iter(folder, imglist=[[1, "0.img"], [[2], "1.img"]], path_root=str(folder))
    assert labels(own) == [[1, 2, 1]]
    part = image_iter(folder, path_imgrec=str(folder / "a.rec"), path_imgidx=str(folder / "a.idx"), num_parts=2, part_index=1)
    assert labels(part) == [[4.5, 6, 7.5]]


def test_image_iter_rolls_over(folder):
    it = image_iter(folder, path_imgrec=str(folder / "two.rec"), label_width=2, last_batch_handle="roll_over")
    epochs = []
    for _ in range(3):
        epochs.append([(b.label[0].asnumpy()[:, 0].tolist(), b.pad) for b in it])
        it.reset()
    assert epochs == [
        [([0, 1, 2], 0), ([3, 4, 5], 0)],
        [([6, 0, 1], 2), ([2, 3, 4], 0)],
        [([5, 6, 0], 1), ([1, 2, 3], 0), ([4, 5, 6], 0)],
    ]


def test_image_iter_shuffles(folder):
    it = image_iter(folder, path_imgrec=str(folder / "a.rec"), path_imgidx=str(folder / "a.idx"), shuffle=True, batch_size=7)
    first = labels(it)[0]
    it.reset()
    second = labels(it)[0]
    assert sorted(first) == sorted(second) == [i * 1.5 for i in range(COUNT)]
    assert first != second or first != sorted(first)


def test_image_iter_refuses(folder):
    with pytest.raises(AssertionError, match="needs path_imgrec"):
        image_iter(folder)
    with pytest.raises(AssertionError, match="need path_imgidx"):
        image_iter(folder, path_imgrec=str(folder / "a.rec"), shuffle=True)
    with pytest.raises(ValueError, match="3 channels"):
        image_iter(folder, path_imgrec=str(folder / "a.rec"), data_shape=(1, 2, 2))
    (folder / "bad.lst").write_text("0\tx\n1\tone\t0.img\n")
    with pytest.raises(mx.MXNetError, match=r"bad\.lst, line 2"):
        image_iter(folder, path_imglist=str(folder / "bad.lst"))


def boxes_of(number):
    return [[k, 0.1 * k, 0.2, 0.5 + 0.1 * k, 0.75] for k in range(1 + number % 3)]


@pytest.fixture
def det_folder(folder):
    writer = MXIndexedRecordIO(folder / "d.idx", folder / "d.rec", "w")
    for i in range(COUNT):
        label = [3, 5, 99, *np.ravel(boxes_of(i))]
        writer.write_idx(i, pack(IRHeader(0, label, i, 0), encoded(picture(i))))
    writer.close()
    return folder


def det_iter(folder, **kwargs):
    return mx.image.ImageDetIter(3, (3, 10, 8), path_imgrec=str(folder / "d.rec"), inter_method=1, **kwargs)


def test_det_iter_gives_boxes(det_folder):
    it = det_iter(det_folder)
    assert it.label_shape == (3, 5) and it.provide_label == [("label", (3, 3, 5))]
    batches = list(it)
    assert [b.pad for b in batches] == [0, 0, 2]
    for i in range(COUNT):
        found = batches[i // 3].label[0].asnumpy()[i % 3]
        np.testing.assert_allclose(found[: 1 + i % 3], boxes_of(i), rtol=1e-6)
        assert (found[1 + i % 3 :] == -1).all()
    assert batches[0].data[0].shape == (3, 3, 10, 8)
    assert [b.pad for b in det_iter(det_folder, last_batch_handle="discard")] == [0, 0]


def test_det_iter_flips_boxes_with_images(det_folder):
    plain, flipped = det_iter(det_folder), det_iter(det_folder, aug_list=[
        mx.image.DetBorrowAug(mx.image.ForceResizeAug((8, 10), 1)), mx.image.DetHorizontalFlipAug(1.0),
    ])  # fmt: skip
    one, other = plain.next(), flipped.next()
    np.testing.assert_array_equal(one.data[0].asnumpy()[..., ::-1], other.data[0].asnumpy())
    used = one.label[0].asnumpy()[0, 0]
    np.testing.assert_allclose(other.label[0].asnumpy()[0, 0], [used[0], 1 - used[3], used[2], 1 - used[1], used[4]])


def test_det_iter_shares_the_shape_of_labels(det_folder):
    it, other = det_iter(det_folder), det_iter(det_folder)
    other.reshape(label_shape=(7, 5))
    assert it.sync_label_shape(other) is other
    assert it.label_shape == other.label_shape == (7, 5)
    assert it.next().label[0].shape == (3, 7, 5)
    with pytest.raises(ValueError, match="reduce label count from 7 to 1"):
        it.reshape(label_shape=(1, 5))
    with pytest.raises(ValueError, match="object width inconsistent: 5 vs 6"):
        it.reshape(label_shape=(9, 6))
    with pytest.raises(AssertionError, match="expected an ImageDetIter"):
        it.sync_label_shape(3)


def test_det_iter_refuses_labels_without_boxes(folder):
    with pytest.raises(RuntimeError, match="Label shape is invalid"):
        mx.image.ImageDetIter(3, (3, 10, 8), path_imgrec=str(folder / "a.rec"))
    writer = MXRecordIO(folder / "odd.rec", "w")
    writer.write(pack(IRHeader(0, [2, 5, 0, 0.1, 0.1, 0.2, 0.2, 7], 0, 0), encoded(picture(0))))
    writer.close()
    with pytest.raises(RuntimeError, match="inconsistent with annotation width 5"):
        mx.image.ImageDetIter(3, (3, 10, 8), path_imgrec=str(folder / "odd.rec"))


def test_det_iter_leaves_out_what_has_lost_its_boxes(det_folder):
    class Lose(mx.image.DetAugmenter):
        def __call__(self, src, label):
            return src, label[:0] if len(label) == 1 else label

    it = det_iter(det_folder, aug_list=[Lose(), mx.image.DetBorrowAug(mx.image.ForceResizeAug((8, 10), 1))])
    kept = [i for i in range(COUNT) if i % 3]
    first = it.next().label[0].asnumpy()
    assert [(row[:, 0] >= 0).sum() for row in first] == [1 + i % 3 for i in kept[:3]]


def det_record_iter(folder, **kwargs):
    defaults = dict(path_imgrec=str(folder / "d.rec"), data_shape=(3, 10, 8), batch_size=3)
    return mx.io.ImageDetRecordIter(**{**defaults, **kwargs})


def test_det_record_iter_gives_labels_as_ssd_reads_them(det_folder):
    it = det_record_iter(det_folder, label_pad_width=20, label_pad_value=-2)
    assert it.provide_label == [("softmax_label", (3, 24))]
    rows = np.concatenate([b.label[0].asnumpy() for b in it])[:COUNT]
    for i, row in enumerate(rows):
        count = 3 + 5 * (1 + i % 3)
        assert row[:7].tolist() == [3, 10, 8, count, 3, 5, 99]
        np.testing.assert_allclose(row[7 : 4 + count].reshape(-1, 5), boxes_of(i), rtol=1e-6)
        assert (row[4 + count :] == -2).all()
    assert det_record_iter(det_folder).next().label[0].shape == (3, 4 + 3 + 15)


def test_det_record_iter_fits_images_into_a_black_frame(det_folder):
    it = det_record_iter(det_folder, resize_mode="shrink", data_shape=(3, 30, 32), mean_r=1, std_r=2, std_g=0, batch_size=1)
    batch = it.next()
    data = batch.data[0].asnumpy()[0]
    assert batch.label[0].asnumpy()[0, :3].tolist() == [3, 12, 16]
    np.testing.assert_array_equal(data[1, :12, :16], picture(0)[..., 1])
    np.testing.assert_array_equal(data[0, :12, :16], (picture(0)[..., 2] - 1.0) / 2)
    assert (data[0, 12:] == -0.5).all() and (data[1, :, 16:] == 0).all()


@pytest.mark.parametrize("threads", [1, 4])
def test_det_record_iter_takes_its_chances_from_the_seed(det_folder, threads):
    options = dict(rand_crop_prob=0.5, rand_pad_prob=0.5, max_pad_scale=2, rand_mirror_prob=0.5, min_crop_scales=0.5)
    one, other = det_record_iter(det_folder, **options), det_record_iter(det_folder, preprocess_threads=threads, **options)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a.data[0].asnumpy(), b.data[0].asnumpy())
        np.testing.assert_array_equal(a.label[0].asnumpy(), b.label[0].asnumpy())


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(resize_mode="squeeze"), "resize_mode='squeeze'; expected one of force, fit, shrink"),
        (dict(min_crop_scales=(0.1, 0.2)), "min_crop_scales has 2 values, but num_crop_sampler=1"),
        (dict(label_pad_width=9), "label of 13 numbers, label_pad_width: 9 is smaller"),
        (dict(path_imgrec="a.rec"), "image 10 has a label of 1 numbers"),
        (dict(rand_crop=True), "Cannot find argument 'rand_crop'"),
    ],
)
def test_det_record_iter_refuses(det_folder, kwargs, message):
    if "path_imgrec" in kwargs:
        kwargs = dict(path_imgrec=str(det_folder / kwargs["path_imgrec"]))
    with pytest.raises(mx.MXNetError, match=message):
        list(det_record_iter(det_folder, **kwargs))


def test_a_users_own_iterator_of_face_pictures(folder):
    """As InsightFace's: a DataIter over an indexed record file that crops, flips and fills batches by itself."""

    class FaceImageIter(mx.io.DataIter):
        def __init__(self, batch_size, data_shape, idx, rec):
            super().__init__()
            self.imgrec = MXIndexedRecordIO(idx, rec, "r")
            self.seq = list(self.imgrec.keys)
            self.batch_size, self.data_shape = batch_size, data_shape
            self.provide_data = [("data", (batch_size, *data_shape))]
            self.provide_label = [("softmax_label", (batch_size,))]
            self.cur = 0

        def reset(self):
            self.cur = 0

        def next(self):
            data = mx.nd.empty((self.batch_size, *self.data_shape))
            label = mx.nd.empty((self.batch_size,))
            if self.cur + self.batch_size > len(self.seq):
                raise StopIteration
            for i in range(self.batch_size):
                header, content = mx.recordio.unpack(self.imgrec.read_idx(self.seq[self.cur]))
                image = mx.image.center_crop(mx.image.imdecode(content), (8, 10))[0]
                image = mx.ndarray.flip(data=image, axis=1)
                data[i][:] = mx.nd.transpose(image, axes=(2, 0, 1))
                label[i][:] = header.label
                self.cur += 1
            return mx.io.DataBatch([data], [label], 0)

    it = FaceImageIter(3, (3, 10, 8), str(folder / "a.idx"), str(folder / "a.rec"))
    batches = list(mx.io.PrefetchingIter(it))
    assert labels(batches) == [[0, 1.5, 3], [4.5, 6, 7.5]]
    np.testing.assert_array_equal(batches[1].data[0].asnumpy()[0], center(3)[:, :, ::-1])


def test_real_images(tmp_path, monkeypatch):
    pil = pytest.importorskip("PIL.Image")
    monkeypatch.undo()
    smooth = np.linspace(0, 255, 20 * 30 * 3).reshape(20, 30, 3).astype(np.uint8)
    for name in ("a.png", "a.jpg"):
        pil.fromarray(smooth).save(tmp_path / name)
        found = mx.image.imread(str(tmp_path / name)).asnumpy()
        np.testing.assert_allclose(found.astype(int), smooth, atol=3 if name == "a.jpg" else 0)
        grey = mx.image.imread(str(tmp_path / name), flag=0)
        assert grey.shape == (20, 30, 1)
    assert mx.image.imread(str(tmp_path / "a.png"), to_rgb=False).asnumpy()[3, 4].tolist() == smooth[3, 4, ::-1].tolist()
    with pytest.raises(mx.MXNetError, match="Invalid image file"):
        mx.image.imdecode(b"nothing")
    with pytest.raises(mx.MXNetError, match="empty buffer"):
        mx.image.imdecode(b"")
    with pytest.raises(mx.MXNetError, match="No such file"):
        mx.image.imread(str(tmp_path / "none.png"))
