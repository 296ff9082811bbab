// SPDX-License-Identifier: Apache-2.0

/**
 * What CKA is worth: its change under translation, the reliability of a value, and maps of layers
 * that are moved to a target.
 */
package org.merganser.cka;
