// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import static com.tngtech.archunit.base.DescribedPredicate.anyElementThat;
import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.name;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noCodeUnits;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.library.GeneralCodingRules;
import java.util.List;
import java.util.Map;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Libtorch;

/** Rules as methods: surefire runs no rules that are fields. */
@AnalyzeClasses(
    packages = "org.merganser.torch",
    importOptions = ImportOption.DoNotIncludeTests.class)
class TorchArchitectureTest {
  private static final String ROOT = "org.merganser.torch";
  private static final String INTERNAL = ROOT + ".internal..";

  /** Public types of the packages that were there first, and of each system that came later. */
  private static final int MOST_PUBLIC_TYPES = 31;

  private static final int OF_A_SYSTEM = 8;
  private static final List<String> SYSTEMS =
      List.of(".similarity", ".transformer", ".recurrent", ".experts");

  /** A package depends only on lower ones; layers are described without libtorch's memory. */
  private static final Map<String, Integer> LAYERS =
      Map.ofEntries(
          Map.entry("", 1),
          Map.entry(".internal", 0),
          Map.entry(".layers", 0),
          Map.entry(".networks", 2),
          Map.entry(".internal.session", 2),
          Map.entry(".training", 3),
          Map.entry(".objective", 4),
          Map.entry(".similarity", 4),
          Map.entry(".transformer", 4),
          Map.entry(".recurrent", 4),
          Map.entry(".experts", 4));

  @ArchTest
  static void layersPointDown(JavaClasses all) {
    List<String> upward =
        all.stream()
            .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
            .filter(TorchArchitectureTest::pointsUp)
            .map(Dependency::getDescription)
            .toList();
    assertThat(upward).isEmpty();
    assertThat(all.stream().map(type -> packageOf(type)).distinct())
        .containsExactlyInAnyOrderElementsOf(LAYERS.keySet());
  }

  private static boolean pointsUp(Dependency dependency) {
    String from = packageOf(dependency.getOriginClass());
    JavaClass target = dependency.getTargetClass().getBaseComponentType();
    return target.getPackageName().startsWith(ROOT)
        && !packageOf(target).equals(from)
        && LAYERS.get(packageOf(target)) >= LAYERS.get(from);
  }

  private static String packageOf(JavaClass type) {
    return type.getPackageName().substring(ROOT.length());
  }

  @ArchTest
  static void packagesHaveNoCycles(JavaClasses all) {
    slices().matching("org.merganser.(**)").should().beFreeOfCycles().check(all);
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
  static void nothingInternalIsShown(JavaClasses all) {
    noCodeUnits()
        .that()
        .arePublic()
        .and()
        .areDeclaredInClassesThat()
        .resideOutsideOfPackage(INTERNAL)
        .and()
        .areDeclaredInClassesThat()
        .arePublic()
        .should()
        .haveRawReturnType(resideInAPackage("org.merganser..internal.."))
        .orShould()
        .haveRawParameterTypes(anyElementThat(resideInAPackage("org.merganser..internal..")))
        .check(all);
  }

  /** The gate of BLAS and the number of threads belong to a call; see {@link Libtorch#call}. */
  @ArchTest
  static void onlyLibtorchSetsItsThreads(JavaClasses all) {
    noClasses()
        .that()
        .doNotBelongToAnyOf(Libtorch.class)
        .should()
        .callMethod("org.bytedeco.pytorch.global.torch", "set_num_threads", "int")
        .check(all);
  }

  /** So that what is made lies where the data are, whatever device that is. */
  @ArchTest
  static void onlyTheBridgeMakesTensors(JavaClasses all) {
    noClasses()
        .that()
        .doNotBelongToAnyOf(Bridge.class)
        .should()
        .callMethodWhere(
            target(owner(name("org.bytedeco.pytorch.global.torch")))
                .and(
                    target(
                        nameMatching("tensor|from_blob|zeros|ones|empty|full|eye|arange|rand.*"))))
        .check(all);
  }

  @ArchTest
  static void theApiIsSmall(JavaClasses all) {
    List<JavaClass> shown =
        all.stream()
            .filter(JavaClass::isTopLevelClass)
            .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
            .filter(type -> !type.getPackageName().startsWith(ROOT + ".internal"))
            .toList();
    for (String system : SYSTEMS) {
      assertThat(shown.stream().filter(type -> packageOf(type).equals(system)))
          .as(system)
          .hasSizeBetween(1, OF_A_SYSTEM);
    }
    assertThat(shown.stream().filter(type -> !SYSTEMS.contains(packageOf(type))))
        .hasSizeBetween(20, MOST_PUBLIC_TYPES);
  }
}
