// SPDX-License-Identifier: Apache-2.0
/**
 * Matrices, tensors and the solvers everything else is built from. Row-major, off the heap, sizes
 * in {@code long}.
 */
package org.merganser.linalg;
