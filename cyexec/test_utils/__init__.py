"""What tests of symbols and operators need: ``mx.test_utils``.

`compare.py` says whether arrays agree, `generate.py` makes random ones, `check.py` compares a symbol with what its outputs and
gradients should be, `environment.py` has contexts, retries and data sets. Sparse arrays and Gluon are not part of it.
"""

from .check import (
    check_consistency,
    check_numeric_gradient,
    check_speed,
    check_symbolic_backward,
    check_symbolic_forward,
    compare_optimizer,
    numeric_grad,
    simple_forward,
)
from .compare import (
    almost_equal,
    assert_allclose,
    assert_almost_equal,
    assert_almost_equal_ignore_nan,
    assert_almost_equal_with_err,
    assert_exception,
    compare_ndarray_tuple,
    default_atols,
    default_numeric_eps,
    default_rtols,
    effective_dtype,
    get_atol,
    get_etol,
    get_rtol,
    get_tolerance,
    get_tols,
    same,
    same_array,
    same_symbol_structure,
)
from .environment import (
    DummyIter,
    default_context,
    default_dtype,
    discard_stderr,
    download,
    environment,
    get_mnist,
    get_mnist_iterator,
    get_mnist_ubyte,
    list_gpus,
    retry,
    set_default_context,
)
from .generate import (
    assign_each,
    assign_each2,
    collapse_sum_like,
    create_2d_tensor,
    create_vector,
    mean_check,
    np_reduce,
    rand_coord_2d,
    rand_ndarray,
    rand_shape_2d,
    rand_shape_3d,
    rand_shape_nd,
    random_arrays,
    random_sample,
    random_uniform_arrays,
    var_check,
)

__all__ = [
    "DummyIter", "almost_equal", "assert_allclose", "assert_almost_equal", "assert_almost_equal_ignore_nan",
    "assert_almost_equal_with_err", "assert_exception", "assign_each", "assign_each2", "check_consistency",
    "check_numeric_gradient", "check_speed", "check_symbolic_backward", "check_symbolic_forward", "collapse_sum_like",
    "compare_ndarray_tuple", "compare_optimizer", "create_2d_tensor", "create_vector", "default_atols", "default_context",
    "default_dtype", "default_numeric_eps", "default_rtols", "discard_stderr", "download", "effective_dtype",
    "environment", "get_atol", "get_etol", "get_mnist", "get_mnist_iterator", "get_mnist_ubyte", "get_rtol",
    "get_tolerance", "get_tols", "list_gpus", "mean_check", "np_reduce", "numeric_grad", "rand_coord_2d", "rand_ndarray",
    "rand_shape_2d", "rand_shape_3d", "rand_shape_nd", "random_arrays", "random_sample", "random_uniform_arrays", "retry",
    "same", "same_array", "same_symbol_structure", "set_default_context", "simple_forward", "var_check",
]  # fmt: skip
