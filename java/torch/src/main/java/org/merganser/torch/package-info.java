// SPDX-License-Identifier: Apache-2.0
/**
 * Networks described once, as a tree of {@link org.merganser.torch.layers layers}, run and {@link
 * org.merganser.torch.training trained} through libtorch. From the one description follow parameter
 * names and shapes, the functional forward pass, the taps and the {@link
 * org.merganser.model.Architecture}.
 */
package org.merganser.torch;
