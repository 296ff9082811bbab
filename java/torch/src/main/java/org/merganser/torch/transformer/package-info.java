// SPDX-License-Identifier: Apache-2.0
/**
 * Transformers through libtorch: forward passes on canonical checkpoints with taps, losses and
 * gradients, perplexity and scores of text, training of small decoders, token ids.
 */
package org.merganser.torch.transformer;
