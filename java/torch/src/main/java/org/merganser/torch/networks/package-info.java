// SPDX-License-Identifier: Apache-2.0
/** Networks of the literature, with the parameter names of torchvision. */
package org.merganser.torch.networks;
