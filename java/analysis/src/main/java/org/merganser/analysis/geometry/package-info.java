// SPDX-License-Identifier: Apache-2.0

/**
 * Distances between samples from their Gram matrix, and what shows them in the plane: PHATE,
 * multidimensional scaling.
 */
package org.merganser.analysis.geometry;
