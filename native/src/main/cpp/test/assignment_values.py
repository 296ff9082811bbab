#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes assignment_values.h, or with --csv the same for the Java tests: optima found by scipy.optimize.linear_sum_assignment for the families and sizes of
assignment_test.cpp, whose inputs come from the same linear congruence. Needs numpy and scipy; not part of the build.

    python3 native/src/main/cpp/test/assignment_values.py > native/src/main/cpp/test/assignment_values.h
    python3 native/src/main/cpp/test/assignment_values.py --csv > java/core/src/test/resources/fixtures/assignment.csv
"""
import math
import sys

import numpy
import scipy
from scipy.optimize import linear_sum_assignment

FAMILIES = ["uniform", "planted", "low rank", "integers 0..9", "integers 0..n-1", "rank one", "euclidean", "constant",
            "zero blocks", "huge offset"]
SIZES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 257]
MASK = (1 << 64) - 1


def matrix(family, n):
    state = (n * 1000003 + 17) & MASK

    def drawn():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        return (state >> 11) * 2.0 ** -53

    a = [drawn() for _ in range(4 * n)]
    b = [drawn() for _ in range(4 * n)]
    cost = numpy.empty((n, n))
    for i in range(n):
        for j in range(n):
            r = drawn()
            c = r
            if family == "planted":
                c = r - (5 if j == (7 * i + 3) % n else 0)
            elif family == "low rank":
                c = 0.0
                for l in range(4):
                    c -= (a[4 * i + l] - 0.5) * (b[4 * j + l] - 0.5)
            elif family == "integers 0..9":
                c = math.floor(10 * r)
            elif family == "integers 0..n-1":
                c = math.floor(n * r)
            elif family == "rank one":
                c = a[i] * b[j]
            elif family == "euclidean":
                x, y = a[2 * i] - b[2 * j], a[2 * i + 1] - b[2 * j + 1]
                c = math.sqrt(x * x + y * y)
            elif family == "constant":
                c = 3.25
            elif family == "zero blocks":
                c = 0.0 if i < n // 3 or j < n // 3 else r
            elif family == "huge offset":
                c = 1e6 + 1e-3 * r
            cost[i, j] = c
    return cost


def values():
    for family in FAMILIES:
        for n in SIZES:
            cost = matrix(family, n)
            rows, columns = linear_sum_assignment(cost)
            yield family, n, math.fsum(cost[rows, columns])


if sys.argv[1:] == ["--csv"]:
    print(f"# family,n,least sum found by scipy {scipy.__version__}; written by assignment_values.py")
    for family, n, value in values():
        print(f"{family},{n},{value!r}")
    sys.exit()

print("// SPDX-License-Identifier: Apache-2.0")
print(f"// Written by assignment_values.py with scipy {scipy.__version__}: least sums.")
print("#pragma once\n\n#include <cstdint>\n\nstruct ScipyValue {\n  const char* family;\n  int64_t n;\n  double value;\n};\n")
print("constexpr ScipyValue kScipyValues[] = {")
for family, n, value in values():
    print(f'    {{"{family}", {n}, {value!r}}},')
print("};")
