"""Write the parameters and shapes of every visible operator's cases, for `make.py`.

Runs under cyexec's Python: ``python -m tests.golden.debug_text.export CASES.json``.
"""

from __future__ import annotations

import json
import sys

from cyexec.ops import registry
from tests.golden.export_cases import attributes
from tests.ops import harness

MOST_INPUTS = 5


def main(path: str) -> None:
    found = []
    for op in registry.all_ops():
        seen = set()
        for case in op.cases if not op.hidden else ():
            attrs = attributes(op, case)
            params = op.params.parse(case.params, op.name)
            arrays = harness.case_inputs(op, case, case.dtypes[0])
            key = json.dumps(attrs, sort_keys=True)
            if key in seen or any(0 in a.shape for a in arrays) or len(arrays) > MOST_INPUTS:
                continue
            seen.add(key)
            found.append(
                {
                    "op": op.name,
                    "attrs": attrs,
                    "args": len(op.arg_names(params)),
                    "aux": len(op.aux_names(params)),
                    "outputs": op.num_visible(params),
                    "shapes": [list(a.shape) for a in arrays],
                    "dtypes": [a.dtype.name for a in arrays],
                }
            )
    with open(path, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
