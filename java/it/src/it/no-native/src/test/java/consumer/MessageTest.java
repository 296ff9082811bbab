// SPDX-License-Identifier: Apache-2.0
package consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.merganser.compute.Workspace;
import org.merganser.error.NativeLibraryException;

/** One message, at every use, that says what to add. */
class MessageTest {
  @Test
  void saysWhatToAdd() {
    for (int attempt = 0; attempt < 2; attempt++) {
      NativeLibraryException e = assertThrows(NativeLibraryException.class, Workspace::open);
      assertEquals(
          "cannot load the native library of Merganser on linux-x86_64: not on the class path:"
              + " org.merganser:merganser-native:"
              + System.getProperty("merganser.version")
              + " with classifier linux-x86_64; add it as a dependency (a build tool that drops"
              + " classifiers, or a shaded jar without native resources, loses it)",
          e.getMessage());
    }
  }
}
