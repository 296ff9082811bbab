// SPDX-License-Identifier: Apache-2.0
/**
 * How alike two representations are: measures on activations of the same samples, one file each,
 * and grids of them.
 */
package org.merganser.similarity;
