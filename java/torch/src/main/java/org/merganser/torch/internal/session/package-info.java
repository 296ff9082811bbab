// SPDX-License-Identifier: Apache-2.0
/** What training, fine-tuning and the objective have in common: not an API. */
package org.merganser.torch.internal.session;
