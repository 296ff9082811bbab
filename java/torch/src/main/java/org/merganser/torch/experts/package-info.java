// SPDX-License-Identifier: Apache-2.0
/**
 * Experts: one network, trained before, fine-tuned on several tasks, in whole or by adapters of low
 * rank, for a grid of lengths or until it stops by itself; to be merged.
 */
package org.merganser.torch.experts;
