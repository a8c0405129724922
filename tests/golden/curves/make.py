"""Write MXNet's loss curves: run with its Python; writes curves.json beside this file.

Beside each curve stands how far MXNet is from itself when the inputs are moved by 1e-6: networks of many
rectified layers are ill-conditioned, and no two libraries can be nearer to each other than that.
"""

import importlib.util
import json
import os

import mxnet as mx

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("curves", os.path.join(HERE, "curves.py"))
curves = importlib.util.module_from_spec(spec)
spec.loader.exec_module(curves)

answers = {}
for network in curves.NETWORKS:
    for optimizer in curves.OPTIMIZERS:
        plain = [float(v) for v in curves.losses(mx, network, optimizer)]
        moved = [[float(v) for v in curves.losses(mx, network, optimizer, by)] for by in (1e-6, -1e-6)]
        spread = [max(abs(m[i] - v) for m in moved) for i, v in enumerate(plain)]
        answers[network + " " + optimizer] = {"losses": plain, "spread": spread}
with open(os.path.join(HERE, "curves.json"), "w") as out:
    json.dump(answers, out, indent=1, sort_keys=True)
    out.write("\n")
