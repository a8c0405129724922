"""Build the extension modules.

A kernel family is one file, ``cyexec/kernels/NAME.pxi``. Its first lines say what it is built for::

    # levels: base v2 v3 v4
    # dtypes: f32 f64
    # base-dtypes: i32 i64        built at the base level only; optional
    # flags: -ffp-contract=off    further compiler flags; optional

The dtype "any" builds one module for all: the class looks at its operands' dtypes itself.

For each level and dtype a stub that defines ``real`` and includes the family is written under ``build/levels`` and
compiled with the level's flags to ``cyexec/kernels/_NAME_DTYPE_LEVEL``. `cyexec.kernels.levels` picks one at import.
``CYEXEC_LEVELS="base v3"`` builds only these levels (for work on the library; a release has all of them).
"""

import os
import platform
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("cyexec/kernels")
STUBS = Path("build/levels")
SHARED = "cyexec.kernels._memoryview"  # Cython writes its source: memoryview code compiled once for all modules

LEVELS = {
    "base": [],
    "v2": ["-march=x86-64-v2"],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
REALS = {
    "f32": "float", "f64": "double", "i8": "signed char", "u8": "unsigned char", "i32": "int", "i64": "long long",
    "b1": "unsigned char", "b2": "unsigned short", "b4": "unsigned int", "b8": "unsigned long long",
    "any": "unsigned char",
}  # fmt: skip
# Neither flag changes a result: they let the compiler vectorise around errno and floating-point traps.
FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fno-plt", "-Wno-unused-function", "-Wno-unknown-pragmas"]
if os.environ.get("CYEXEC_DEBUG"):
    FLAGS = ["-O1", "-g", "-fno-math-errno", "-fno-trapping-math"]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": bool(os.environ.get("CYEXEC_DEBUG")),
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": False,
    "freethreading_compatible": False,
}


def wanted_levels() -> list[str]:
    """Levels to build here: all on x86-64, the base alone elsewhere."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["base"]
    chosen = os.environ.get("CYEXEC_LEVELS", " ".join(LEVELS)).replace(",", " ").split()
    return [level for level in LEVELS if level in chosen or level == "base"]


def header(path: Path, key: str, required: bool = True) -> list[str]:
    """Words after ``# key:`` among the first lines of a kernel family."""
    for line in path.read_text().splitlines()[:8]:
        if line.startswith(f"# {key}:"):
            return line.split(":", 1)[1].split()
    if required:
        raise SystemExit(f"{path}: no '# {key}:' line at its top")
    return []


def used_headers(path: Path) -> set[Path]:
    """Headers of ours that a source names, directly or through another: what must change for it to be compiled again."""
    found: set[Path] = set()
    waiting = [path, KERNELS / "step.pxd"]
    while waiting:
        text = waiting.pop().read_text()
        for header_path in KERNELS.glob("*.h"):
            if header_path not in found and f'"{header_path.name}"' in text:
                found.add(header_path)
                waiting.append(header_path)
    return found


def write_if_changed(path: Path, text: str) -> None:
    """Keep the time stamp of an unchanged stub, so that nothing is compiled again for it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def family_extensions() -> list[Extension]:
    """One extension for each kernel family, dtype and level."""
    STUBS.mkdir(parents=True, exist_ok=True)
    extensions = []
    for path in sorted(KERNELS.glob("*.pxi")):
        families_levels, dtypes = header(path, "levels"), header(path, "dtypes")
        base_dtypes, flags = header(path, "base-dtypes", False), header(path, "flags", False)
        for dtype in dtypes + base_dtypes:
            for level in [lv for lv in wanted_levels() if lv == "base" or lv in families_levels and dtype in dtypes]:
                name = f"_{path.stem}_{dtype}_{level}"
                stub = STUBS / f"{name}.pyx"
                constants = "".join(f"    IS_{d.upper()} = {int(d == dtype)}\n" for d in REALS)
                constants += f"    IS_FLOATING = {int(dtype[0] == 'f')}\n"
                write_if_changed(
                    stub,
                    f"ctypedef {REALS[dtype]} real\ncdef enum:\n{constants}\n"
                    f'include "{os.path.relpath(path, STUBS)}"\n',
                )
                extensions.append(
                    Extension(
                        f"cyexec.kernels.{name}",
                        [str(stub)],
                        include_dirs=[str(KERNELS)],
                        define_macros=[("REAL", REALS[dtype]), (f"REAL_IS_{dtype.upper()}", "1")],
                        extra_compile_args=FLAGS + flags + LEVELS[level],
                        depends=sorted(str(h) for h in used_headers(path)),
                    )
                )
    return extensions


def plain_extensions() -> list[Extension]:
    """Modules that are not levelled: built once, for the base."""
    extensions = [Extension(SHARED, [], extra_compile_args=["-O2"])]
    sources = [*Path("cyexec").rglob("*.pyx"), *Path("planner").rglob("*.pyx")]
    for path in sorted(sources):
        name = ".".join(path.with_suffix("").parts)
        openmp = ["-fopenmp"] if "prange" in path.read_text() or "parallel" in path.read_text() else []
        extensions.append(
            Extension(
                name,
                [str(path)],
                include_dirs=[str(KERNELS), numpy.get_include()],
                extra_compile_args=FLAGS + openmp,
                extra_link_args=openmp,
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
                depends=sorted(str(h) for h in used_headers(path)),
            )
        )
    return extensions


class ParallelBuild(build_ext):
    """build_ext that uses every core."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


setup(
    ext_modules=cythonize(
        plain_extensions() + family_extensions(),
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        build_dir="build/cython",
        nthreads=0,
        show_all_warnings=False,
    ),
    cmdclass={"build_ext": ParallelBuild},
)
