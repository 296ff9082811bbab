// SPDX-License-Identifier: Apache-2.0
/**
 * How alike two representations are: measures on activations of the same samples, one file each,
 * and how far their values can be trusted.
 */
package org.merganser.similarity;
