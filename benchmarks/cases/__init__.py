"""What is timed: sections of cases, each with makers for the peers that have it.

A maker is a function of the peer's module (imported) that returns a callable; one call of it is one measured unit of work,
finished when it returns. What it returns, if anything, is an array that must agree between peers. Makers run in the peers'
own Pythons (3.8 and newer) and import nothing of theirs until called. The maker named ``mx`` serves cyexec and MXNet.
"""

from . import binding, chain, gemm, inference, memory, operators, planning, pythonthreads, recurrent, small, training

# Section name -> title, cases. In the order of the table.
SECTIONS = {
    "inference": ("Inference, batch 1, float32", inference.CASES),
    "small": ("Small graphs", small.CASES),
    "chain": ("Elementwise chain exp(-x*x)*2 + sqrt(abs(x)) - tanh(x)/3", chain.CASES),
    "lstm": ("LSTM 64 -> 128, batch 1", recurrent.CASES),
    "gemm": ("float32 matrix product", gemm.CASES),
    "threads": ("Python threads at once", pythonthreads.CASES),
    "training": ("Training step, update included", training.CASES),
    "binding": ("Bind to first output", binding.CASES),
    "memory": ("Intermediate memory", memory.CASES),
    "planning": ("Memory planning", planning.CASES),
    "operators": ("Single operators", operators.CASES),
}
ON_REQUEST = {"operators"}  # sections that run only when named
