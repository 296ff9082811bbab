// SPDX-License-Identifier: Apache-2.0
/**
 * The layers that networks are described with, and what a tree of them amounts to.
 *
 * <p>Traps of libtorch 2.10 here: convolutions go through {@code BlockedConvolution} and nowhere
 * else. {@code lstm} uses oneDNN as they do, and was wrong by 17 % on the same machines; before a
 * recurrent layer is added it needs the same care. Products of matrices do not go through oneDNN.
 */
package org.merganser.torch.layers;
