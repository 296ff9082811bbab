// SPDX-License-Identifier: Apache-2.0
/** Merges as recipes describe them, in mergekit's terms: read, checked, planned, written. */
package org.merganser.recipe;
