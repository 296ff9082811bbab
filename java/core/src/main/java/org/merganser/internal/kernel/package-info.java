// SPDX-License-Identifier: Apache-2.0
/**
 * The native seam; not an API. The only package that touches {@code org.merganser.natives} and
 * JavaCPP: everything above speaks of blocks, sizes and type codes.
 */
package org.merganser.internal.kernel;
