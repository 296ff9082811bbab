// SPDX-License-Identifier: Apache-2.0
/**
 * Networks described once, as a tree of layers, run and trained through libtorch. From the one
 * description follow parameter names and shapes, the functional forward pass, the taps and the
 * {@link org.merganser.model.Architecture}.
 *
 * <p>Traps of libtorch 2.10 here: convolutions go through {@code BlockedConvolution} and nowhere
 * else. {@code lstm} uses oneDNN as they do, and was wrong by 17 % on the same machines; before a
 * recurrent layer is added it needs the same care. Products of matrices do not go through oneDNN.
 */
package org.merganser.torch;
