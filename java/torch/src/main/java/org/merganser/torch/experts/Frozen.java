// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch.experts;

import java.util.Collection;
import java.util.List;
import org.merganser.internal.Names;
import org.merganser.torch.TorchNetwork;

/** Parameters that stay as they are, by their names or those of what they are parts of. */
record Frozen(List<String> names) {
  /**
   * @param what the names are of, for the message
   * @throws IllegalArgumentException when the network has nothing of a name
   */
  void check(String what, TorchNetwork network) {
    for (String name : names) {
      if (network.learned().stream().noneMatch(parameter -> covers(name, parameter))) {
        throw new IllegalArgumentException(
            what
                + " "
                + Names.quote(name)
                + ": the network has neither a parameter nor a layer of that name; "
                + Names.instead(name, owners(network)));
      }
    }
  }

  private static Collection<String> owners(TorchNetwork network) {
    return network.learned().stream()
        .map(name -> name.contains(".") ? name.substring(0, name.lastIndexOf('.')) : name)
        .distinct()
        .toList();
  }

  boolean contains(String parameter) {
    return names.stream().anyMatch(name -> covers(name, parameter));
  }

  private static boolean covers(String name, String parameter) {
    return parameter.equals(name) || parameter.startsWith(name + ".");
  }
}
