// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.merganser.internal.kernel.Block;
import org.merganser.internal.kernel.JavaCppLimit;

/** What commands may know of the library, of the process they run in, and of each other. */
class CliArchitectureTest {
  private static final JavaClasses ALL =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("org.merganser");

  private static final JavaClasses CLI = ALL.that(resideInAPackage("org.merganser.cli"));

  /** The only place that sees all modules at once. */
  @Test
  void packagesOfAllModulesHaveNoCycles() {
    slices().matching("org.merganser.(**)").should().beFreeOfCycles().check(ALL);
  }

  @Test
  void libtorchAndBindingsStayBehindTheirBorders() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "org.bytedeco..", "org.merganser.natives..", "org.merganser.torch.internal..")
        .check(CLI);
  }

  /** Of the native seam: the memory of an array file, and how much of it there may be. */
  @Test
  void kernelsAreCalledByTheLibrary() {
    noClasses()
        .should()
        .dependOnClassesThat(
            resideInAPackage("org.merganser.internal.kernel")
                .and(JavaClass.Predicates.belongToAnyOf(Block.class, JavaCppLimit.class).negate()))
        .check(CLI);
  }

  /** What two commands share has a class of its own. */
  @Test
  void commandsDoNotKnowEachOther() {
    List<String> found =
        CLI.stream()
            .filter(type -> !command(type).isEmpty())
            .flatMap(type -> type.getDirectDependenciesFromSelf().stream())
            .filter(dependency -> CLI.contain(target(dependency).getName()))
            .filter(dependency -> !command(target(dependency)).isEmpty())
            .filter(
                dependency ->
                    !command(target(dependency)).equals(command(dependency.getOriginClass())))
            .map(Dependency::getDescription)
            .toList();
    assertThat(found).isEmpty();
    assertThat(CLI.stream().map(CliArchitectureTest::command).distinct()).hasSizeGreaterThan(15);
  }

  private static JavaClass target(Dependency dependency) {
    return dependency.getTargetClass().getBaseComponentType();
  }

  /** The command that a class is, or is nested in; empty for others. */
  private static String command(JavaClass type) {
    String top = type.getName().replaceFirst("\\$.*", "");
    return top.endsWith("Command") ? top : "";
  }

  /** Output goes to the writers a command is given, so that all of it can be tested and escaped. */
  @Test
  void onlyProgressPrints() {
    noClasses()
        .that()
        .doNotBelongToAnyOf(ConsoleProgress.class)
        .should(ACCESS_STANDARD_STREAMS)
        .check(CLI);
  }

  @Test
  void onlyMainExits() {
    noClasses()
        .that()
        .doNotBelongToAnyOf(Main.class)
        .should()
        .callMethod(System.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "exit", int.class)
        .orShould()
        .callMethod(Runtime.class, "halt", int.class)
        .check(CLI);
  }
}
