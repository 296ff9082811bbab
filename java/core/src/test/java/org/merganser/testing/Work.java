// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import org.merganser.compute.Workspace;

/**
 * One Workspace for the tests, which run on one thread. Two engines run a test class one after the
 * other, so neither may close it for the other.
 */
public final class Work {
  public static final Workspace WS = Workspace.builder().threads(2).seed(7).open();

  private Work() {}
}
