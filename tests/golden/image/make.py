"""Ask MXNet what `ImageRecordIter` makes of one image; run by MXNet's Python, writes `record_augment.json`.

Only options without chance can be asked: limits that are equal, angles that are given.
"""

import json
import os
import struct
import tempfile
import zlib

import mxnet as mx
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [
    {},
    {"resize": 10},
    {"pad": 2, "fill_value": 9},
    {"rotate": 30},
    {"rotate": 90, "fill_value": 0},
    {"min_random_scale": 0.7, "max_random_scale": 0.7},
    {"min_random_scale": 1.4, "max_random_scale": 1.4, "pad": 1},
    {"min_aspect_ratio": 1.5, "max_aspect_ratio": 1.5},
    {"min_img_size": 14.0},
    {"max_img_size": 10.0},
    {"min_crop_size": 9, "max_crop_size": 9},
    {"random_resized_crop": True},
]


def picture(height=11, width=13):
    """Smooth, so that a little difference in place makes a little one in value; red, green, blue."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 15 + y * 3, y * 20 + x, (x + y) * 8], -1).astype(np.uint8)


def png(pixels):
    """A PNG file: no library is needed for what is not compressed well."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    path = os.path.join(tempfile.mkdtemp(), "one.rec")
    writer = mx.recordio.MXRecordIO(path, "w")
    writer.write(mx.recordio.pack(mx.recordio.IRHeader(0, 0.0, 0, 0), png(picture())))
    writer.close()
    answers = []
    for options in CASES:
        images = mx.io.ImageRecordIter(path_imgrec=path, batch_size=1, data_shape=(3, 7, 8), **options)
        answers.append([options, next(iter(images)).data[0].asnumpy()[0].astype(int).tolist()])
    with open(os.path.join(HERE, "record_augment.json"), "w") as file:
        json.dump(answers, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
