// SPDX-License-Identifier: Apache-2.0
package org.merganser.cka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.merganser.testing.Work.WS;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.merganser.cka.ReliabilityReport.Point;
import org.merganser.internal.Seeds;
import org.merganser.linalg.Matrix;
import org.merganser.similarity.Golden;
import org.merganser.testing.Close;
import org.merganser.testing.Oracle;
import org.w3c.dom.Document;

/** Reports of small activations whose figures were computed by another program. */
class CkaReliabilityTest {
  private static final Offset<Double> PRINTED = within(5.1e-11);

  @Test
  void theTextOfC() {
    assertThat(ofC().toText())
        .isEqualTo(
            """
            CKA reliability   n=8  X 8x3 (dPR 2.36)  Y 8x2 (dPR 1.83)   linear kernel
              biased      0.6404   95% [0.367, 0.914] jackknife     chance level 0.2973   adjusted 0.4882
              debiased    0.4850   95% [-0.013, 0.983]              p = 0.0184 (exact, 740/40320)
              influence   #2 -0.0906   #0 -0.0888   #5 +0.0722      no outlier flagged
              translate   S={0,1,2}: 0.9925 (c=1) 0.6188 (c=10) 0.2805 (c=100) -> 0.2921
              others      RBF0.5 0.818  Procrustes 0.729  RSA 0.372  kNN(3) 0.388  CCA 0.807 (0 forced)
              WARNING SMALL_SAMPLE  biased - debiased = 0.155 > 0.1: use the debiased value or more samples
              WARNING LOW_DIMENSION dPR(X) = 2.36 < 3: a few directions decide the value
            """);
  }

  @Test
  void figuresOfC() {
    ReliabilityReport report = ofC();
    assertThat(report.biased().value()).isCloseTo(0.6403567760, PRINTED);
    assertThat(report.debiased().orElseThrow().value()).isCloseTo(0.4850088392, PRINTED);
    assertThat(report.chance()).isCloseTo(0.2973441559, PRINTED);
    assertThat(report.setup().x().dimension()).isCloseTo(2.3610837741, PRINTED);
    assertThat(report.setup().y().dimension()).isCloseTo(1.8348623853, PRINTED);
    assertThat(report.significance().atLeast()).isEqualTo(740);
    assertThat(report.significance().orders()).isEqualTo(40320);
    Close.absolute(
        "biased",
        without(report.biased().value(), report.points().stream().mapToDouble(Point::influence)),
        new double[] {
          0.7291084874, 0.6149373412, 0.7309686186, 0.6400167474,
          0.6603567101, 0.5681584967, 0.6893120165, 0.6333170477
        },
        5.1e-11);
    Close.absolute(
        "debiased",
        without(
            report.debiased().orElseThrow().value(),
            report.points().stream().mapToDouble(Point::debiasedInfluence)),
        new double[] {
          0.5882871488, 0.3726363656, 0.6342083733, 0.4826897131,
          0.5154603963, 0.3333492814, 0.4940349722, 0.4187744600
        },
        5.1e-11);
    double z = 1.959963984540054;
    assertThat((report.biased().value() - report.biased().low()) / z)
        .isCloseTo(0.1394513467, PRINTED);
    assertThat((report.debiased().orElseThrow().high() - 0.4850088392) / z)
        .isCloseTo(0.2540298364, within(1e-10));
  }

  @Test
  void figuresOfA() {
    // Four samples are too few to leave one out of the unbiased estimator.
    ReliabilityReport report = run(Golden.A.x, Golden.A.y, CkaReliability::biasedOnly);
    assertThat(report.chance()).isCloseTo(0.4265288860, PRINTED);
    assertThat(report.setup().x().dimension()).isCloseTo(1.4190330008, PRINTED);
    assertThat(report.significance().p()).isEqualTo(3 / 24.0);
    Close.absolute(
        "biased",
        without(report.biased().value(), report.points().stream().mapToDouble(Point::influence)),
        new double[] {0.700827664517, 0.929254174852, 0.955907160542, 0.795659780184},
        1e-12);
    double[] influences = report.points().stream().mapToDouble(Point::influence).toArray();
    assertThat(Intervals.standardError(influences)).isCloseTo(0.1787846559, PRINTED);
  }

  @Test
  void figuresOfB() {
    ReliabilityReport report = run(Golden.B.x, Golden.B.y, asked -> asked);
    assertThat(report.chance()).isCloseTo(0.4343804088, PRINTED);
    assertThat(report.significance().p()).isEqualTo(25 / 120.0);
    assertThat(
            Intervals.standardError(
                without(0, report.points().stream().mapToDouble(Point::influence))))
        .isCloseTo(0.2661016335, PRINTED);
    Close.absolute(
        "debiased",
        without(
            report.debiased().orElseThrow().value(),
            report.points().stream().mapToDouble(Point::debiasedInfluence)),
        new double[] {
          0.739583010582, -0.266480267388, -0.014080317926, 0.592136908213, 0.969455197114
        },
        1e-12);
  }

  /** Classes are moved where the readout does not see it; the report says what that does. */
  @Test
  void classesAreMoved() {
    double[][] x = Oracle.gaussian(60, 12, 3);
    double[][] w = Oracle.gaussian(4, 12, 4);
    int[] labels = IntStream.range(0, 60).map(i -> i % 3 == 0 ? 7 : i % 3).toArray();
    try (Matrix readout = Matrix.of(w)) {
      ReliabilityReport report = run(x, x, asked -> asked.labels(labels).readout(readout));
      assertThat(report.translations())
          .extracting(ReliabilityReport.Translated::name)
          .containsExactly("class 1", "class 2", "class 7");
      ReliabilityReport.Translated curve = report.translations().get(2);
      assertThat(curve.unseen()).isTrue();
      assertThat(curve.samples()).isEqualTo(20);
      double[] v = CkaSensitivity.unseenBy(readout, Seeds.derive(WS.seed(), "cka direction"), WS);
      int[] subset = IntStream.range(0, 60).filter(i -> labels[i] == 7).toArray();
      for (ReliabilityReport.Translated.At at : curve.curve()) {
        double[][] moved = Naive.moved(x, subset, v, at.distance() * curve.unit());
        assertThat(at.value()).isCloseTo(Naive.cka(x, moved), within(1e-9));
      }
      assertThat(report.toText()).contains("translate   class 7: ").contains("(c=10r)");
    }
  }

  @Test
  void anOutlierIsFlaggedAndNamed() {
    double[][] x = Oracle.gaussian(80, 10, 5);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(10, 6, 6));
    for (int j = 0; j < 10; j++) {
      x[33][j] *= 12;
    }
    ReliabilityReport report = run(x, y, asked -> asked);
    assertThat(report.points()).filteredOn(Point::outlier).extracting(Point::index).contains(33);
    assertThat(report.removals().get(0).index()).isEqualTo(33);
    assertThat(report.removals().get(0).value())
        .isCloseTo(Naive.cka(Naive.without(x, 33), Naive.without(y, 33)), within(1e-10));
    Point point = report.points().get(33);
    assertThat(point.leverage()).isGreaterThan(0.5);
    assertThat(point.atInfinity()).isCloseTo(sensitivity(x, 33).limit(), within(1e-10));
    ReliabilityReport.Warning warning =
        report.warnings().stream().filter(w -> w.code().equals("OUTLIERS")).findFirst().get();
    assertThat(warning.sentence()).contains("#33");
    assertThat(warning.numbers()).containsKey("largest");
    assertThat(warning.remedy()).isEqualTo("look at them, and at the value without them");
  }

  @Test
  void unrelatedActivationsAreAtChance() {
    ReliabilityReport report =
        run(Oracle.gaussian(60, 5, 1), Oracle.gaussian(60, 5, 9), asked -> asked);
    assertThat(report.warnings()).extracting(ReliabilityReport.Warning::code).contains("AT_CHANCE");
    assertThat(report.significance().exact()).isFalse();
    assertThat(report.significance().orders()).isEqualTo(1000);
    assertThat(report.toText()).contains("(999 permutations)");
  }

  @Test
  void aNarrowKernelIsSaturated() {
    ReliabilityReport report =
        run(Oracle.gaussian(60, 5, 1), Oracle.gaussian(60, 5, 2), asked -> asked.rbf(0.2));
    assertThat(report.biased().value()).isGreaterThan(0.9);
    assertThat(report.warnings())
        .extracting(ReliabilityReport.Warning::code)
        .contains("RBF_SATURATED");
    assertThat(report.toText()).contains("rbf(0.2) kernel").contains("others      linear ");
  }

  /** In many directions of equal weight a short way is far: about 2 r / p^(1/4) for one half. */
  @Test
  void aFragileClassIsNamed() {
    double[][] x = Oracle.gaussian(300, 150, 8);
    int[] labels = IntStream.range(0, 300).map(i -> i % 2).toArray();
    ReliabilityReport report = run(x, x, asked -> asked.labels(labels));
    ReliabilityReport.Translated curve = report.translations().get(0);
    assertThat(curve.half()).isBetween(0.4, 0.9);
    assertThat(curve.fragile()).isTrue();
    ReliabilityReport.Warning warning =
        report.warnings().stream().filter(w -> w.code().equals("FRAGILE")).findFirst().get();
    assertThat(warning.sentence()).contains("halfway to its limit at 0.").contains("and 1 more");
    assertThat(warning.numbers()).containsEntry("count", 2.0);
  }

  @ParameterizedTest
  @EnumSource(CkaReliability.Interval.class)
  void intervalsHoldTheValueAndRepeat(CkaReliability.Interval interval) {
    double[][] x = Oracle.gaussian(60, 8, 11);
    double[][] y = Oracle.multiply(x, Oracle.gaussian(8, 4, 12));
    ReliabilityReport one = run(x, y, asked -> asked.interval(interval, 0.9).replicates(300));
    ReliabilityReport two = run(x, y, asked -> asked.interval(interval, 0.9).replicates(300));
    assertThat(two).isEqualTo(one);
    ReliabilityReport.Value debiased = one.debiased().orElseThrow();
    assertThat(debiased.low()).isLessThan(debiased.value());
    assertThat(debiased.high()).isGreaterThan(debiased.value()).isLessThanOrEqualTo(1);
    ReliabilityReport wider = run(x, y, asked -> asked.interval(interval, 0.99).replicates(300));
    assertThat(wider.debiased().orElseThrow().low()).isLessThan(debiased.low());
  }

  @Test
  void aPartIsDrawnOfManySamples() {
    double[][] x = Oracle.gaussian(50, 4, 1);
    ReliabilityReport report =
        run(
            x,
            Oracle.gaussian(50, 4, 2),
            asked ->
                asked
                    .atMost(20)
                    .labels(IntStream.range(0, 50).map(i -> i % 2).toArray())
                    .moving(IntStream.range(0, 25).toArray(), new double[] {0, 0, 0, 2}, 1));
    assertThat(report.setup().samples()).isEqualTo(20);
    assertThat(report.setup().given()).isEqualTo(50);
    assertThat(report.points()).hasSize(20);
    int[] drawn = report.points().stream().mapToInt(Point::index).toArray();
    assertThat(drawn).isSorted().doesNotHaveDuplicates();
    assertThat(IntStream.of(drawn).max().getAsInt()).isGreaterThan(20);
    double[][] part = IntStream.of(drawn).mapToObj(i -> x[i]).toArray(double[][]::new);
    int[] moved = IntStream.range(0, 20).filter(i -> drawn[i] < 25).toArray();
    double[][] other = Naive.moved(part, moved, new double[] {0, 0, 0, 2}, 1);
    assertThat(report.translations().get(0).curve().get(0).value())
        .isCloseTo(Naive.cka(part, other), within(1e-10));
    assertThat(report.toText()).contains("n=20 (drawn from 50, seed 7)");
  }

  /** Of a part of the samples CCA would be forced, which says nothing of all of them. */
  @Test
  void correlationsAreNotAskedOfTooFew() {
    double[][] x = Oracle.gaussian(1300, 600, 1);
    double[][] y = Oracle.gaussian(1300, 500, 2);
    ReliabilityReport.Opinion cca =
        run(x, y, asked -> asked.permutations(19)).opinions().stream()
            .filter(opinion -> opinion.name().equals("CCA"))
            .findFirst()
            .get();
    assertThat(cca.value()).isNaN();
    assertThat(cca.note()).startsWith("not asked: slow for 1300 samples");
  }

  @Test
  void jsonHasEverything(@TempDir Path folder) throws IOException {
    ReliabilityReport report = ofC();
    Path path = folder.resolve("report.json");
    report.toJson(path);
    String text = Files.readString(path);
    List<String> fields = new ArrayList<>();
    List<Double> influences = new ArrayList<>();
    try (JsonParser p = new JsonFactory().createParser(text)) {
      int depth = 0;
      for (JsonToken token = p.nextToken(); token != null; token = p.nextToken()) {
        depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
        if (token == JsonToken.FIELD_NAME && depth == 1) {
          fields.add(p.currentName());
        }
        if (token.isNumeric() && p.currentName().equals("influence")) {
          influences.add(p.getDoubleValue());
        }
      }
    }
    assertThat(fields)
        .containsExactly(
            "kernel",
            "samples",
            "positions",
            "given",
            "seed",
            "x",
            "y",
            "biased",
            "debiased",
            "chance",
            "adjusted",
            "p",
            "atLeast",
            "orders",
            "exact",
            "warnings",
            "translations",
            "opinions",
            "checks",
            "removals",
            "points");
    assertThat(influences).isEqualTo(report.points().stream().map(Point::influence).toList());
    assertThat(text).contains("\"code\" : \"LOW_DIMENSION\"").doesNotContain("NaN");
  }

  @Test
  void thePictureIsOne(@TempDir Path folder) throws Exception {
    Path path = folder.resolve("report.svg");
    ReliabilityReport report = run(Golden.C.x, Golden.C.y, asked -> asked);
    report.toSvg(path);
    Document svg = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(path.toFile());
    assertThat(svg.getDocumentElement().getTagName()).isEqualTo("svg");
    assertThat(svg.getElementsByTagName("polyline").getLength())
        .isEqualTo(report.translations().size());
    assertThat(svg.getElementsByTagName("circle").getLength()).isEqualTo(2);
    assertThat(svg.getDocumentElement().getTextContent())
        .contains("0.6404", "0.4850", "chance 0.297", "sample #2");
    assertThat(Files.readString(path)).doesNotContain("NaN").doesNotContain("Infinity");
  }

  private static CkaSensitivity sensitivity(double[][] x, int i) {
    try (Matrix samples = Matrix.of(x)) {
      return CkaSensitivity.of(samples, new int[] {i}, x[0], WS);
    }
  }

  private static double[] without(double value, DoubleStream influences) {
    return influences.map(influence -> value - influence).toArray();
  }

  private static ReliabilityReport ofC() {
    return run(
        Golden.C.x,
        Golden.C.y,
        asked -> asked.moving(new int[] {0, 1, 2}, new double[] {1, 0, 0}, 1, 10, 100));
  }

  private static ReliabilityReport run(
      double[][] x, double[][] y, UnaryOperator<CkaReliability> settings) {
    try (Matrix left = Matrix.of(x);
        Matrix right = Matrix.of(y)) {
      return settings.apply(CkaReliability.of(left, right)).run(WS);
    }
  }
}
