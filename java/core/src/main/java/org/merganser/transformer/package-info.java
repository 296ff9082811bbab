// SPDX-License-Identifier: Apache-2.0
/**
 * What a transformer is: its configuration, as files of models have it, and its tensors under
 * canonical names, whatever they are called and however they lie in a file.
 */
package org.merganser.transformer;
