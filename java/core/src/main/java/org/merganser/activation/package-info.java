// SPDX-License-Identifier: Apache-2.0
/** Activation functions whose shape is learned with the weights. */
package org.merganser.activation;
