"""Sentences for language models: words as numbers, sentences in buckets of one length."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..io import DataBatch, DataDesc, DataIter
from .errors import CellError


def encode_sentences(
    sentences: Sequence[Sequence[str]],
    vocab: dict[str, int] | None = None,
    invalid_label: int = -1,
    invalid_key: str = "\n",
    start_label: int = 0,
    unknown_token: str | None = None,
) -> tuple[list[list[int]], dict[str, int]]:
    """Replace words by numbers.

    Parameters
    ----------
    sentences : list of list of str
    vocab : dict of str to int, optional
        Numbers of the words. Without it one is made: words are numbered as they come.
    invalid_label, invalid_key
        An entry for the end of a sentence; no word gets this number.
    start_label : int
        Number of the first word.
    unknown_token : str, optional
        Stands for words that `vocab` has not.

    Returns
    -------
    encoded : list of list of int
    vocab : dict of str to int

    Raises
    ------
    AssertionError
        A word that a given `vocab` has not, and no `unknown_token`.
    """
    new_vocab = vocab is None
    known = {invalid_key: invalid_label} if vocab is None else vocab
    number = start_label
    encoded = []
    for sentence in sentences:
        line = []
        for word in sentence:
            if word not in known:
                if not new_vocab and not unknown_token:
                    raise CellError(f"Unknown token {word}")
                if number == invalid_label:
                    number += 1
                if unknown_token:
                    word = unknown_token
                if word not in known:
                    known[word] = number
                    number += 1
            line.append(known[word])
        encoded.append(line)
    return encoded, known


class BucketSentenceIter(DataIter):
    """Batches of sentences of about one length; the label of a word is the next word.

    Parameters
    ----------
    sentences : list of list of int
    batch_size : int
    buckets : list of int, optional
        Lengths that sentences are filled up to; longer sentences are discarded, and so are buckets without sentences. By
        default every length that at least `batch_size` sentences have.
    invalid_label : int
        Fills sentences up, and is the label of their last word.
    data_name, label_name : str
    dtype : str
    layout : str
        NT: (batch, length), or TN: (length, batch).
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[int]],
        batch_size: int,
        buckets: Sequence[int] | None = None,
        invalid_label: int = -1,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: str = "float32",
        layout: str = "NT",
    ):
        super().__init__(batch_size)
        if buckets is None or len(buckets) == 0:
            counts = np.bincount([len(s) for s in sentences] or [0])
            buckets = [int(i) for i in np.flatnonzero(counts >= batch_size) if i > 0]
        self.buckets = sorted(buckets)
        self.data_name, self.label_name = data_name, label_name
        self.dtype, self.invalid_label, self.layout = dtype, invalid_label, layout
        self.major_axis = layout.find("N")
        if self.major_axis not in (0, 1):
            raise ValueError(f"Invalid layout {layout}: Must by NT (batch major) or TN (time major)")
        if not self.buckets:
            raise ValueError(f"no bucket is given, and no length is that of {batch_size} sentences or more")
        self.data = self._sort_in(sentences)
        if not self.buckets:
            raise ValueError("all sentences are longer than the largest bucket")
        self.default_bucket_key = max(self.buckets)
        self.provide_data = [self._describe(data_name, self.default_bucket_key)]
        self.provide_label = [self._describe(label_name, self.default_bucket_key)]
        # (bucket, first row) of each batch; rows that fill no batch are left out this epoch.
        self.idx = [
            (i, j) for i, rows in enumerate(self.data) for j in range(0, len(rows) - batch_size + 1, batch_size)
        ]
        self.curr_idx = 0
        self.nddata: list[Any] = []
        self.ndlabel: list[Any] = []
        self.reset()

    def _sort_in(self, sentences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        rows: list[list[np.ndarray]] = [[] for _ in self.buckets]
        discarded = 0
        for sentence in sentences:
            bucket = bisect_left(self.buckets, len(sentence))
            if bucket == len(self.buckets):
                discarded += 1
                continue
            row = np.full((self.buckets[bucket],), self.invalid_label, dtype=self.dtype)
            row[: len(sentence)] = sentence
            rows[bucket].append(row)
        print(f"WARNING: discarded {discarded} sentences longer than the largest bucket.")
        # The default bucket, which is bound first, is the largest that there is something of.
        self.buckets = [n for r, n in zip(rows, self.buckets) if r]
        return [np.asarray(r, dtype=self.dtype) for r in rows if r]

    def _describe(self, name: str, length: int) -> DataDesc:
        shape = (self.batch_size, length) if self.major_axis == 0 else (length, self.batch_size)
        # float32 whatever `dtype` is, as MXNet says: networks take words and labels as floats, and batches are converted.
        return DataDesc(name, shape, layout=self.layout)

    def reset(self) -> None:
        self.curr_idx = 0
        random.shuffle(self.idx)
        self.nddata, self.ndlabel = [], []
        for rows in self.data:
            np.random.shuffle(rows)  # noqa: NPY002 (users seed NumPy's global generator)
            label = np.full_like(rows, self.invalid_label)
            label[:, :-1] = rows[:, 1:]
            self.nddata.append(nd.array(rows, dtype=self.dtype))
            self.ndlabel.append(nd.array(label, dtype=self.dtype))

    def next(self) -> DataBatch:
        if self.curr_idx == len(self.idx):
            raise StopIteration
        i, j = self.idx[self.curr_idx]
        self.curr_idx += 1
        data, label = (arrays[i][j : j + self.batch_size] for arrays in (self.nddata, self.ndlabel))
        if self.major_axis == 1:
            data, label = data.T, label.T
        length = self.buckets[i]
        return DataBatch(
            [data], [label], pad=0, bucket_key=length, provide_data=[self._describe(self.data_name, length)],
            provide_label=[self._describe(self.label_name, length)],
        )  # fmt: skip
