// SPDX-License-Identifier: Apache-2.0
package org.merganser.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.merganser.error.FormatException;
import org.merganser.model.Binding.Block;

class ArchitectureFileTest {
  @TempDir Path folder;

  @Test
  void whatIsWrittenIsReadBack() throws IOException {
    Architecture.Builder builder = Architecture.builder().counter("bn.num_batches_tracked");
    for (MapFamily family : MapFamily.values()) {
      Architecture.Builder unused = builder;
      for (Role role : Role.values()) {
        unused.space(
            family + "-" + role,
            3,
            family,
            Binding.of("w" + role, 0, role),
            new Binding("v\"\u00e9", 2, role, new Block(7, 25)),
            new Binding("v\"\u00e9", 3, role, new Block(7, 25, 26)));
      }
    }
    Architecture architecture = builder.build();
    Path file = folder.resolve("architecture.json");
    architecture.write(file);
    Architecture read = Architecture.read(file);
    assertThat(read).isEqualTo(architecture).hasSameHashCodeAs(architecture);
    assertThat(read.toJson()).isEqualTo(architecture.toJson());
    assertThat(read.spaces()).containsExactlyElementsOf(architecture.spaces());
  }

  @Test
  void theDocumentedForm() throws IOException {
    Architecture architecture =
        Architecture.fromJson(
            "doc",
            """
            {"spaces": [{"id": "fc1", "width": 64, "exact": "scaled-permutation", "bindings": [
               {"tensor": "fc1.weight", "axis": 0, "role": "weight-out"},
               {"tensor": "fc1.bias",   "axis": 0, "role": "bias"},
               {"tensor": "fc2.weight", "axis": 1, "role": "weight-in", "offset": 0, "repeat": 1}]}],
             "counters": []}
            """);
    assertThat(architecture.space("fc1").symmetry()).isEqualTo(MapFamily.SCALED_PERMUTATION);
    assertThat(architecture.bindings("fc2.weight").get(0).binding())
        .isEqualTo(Binding.of("fc2.weight", 1, Role.WEIGHT_IN));
    assertThat(architecture.bindings("unknown")).isEmpty();
  }

  static Stream<Arguments> mistakes() {
    String binding = "{'tensor':'w','axis':0,'role':'bias'}";
    return Stream.of(
        Arguments.of("[]", "1:1: the file is START_ARRAY, expected START_OBJECT"),
        Arguments.of("{'space':[]}", "1:2: unknown field 'space'; known: spaces, counters"),
        Arguments.of("{'spaces':{}}", "1:11: 'spaces' is START_OBJECT, expected START_ARRAY"),
        Arguments.of(
            "{'counters':[1]}", "1:14: 'counter' is VALUE_NUMBER_INT, expected VALUE_STRING"),
        Arguments.of(
            "{'spaces':[\n {'id':'a','width':2.5}]}",
            "2:20: 'width' is VALUE_NUMBER_FLOAT, expected VALUE_NUMBER_INT"),
        Arguments.of(
            "{'spaces':[\n {'id':'a','width':2,'exact':'any'}]}",
            "2:30: 'exact' is 'any'; it must be one of [fixed, permutation,"
                + " signed-permutation, scaled-permutation, monomial, centred-orthogonal,"
                + " orthogonal, any-linear]"),
        Arguments.of(
            "{'spaces':[\n\n {'id':'a','width':2,'size':3}]}",
            "3:29: unknown field 'size'; known: id, width, exact, feature-axis, bindings"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'bindings':[{'tensor':'w','axis':-4294967296,"
                + "'role':'bias'}]}]}",
            "1:90: binding needs a tensor name and axis >= 0, not 'w' and -1"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2}]}",
            "1:31: a space needs 'id', 'width' and at least one of 'bindings'"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'bindings':[{'tensor':'w','axis':0}]}]}",
            "1:66: a binding needs 'tensor', 'axis' and 'role'"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'bindings':[{'tensor':'w','role':'bias'}]}]}",
            "1:71: binding needs a tensor name and axis >= 0, not 'w' and -1"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':-2,'bindings':[" + binding + "]}]}",
            "1:83: space 'a' has width -2"),
        Arguments.of(
            "{'spaces':[{'id':'../a','width':2,'bindings':[" + binding + "]}]}",
            "1:85: space id '../a' must be a plain file name"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'bindings':["
                + binding
                + "]},\n{'id':'a','width':2,'bindings':["
                + binding
                + "]}]}",
            "2:71: space 'a' is given twice"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'bindings':[{'tensor':'w','axis':0,'role':'bias',"
                + "'repeat':3,'stride':2}]}]}",
            "1:102: block of stride 2 has features of 3 entries: they overlap"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'bindings':[{'tensor':'w','axis':0,'stride':0}]}]}",
            "1:76: 'stride' is 0, it must be at least 1"),
        Arguments.of(
            "{'spaces':[{'id':'a','width':2,'feature-axis':0,'bindings':[" + binding + "]}]}",
            "1:99: space 'a' has its features on axis 0, which is that of the samples"),
        Arguments.of("{} {}", "1:4: there is text after the closing brace"));
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void mistakesAreNamedWithLineAndColumn(String json, String message) {
    assertThatThrownBy(() -> Architecture.fromJson("arch.json", json.replace('\'', '"')))
        .isInstanceOf(FormatException.class)
        .hasMessage("arch.json:" + message);
  }

  /** The parser gives no place for what is beyond its limits. */
  @Test
  void aNumberOfMoreDigitsThanAreRead() {
    String json = "{\"spaces\":[{\"id\":\"a\",\"width\":" + "9".repeat(1001) + "}]}";
    assertThatThrownBy(() -> Architecture.fromJson("arch.json", json))
        .isInstanceOf(FormatException.class)
        .hasMessageMatching("arch\\.json: Number value length \\(1001\\) exceeds .*");
  }

  @Test
  void textThatIsNoJson() {
    for (String json :
        new String[] {
          "",
          "{",
          "{\"spaces\":[}",
          "{\"spaces\":[],\"spaces\":[]}",
          "{\"spaces\":[{\"id\":\"a\",\"width\":99999999999999999999}]}",
          "nonsense",
          "{} x"
        }) {
      assertThatThrownBy(() -> Architecture.fromJson("arch.json", json))
          .as(json)
          .isInstanceOf(FormatException.class)
          .hasMessageMatching("(?s)arch\\.json:\\d+:\\d+: .*");
    }
  }
}
