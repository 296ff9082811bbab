// SPDX-License-Identifier: Apache-2.0
package org.merganser.internal.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.merganser.natives.global.merganser;

/** The enums of the API cross by the names of the header. */
class CodesTest {
  @ParameterizedTest
  @CsvSource({
    "compute.DType, MG_, 4",
    "compute.Backend, MG_BACKEND_, 2",
    "compute.Device, MG_DEVICE_, 2",
    "stats.Precision, MG_MOMENTS_, 4",
    "stats.NonFinite, MG_NONFINITE_, 2"
  })
  void enumsHaveTheCodesOfTheHeader(String type, String prefix, int shared) throws Exception {
    Class<?> found = Class.forName("org.merganser." + type);
    Method code = found.getDeclaredMethod("code");
    code.setAccessible(true);
    int checked = 0;
    for (Object each : found.getEnumConstants()) {
      String name = prefix + ((Enum<?>) each).name();
      if (has(name)) {
        assertThat(code.invoke(each)).as(name).isEqualTo(header(name));
        checked++;
      }
    }
    assertThat(checked).isEqualTo(shared);
  }

  private static boolean has(String name) {
    try {
      header(name);
      return true;
    } catch (ReflectiveOperationException e) {
      return false;
    }
  }

  private static int header(String name) throws ReflectiveOperationException {
    return merganser.class.getField(name).getInt(null);
  }
}
