// SPDX-License-Identifier: Apache-2.0

/** Recurrent networks step by step: exponents, fixed points, geometry of their representations. */
package org.merganser.analysis.recurrent;
