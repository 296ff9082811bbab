// SPDX-License-Identifier: Apache-2.0
/**
 * Streaming moments of paired activations: collected once, saved, merged across machines, used by
 * every aligner. Sums are centred: {@code M2 = sum (x - mean)(x - mean)^T}; a covariance is {@code
 * M2 / n}.
 */
package org.merganser.stats;
