"""`.npz` files that are the same bytes whenever they hold the same arrays. Runs under MXNet's Python 3.8 too."""

import zipfile

import numpy as np


def write(path, **arrays):
    """Write arrays under their names. ``np.savez`` would put the time of day into the file."""
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(name + ".npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            with file.open(info, "w") as member:
                np.lib.format.write_array(member, array)
