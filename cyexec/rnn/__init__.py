"""Recurrent networks from cells: `mx.rnn`, MXNet's symbolic cells.

A cell is one time step: ``output, states = cell(input, states)``. `unroll` composes a sequence of them.

    base.py        parameters of a cell, and what all cells do
    sequence.py    a sequence as one symbol or as a list of steps
    cells.py       RNNCell, LSTMCell, GRUCell
    conv.py        their convolutional relatives
    fused.py       FusedRNNCell: a whole network as one RNN operator; `unfuse` gives the same as cells
    containers.py  SequentialRNNCell, BidirectionalCell
    modifiers.py   DropoutCell, ZoneoutCell, ResidualCell
    checkpoint.py  checkpoints with one array for each gate
    text.py        sentences as numbers, in buckets of one length

Nothing is computed here: cells compose symbols.
"""

from . import rnn_cell
from .base import BaseRNNCell, RNNParams
from .cells import GRUCell, LSTMCell, RNNCell
from .checkpoint import do_rnn_checkpoint, load_rnn_checkpoint, rnn_unroll, save_rnn_checkpoint
from .containers import BidirectionalCell, SequentialRNNCell
from .conv import BaseConvRNNCell, ConvGRUCell, ConvLSTMCell, ConvRNNCell
from .fused import FusedRNNCell
from .modifiers import DropoutCell, ModifierCell, ResidualCell, ZoneoutCell
from .text import BucketSentenceIter, encode_sentences

__all__ = [
    "BaseConvRNNCell", "BaseRNNCell", "BidirectionalCell", "BucketSentenceIter", "ConvGRUCell", "ConvLSTMCell",
    "ConvRNNCell", "DropoutCell", "FusedRNNCell", "GRUCell", "LSTMCell", "ModifierCell", "RNNCell", "RNNParams",
    "ResidualCell", "SequentialRNNCell", "ZoneoutCell", "do_rnn_checkpoint", "encode_sentences", "load_rnn_checkpoint",
    "rnn_cell", "rnn_unroll", "save_rnn_checkpoint",
]  # fmt: skip
