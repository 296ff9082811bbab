// SPDX-License-Identifier: Apache-2.0
/**
 * Symmetries of transformers: the group of changes to the weights that leave what a model computes
 * unchanged, and how models are aligned over that group. Formulas: docs/symmetries.md.
 */
package org.merganser.symmetry;
