// SPDX-License-Identifier: Apache-2.0
/**
 * Symmetries of transformers: what a model is (its configuration and the names of its tensors), the
 * group of changes to its weights that leave what it computes unchanged, and how models are aligned
 * over that group. Formulas: docs/symmetries.md.
 */
package org.merganser.transformer;
