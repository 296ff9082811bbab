// SPDX-License-Identifier: Apache-2.0
/**
 * Vanilla recurrent networks whose units may learn their own shape: forward passes with the states
 * of every step, back-propagation through time, training, tasks of sequences. See {@link
 * org.merganser.torch.recurrent.VanillaRnn}.
 */
package org.merganser.torch.recurrent;
