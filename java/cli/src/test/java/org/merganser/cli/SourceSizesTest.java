// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Classes of at most 400 lines, methods of at most 60: the rule, and what it finds. */
class SourceSizesTest {
  private static final Path ROOT =
      Path.of(System.getProperty("merganser.root", "../..")).toAbsolutePath().normalize();

  /** All that is written here, tests too; bindings are generated. */
  @Test
  void noTypeAndNoMethodOfTheRepositoryIsTooLong() throws IOException {
    List<String> found = new ArrayList<>();
    int files = 0;
    try (StandardJavaFileManager manager =
        ToolProvider.getSystemJavaCompiler().getStandardFileManager(null, null, null)) {
      for (Path folder : folders()) {
        List<Path> sources = sources(folder);
        assertThat(sources).as(folder.toString()).isNotEmpty();
        files += sources.size();
        found.addAll(SourceSizes.over(manager.getJavaFileObjectsFromPaths(sources)));
      }
    }
    assertThat(files).isGreaterThan(1000);
    assertThat(found).isEmpty();
  }

  private static List<Path> folders() throws IOException {
    List<Path> folders = new ArrayList<>();
    try (DirectoryStream<Path> modules = Files.newDirectoryStream(ROOT.resolve("java"))) {
      for (Path module : modules) {
        if (Files.isDirectory(module.resolve("src"))) {
          folders.add(module.resolve("src"));
        }
      }
    }
    folders.add(ROOT.resolve("benchmarks/src"));
    folders.add(ROOT.resolve("native/src/main/java"));
    return folders;
  }

  private static List<Path> sources(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(file -> file.toString().endsWith(".java")).sorted().toList();
    }
  }

  /** Of bodies of 58 lines and of 59, with a line before and a brace after them. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "class A {void f() {|}}|A.f",
        "class A {A() {|}}|A.<init>",
        "class A {static {|}}|A.<clinit>",
        "class A {{|}}|A.<init>",
        "class A {Runnable r = () -> {|};}|A.(lambda)",
        "class A {Runnable r = new Runnable() {public void run() {|}};}|A.(anonymous).run",
        "record A(int b) {A {|}}|A.<init>",
        "interface A {default void f() {|}}|A.f",
        "enum A {B {void f() {|}};}|A.(anonymous).f",
        "class A {class B {void f() {|}}}|A.B.f",
      })
  void methodsOfMoreThan60Lines(String head, String tail, String name) throws IOException {
    assertThat(over(head + "\n" + "f();\n".repeat(58) + tail)).isEmpty();
    assertThat(over(head + "\n" + "f();\n".repeat(59) + tail))
        .containsExactly("/A.java:1: " + name + " has 61 lines, at most 60 are allowed");
  }

  @ParameterizedTest
  @CsvSource({"class A, A", "enum A, A", "record A(), A", "interface A, A", "@interface A, A"})
  void typesOfMoreThan400Lines(String head, String name) throws IOException {
    assertThat(over(head + " {\n" + "\n".repeat(398) + "}")).isEmpty();
    assertThat(over("// a line\n" + head + " {\n" + "\n".repeat(399) + "}"))
        .containsExactly("/A.java:2: " + name + " has 401 lines, at most 400 are allowed");
  }

  /** What is said about a method is no part of it, what is said to the compiler is. */
  @Test
  void annotationsCountAndCommentsDoNot() throws IOException {
    String body = "void f() {\n" + "f();\n".repeat(58) + "}}";
    assertThat(over("class A {\n/**\n * f.\n */\n" + body)).isEmpty();
    assertThat(over("class A {\n@Deprecated\n" + body))
        .containsExactly("/A.java:2: A.f has 61 lines, at most 60 are allowed");
  }

  @Test
  void whatDoesNotParseIsRefused() {
    assertThatThrownBy(() -> over("class A {"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("A.java:1:");
  }

  private static List<String> over(String source) throws IOException {
    return SourceSizes.over(List.of(new Text(source)));
  }

  private static final class Text extends SimpleJavaFileObject {
    private final String source;

    Text(String source) {
      super(URI.create("string:///A.java"), JavaFileObject.Kind.SOURCE);
      this.source = source;
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return source;
    }
  }
}
