// SPDX-License-Identifier: Apache-2.0
/**
 * What a network is (its feature spaces and the parameters bound to them) and what it can compute.
 * Nothing here knows how networks are run; {@code merganser-torch} and users do.
 */
package org.merganser.model;
