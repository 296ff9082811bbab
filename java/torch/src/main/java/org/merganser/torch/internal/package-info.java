// SPDX-License-Identifier: Apache-2.0
/** The border to libtorch, which the packages of this module share: not an API. */
package org.merganser.torch.internal;
