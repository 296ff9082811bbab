// SPDX-License-Identifier: Apache-2.0
/**
 * Methods that find feature maps between networks, one file a method, and what they find.
 *
 * <p>Convention: features of one sample are a column x; T (n_ref x n_i) maps those of model i into
 * the reference's space, {@code x_hat = T x}. Output side {@code W' = T W}, {@code b' = T b}; input
 * side {@code V' = V T^-1}.
 */
package org.merganser.align;
