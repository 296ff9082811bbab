// SPDX-License-Identifier: Apache-2.0
/** Training from scratch: optimisers, schedules of the learning rate, protocols. */
package org.merganser.torch.training;
