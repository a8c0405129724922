"""Compute the coefficients in ``cyexec/kernels/elementwise_math.h``.

Each is the polynomial that interpolates a function at Chebyshev nodes, in 60 digits: within a factor of 2 or so of the
best one, and reproducible. Needs mpmath. Run: ``python tools/fit_polynomials.py``.
"""

from mpmath import atan, chop, cos, erfc, exp, linspace, log, lu_solve, matrix, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 60


def fit(name, f, low, high, degree):
    """Print the coefficients of `f` on [low, high], constant term first, and the largest error on a grid."""
    low, high = mpf(low), mpf(high)
    count = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * cos(pi * (2 * k + 1) / (2 * count)) for k in range(count)]
    rows = matrix([[x**i for i in range(count)] for x in nodes])
    coefficients = list(lu_solve(rows, matrix([f(x) for x in nodes])))
    grid = [x for x in linspace(low, high, 301) if abs(x) > mpf(10) ** -12]
    error = max(abs(sum(c * x**i for i, c in enumerate(coefficients)) - f(x)) for x in grid)
    print(f"{name} on [{float(low):.4g}, {float(high):.4g}], error {float(error):.2g}")
    print("    " + ", ".join(repr(float(chop(c))) for c in coefficients))


def exp_tail(x):
    """(exp(x) - 1 - x) / x^2; by its series near 0, where the difference cancels."""
    return (exp(x) - 1 - x) / x**2 if abs(x) > mpf(10) ** -15 else mpf(1) / 2 + x / 6


def main() -> None:
    h = log(2) / 2 * mpf("1.01")
    fit("(exp(x) - 1 - x) / x^2, float", exp_tail, -h, h, 4)
    fit("(exp(x) - 1 - x) / x^2, double", exp_tail, -h, h, 10)
    low, high = sqrt(mpf(1) / 2) - 1 - mpf("0.001"), sqrt(mpf(2)) - 1 + mpf("0.001")
    fit("(log(1 + x) - x + x^2/2) / x^3, float", lambda x: (log(1 + x) - x + x**2 / 2) / x**3, low, high, 8)
    z = mpf("0.0297")  # ((sqrt(2) - 1) / (sqrt(2) + 1))^2, rounded up
    fit("(log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, double",
        lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z, 0, z, 6)
    fit("(tanh(x) / x - 1) / z, z = x^2, float", lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, 0, mpf("0.391"), 4)
    fit("erf(x) / x, z = x^2, float", lambda z: (1 - erfc(sqrt(z))) / sqrt(z), 0, mpf("0.82"), 6)
    fit("-log(erfc(x)) - x^2, float", lambda x: -log(erfc(x)) - x * x, mpf("0.9"), mpf("4.1"), 8)
    q = (pi / 4 * mpf("1.01")) ** 2
    fit("(sin(x) / x - 1) / z, z = x^2, double", lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, 0, q, 4)
    fit("(cos(x) - 1 + z / 2) / z^2, z = x^2, double", lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, 0, q, 4)
    t = (sqrt(mpf(2)) - 1) ** 2 * mpf("1.001")
    fit("(atan(x) / x - 1) / z, z = x^2, double", lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, 0, t, 9)


if __name__ == "__main__":
    main()
