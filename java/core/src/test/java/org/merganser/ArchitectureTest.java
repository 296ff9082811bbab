// SPDX-License-Identifier: Apache-2.0
package org.merganser;

import static com.tngtech.archunit.base.DescribedPredicate.anyElementThat;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noCodeUnits;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.library.GeneralCodingRules;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.merganser.align.Aligner;
import org.merganser.compute.Backend;
import org.merganser.compute.Device;
import org.merganser.io.ShardedWriter;
import org.merganser.merge.Merger;
import org.merganser.repair.Repair;
import org.merganser.similarity.SimilarityMeasure;
import org.merganser.testing.OptionsRecords;
import org.merganser.testing.RecordArrays;
import org.merganser.testing.RunsOnce;

/** Rules as methods: surefire runs no rules that are fields. */
@RunsOnce("reads classes, computes nothing")
@AnalyzeClasses(packages = "org.merganser", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  private static final String ROOT = "org.merganser.";

  /** Public types of the packages that were there first, and of each system that came later. */
  private static final int MOST_PUBLIC_TYPES = 65;

  private static final int OF_A_SYSTEM = 8;

  private static final Set<String> FIRST =
      Set.of(
          "error", "compute", "linalg", "io", "model", "stats", "align", "merge", "repair", "plan");

  /** The table of the architecture; a package that is not in it fails {@link #layersPointDown}. */
  private static final Map<String, Integer> LAYERS =
      Map.ofEntries(
          Map.entry("error", 0),
          Map.entry("method", 0),
          Map.entry("internal", 0),
          Map.entry("internal.io", 0),
          Map.entry("internal.kernel", 0),
          Map.entry("compute", 0),
          Map.entry("linalg", 1),
          Map.entry("io", 2),
          Map.entry("activation", 2),
          Map.entry("lora", 3),
          Map.entry("model", 3),
          Map.entry("stats", 3),
          Map.entry("align", 4),
          Map.entry("merge", 4),
          Map.entry("similarity", 4),
          Map.entry("repair", 4),
          Map.entry("transformer", 3),
          Map.entry("symmetry", 4),
          Map.entry("plan", 5),
          Map.entry("cka", 5),
          Map.entry("recipe", 6));

  @ArchTest
  static void onlyTheSeamTouchesNativeCode(JavaClasses all) {
    noClasses()
        .that()
        .resideOutsideOfPackages("org.merganser.internal.kernel", "org.merganser.natives..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.merganser.natives..", "org.bytedeco..")
        .check(all);
  }

  /** What runs where is decided by the table of the backend: the code above has one form. */
  @ArchTest
  static void nothingAboveTheSeamAsksForTheBackend(JavaClasses all) {
    noClasses()
        .that()
        .resideOutsideOfPackages("org.merganser.compute", "org.merganser.internal.kernel")
        .should()
        .accessField(Backend.class, "CUDA")
        .orShould()
        .accessField(Backend.class, "CPU")
        .check(all);
  }

  /**
   * Nor for where data lie, which comes to the same: only what moves them, files and memory, and
   * the size of the tiles of a merge, on which no byte depends.
   */
  @ArchTest
  static void nothingThatComputesAsksWhereDataLie(JavaClasses all) {
    noClasses()
        .that()
        .resideOutsideOfPackages(
            "org.merganser.compute", "org.merganser.internal.kernel", "org.merganser.io")
        .and()
        .doNotHaveFullyQualifiedName("org.merganser.merge.TensorGroup")
        .should()
        .accessField(Device.class, "CUDA")
        .orShould()
        .accessField(Device.class, "HOST")
        .check(all);
  }

  /** Kernels, blocks and whatever else is no API: no public method gives it or takes it. */
  @ArchTest
  static void nothingInternalIsShown(JavaClasses all) {
    noCodeUnits()
        .that()
        .arePublic()
        .and()
        .areDeclaredInClassesThat(shown())
        .should()
        .haveRawReturnType(resideInAPackage("org.merganser.internal.."))
        .orShould()
        .haveRawParameterTypes(anyElementThat(resideInAPackage("org.merganser.internal..")))
        .check(all);
  }

  /** Public as far out as they are nested, of the packages that users see. */
  private static DescribedPredicate<JavaClass> shown() {
    return DescribedPredicate.describe(
        "are shown",
        type -> {
          boolean shown =
              !resideInAnyPackage("org.merganser.internal..", "org.merganser.natives..").test(type);
          for (JavaClass at = type; at != null; at = at.getEnclosingClass().orElse(null)) {
            shown &= at.getModifiers().contains(JavaModifier.PUBLIC);
          }
          return shown;
        });
  }

  @ArchTest
  static void layersPointDown(JavaClasses all) {
    classes()
        .that()
        .resideOutsideOfPackage("org.merganser.natives..")
        .should(pointDown())
        .check(all);
  }

  @ArchTest
  static void packagesHaveNoCycles(JavaClasses all) {
    slices().matching("org.merganser.(**)").should().beFreeOfCycles().check(all);
  }

  @ArchTest
  static void nothingNeedsADesktop(JavaClasses all) {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("java.awt..", "javax.swing..", "java.beans..", "javax.imageio..")
        .check(all);
  }

  @ArchTest
  static void nothingPrints(JavaClasses all) {
    GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(all);
  }

  @ArchTest
  static void nothingExits(JavaClasses all) {
    noClasses()
        .should()
        .callMethod(System.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "halt", int.class)
        .check(all);
  }

  @ArchTest
  static void exceptionsShareOneRoot(JavaClasses all) {
    classes()
        .that()
        .resideInAPackage("org.merganser.error")
        .and()
        .doNotHaveSimpleName("package-info")
        .should()
        .beAssignableTo(org.merganser.error.MerganserException.class)
        .check(all);
  }

  /**
   * The bound grows by a rule, not by hand: a new package (a system, with a line in {@link
   * #LAYERS}) brings {@link #OF_A_SYSTEM} types. Methods are not counted, since another aligner,
   * merger, repair or measure is no burden to who reads the API; their options and results are
   * nested in them. What only our modules use goes to {@code internal}.
   */
  @ArchTest
  static void theApiIsSmall(JavaClasses all) {
    List<String> types =
        all.stream()
            .filter(c -> c.getModifiers().contains(JavaModifier.PUBLIC))
            .filter(JavaClass::isTopLevelClass)
            .filter(c -> !c.getPackageName().startsWith("org.merganser.internal"))
            .filter(c -> !c.getPackageName().startsWith("org.merganser.natives"))
            .filter(c -> c.isInterface() || !isMethod(c))
            .map(JavaClass::getName)
            .sorted()
            .toList();
    long systems =
        types.stream()
            .map(type -> type.substring(ROOT.length(), type.lastIndexOf('.')))
            .filter(name -> !FIRST.contains(name))
            .distinct()
            .count();
    assertThat(types)
        .hasSizeLessThanOrEqualTo(Math.toIntExact(MOST_PUBLIC_TYPES + OF_A_SYSTEM * systems))
        .hasSizeGreaterThan(20);
  }

  @ArchTest
  static void recordsKeepTheirArraysToThemselves(JavaClasses all) {
    assertThat(RecordArrays.exposed(all)).isEmpty();
  }

  @ArchTest
  static void optionsAreSetOneByOne(JavaClasses all) {
    List<Class<?>> options = OptionsRecords.in(all);
    assertThat(options).hasSizeGreaterThan(40);
    assertThat(OptionsRecords.withoutDefaults(options)).isEmpty();
    // A part is one of so many: both are set at once.
    assertThat(OptionsRecords.missingWays(options))
        .containsExactly(ShardedWriter.Options.class.getName() + ".withParts");
  }

  private static boolean isMethod(JavaClass type) {
    return Stream.of(Aligner.class, Merger.class, Repair.class, SimilarityMeasure.class)
        .anyMatch(type::isAssignableTo);
  }

  private static ArchCondition<JavaClass> pointDown() {
    return new ArchCondition<>("depend only on lower layers, or on a package of layer 0 or 3") {
      @Override
      public void check(JavaClass origin, ConditionEvents events) {
        String from = origin.getPackageName().substring(ROOT.length());
        if (!LAYERS.containsKey(from)) {
          events.add(SimpleConditionEvent.violated(origin, from + " is in no layer"));
          return;
        }
        for (Dependency dependency : origin.getDirectDependenciesFromSelf()) {
          String target = dependency.getTargetClass().getBaseComponentType().getPackageName();
          boolean ours = target.startsWith(ROOT) && !target.startsWith(ROOT + "natives");
          String to = ours ? target.substring(ROOT.length()) : from;
          if (!to.equals(from) && !allowed(from, to)) {
            events.add(SimpleConditionEvent.violated(origin, dependency.getDescription()));
          }
        }
      }
    };
  }

  /** Layers 0 and 3 have packages that serve each other; the rule against cycles orders them. */
  private static boolean allowed(String from, String to) {
    int origin = LAYERS.get(from);
    int target = LAYERS.getOrDefault(to, Integer.MAX_VALUE);
    return target < origin || target == origin && (origin == 0 || origin == 3);
  }
}
