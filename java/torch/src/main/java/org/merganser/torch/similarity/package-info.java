// SPDX-License-Identifier: Apache-2.0
/** What similarity measures say, changed on purpose: the CKA map of a network as a target. */
package org.merganser.torch.similarity;
