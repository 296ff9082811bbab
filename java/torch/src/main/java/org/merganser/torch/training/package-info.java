// SPDX-License-Identifier: Apache-2.0
/**
 * Training from scratch: optimisers, schedules of the learning rate, protocols; several models at
 * once, kept under the hash of what they depend on.
 */
package org.merganser.torch.training;
