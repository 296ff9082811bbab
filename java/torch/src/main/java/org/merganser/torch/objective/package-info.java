// SPDX-License-Identifier: Apache-2.0
/**
 * The loss of a network as an {@link org.merganser.model.Objective}, which NP Merge lowers, and
 * fine-tuning by the same batches.
 */
package org.merganser.torch.objective;
