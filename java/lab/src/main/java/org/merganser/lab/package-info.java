// SPDX-License-Identifier: Apache-2.0
/** Data sets, published experiments, and reports about them. */
package org.merganser.lab;
