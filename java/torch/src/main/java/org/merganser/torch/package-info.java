// SPDX-License-Identifier: Apache-2.0
/**
 * Networks described once, as a tree of layers, run and trained through libtorch. From the one
 * description follow parameter names and shapes, the functional forward pass, the taps and the
 * {@link org.merganser.model.Architecture}.
 */
package org.merganser.torch;
